package event

import "slices"

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
		if !l.stored.Less(g.last) && !g.foreign && g.refs > 0 && len(l.spool.segments) > keepSegments {
			l.carry(g)
		}
		if l.needed(g) {
			return
		}
		l.drop(g)
	}
	l.renew()
}

// needed reports, in mu, whether a segment holds what is nowhere else.
func (l *Log) needed(g *segment) bool {
	switch {
	case l.stored.Less(g.last):
		return true
	case !g.foreign:
		return g.refs > 0
	}
	return l.stored.Less(l.seen) || slices.ContainsFunc(l.queue, func(q *queued) bool {
		return q.intent.Segment > 0 && q.intent.Segment < l.first
	})
}

func (l *Log) drop(g *segment) {
	if err := l.spool.drop(g); err != nil {
		l.cfg.Logger.Error("a finished segment of the event spool cannot be removed", "segment", g.number, "err", err)
	}
}

// renew begins, in mu, another segment in place of one that holds much and
// nothing that is needed, so that its space comes back before it is full. On a
// disk without room anything is much, and what begins the other is the reserve,
// which is made anew of what comes back, or what comes back itself.
func (l *Log) renew() {
	s := l.spool
	g := s.active()
	if g == nil || l.needed(g) || !g.foreign && (g.size == segmentHeader || g.size < s.reserve() && s.short == nil) {
		return
	}
	err := s.begin()
	if err != nil {
		s.short, s.triedAt = err, 0
	}
	if err != nil && s.reserved {
		err = s.beginWith(reserveName, &s.reserved)
	}
	if err != nil && s.empty(g) == nil {
		err = s.begin()
	}
	if err == nil {
		l.drop(g)
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
	s := l.spool
	if s.begin() != nil && (!s.reserved || s.beginWith(reserveName, &s.reserved) != nil) {
		return
	}
	for len(s.segments) > 1 {
		if err := s.drop(s.segments[0]); err != nil {
			break
		}
	}
	if s.spare {
		_ = s.disk.Remove(spareName)
	}
	if s.reserved {
		_ = s.disk.Remove(reserveName)
	}
}
