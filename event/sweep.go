package event

// keepSegments is the number of segments up to which an old one may wait for
// calls that are still under way; beyond it their intents are carried forward.
const keepSegments = 4

// sweep drops the oldest segments that nobody needs: their outcomes are stored
// and the calls whose intents they hold have ended.
func (l *Log) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.spool.segments) > 1 {
		g := l.spool.segments[0]
		if g.foreign && l.stored.Less(l.seen) || l.stored.Less(g.last) {
			return
		}
		if !g.foreign && g.refs > 0 && len(l.spool.segments) > keepSegments {
			l.carry(g)
		}
		if !g.foreign && g.refs > 0 {
			return
		}
		if err := l.spool.drop(g); err != nil {
			l.cfg.Logger.Error("a finished segment of the event spool cannot be removed", "segment", g.number, "err", err)
		}
	}
}

// carry writes the intents in g whose calls are under way again at the end of
// the spool, in mu. One that cannot be written keeps the segment. So does a
// segment that is mostly calls under way: carrying it would gain little, and
// with many of them one would be carried after the other without end.
func (l *Log) carry(g *segment) {
	var live int64
	for _, p := range l.pending {
		if p.Segment == g.number {
			live += int64(p.size)
		}
	}
	if live > g.size/2 {
		return
	}
	for id, p := range l.pending {
		if p.Segment != g.number {
			continue
		}
		payload, err := l.intentPayload(p)
		if err != nil {
			l.cfg.Logger.Error("the intent of a call under way cannot be carried forward", "call", id, "err", err)
			continue
		}
		b := append(make([]byte, frameHeader, frameHeader+len(payload)), payload...)
		f := frame{kind: frameIntent, id: id, at: p.at}
		at, err := l.append(&f, b, payloadSum(payload), l.cfg.MaxBytes)
		if err != nil {
			return
		}
		g.refs--
		p.location = at
		l.pending[id] = p
	}
}

// forget empties the spool at a clean end, so that the next Open finds nothing
// to read. What cannot be removed is read again then, and skipped.
func (l *Log) forget() {
	if err := l.spool.begin(); err != nil {
		return
	}
	for len(l.spool.segments) > 1 {
		if err := l.spool.drop(l.spool.segments[0]); err != nil {
			break
		}
	}
	if l.spool.spare {
		_ = l.spool.disk.Remove(spareName)
	}
}
