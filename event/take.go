package event

import (
	"errors"
	"io"
	"slices"
	"time"
)

// batchBytes bounds the documents of one batch, which Run holds in memory.
const batchBytes = 2 << 20

// take returns the next batch: from the spool, or else from memory; nil when
// there is nothing to move.
func (in *ingester) take() (*batch, error) {
	if in.spool != nil {
		if b, err := in.fromSpool(); b != nil || err != nil {
			return b, err
		}
	}
	return in.fromMemory(), nil
}

func (in *ingester) fromMemory() *batch {
	in.mu.Lock()
	n := min(len(in.queue), in.cfg.BatchCalls)
	b := &batch{items: slices.Clone(in.queue[:n])}
	if in.spool == nil {
		in.fresh = len(in.queue) - n
		b.end = Position{Offset: in.stored.Offset + int64(n)}
	}
	in.mu.Unlock()
	if n == 0 {
		return nil
	}
	for _, q := range b.items {
		c := q.call
		if q.started == nil && q.intent != (location{}) {
			_, c.PlanJSON = in.intentAt(q.intent)
		}
		b.calls = append(b.calls, c)
		b.intents = append(b.intents, q.intent)
	}
	return b
}

// fromSpool reads the next batch from the segments.
func (in *ingester) fromSpool() (*batch, error) {
	b := &batch{end: in.next}
	if in.arena = in.arena[:0]; cap(in.arena) > 2*batchBytes {
		in.arena = nil // a large record came by
	}
	for {
		g, size := in.segmentFrom(b.end)
		if g != nil {
			if err := in.readCalls(b, g, size); err != nil {
				return nil, err
			}
			if !in.full(b) {
				continue
			}
		}
		if len(b.calls) > 0 {
			return b, nil
		}
		if in.atEnd(b.end) {
			return nil, nil
		}
	}
}

func (in *ingester) full(b *batch) bool {
	return len(b.calls) >= in.cfg.BatchCalls || len(in.arena) >= batchBytes
}

// atEnd notes how far the spool was read without finding a call, and reports
// whether no other was recorded meanwhile.
func (in *ingester) atEnd(pos Position) bool {
	in.mu.Lock()
	in.next = pos
	end := !pos.Less(in.tail)
	unread := end && in.stored.Less(in.tail)
	if unread {
		in.stored = in.tail // what was between could not be read, and was set aside
	}
	in.mu.Unlock()
	if end {
		in.sweep()
	}
	return end
}

// segmentFrom returns the first segment with bytes behind pos, and its size.
func (in *ingester) segmentFrom(pos Position) (*segment, int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.fresh = 0
	for _, g := range in.spool.segments {
		if pos.Less(Position{g.number, g.size}) && g.size > segmentHeader {
			return g, g.size
		}
	}
	return nil, 0
}

// readCalls adds the outcomes in a segment from b.end on to the batch, until
// it is full, and moves b.end.
func (in *ingester) readCalls(b *batch, g *segment, size int64) error {
	r := &in.reader
	if r.segment != g.number {
		*r = frameReader{src: g.file, segment: g.number, buf: r.buf[:0]}
	}
	r.size, r.off = size, segmentHeader
	if b.end.Segment == g.number {
		r.off = max(r.off, b.end.Offset)
	}
	for !in.full(b) {
		f, _, end, err := r.next()
		if errors.Is(err, io.EOF) {
			b.end = Position{g.number, size}
			return nil
		}
		if err != nil {
			return err
		}
		b.end = Position{g.number, end}
		if f.kind == frameOutcome {
			in.readCall(b, &f)
		}
	}
	return nil
}

// readCall adds one outcome to the batch. What a sum protects and cannot be
// read was written by another version; it is counted, not retried.
func (in *ingester) readCall(b *batch, f *frame) {
	at := len(in.arena)
	in.arena = append(in.arena, f.payload...)
	c := Call{Ended: f.time()}
	summary, record, plan, ok := splitPayload(in.arena[at:len(in.arena):len(in.arena)])
	if !ok || !c.Summary.read(summary) {
		in.cfg.Logger.Error("an outcome in the event spool cannot be read; it is set aside", "call", f.id)
		in.mu.Lock()
		in.stats.Rejected++
		in.unref(f.intent)
		in.mu.Unlock()
		return
	}
	c.ID, c.RecordJSON, c.PlanJSON = f.id, record, plan
	if f.intent != (location{}) {
		c.Started, c.PlanJSON = in.intentAt(f.intent)
	}
	b.calls = append(b.calls, c)
	b.intents = append(b.intents, f.intent)
}

// intentAt reads the time and the plan document of an intent from its frame;
// nothing if it is gone. The document is in the arena.
func (in *ingester) intentAt(at location) (time.Time, []byte) {
	n := len(in.arena)
	if f, ok := in.reader.behind(at); ok {
		_, _, plan, _ := splitPayload(f.payload)
		if plan == nil {
			return f.time(), nil
		}
		in.arena = append(in.arena, plan...)
		return f.time(), in.arena[n:len(in.arena):len(in.arena)]
	}
	in.mu.Lock()
	g := in.spool.segment(at.Segment)
	in.mu.Unlock()
	err := errDamaged
	if g != nil {
		in.arena = slices.Grow(in.arena, at.size)
		var f frame
		if f, err = g.read(at, in.arena[n:]); err == nil { // only Run drops segments
			in.arena = in.arena[:n+at.size]
			_, _, plan, _ := splitPayload(f.payload)
			return f.time(), plan
		}
	}
	in.cfg.Logger.Error("the intent of a call cannot be read back", "segment", at.Segment, "offset", at.Offset, "err", err)
	return time.Time{}, nil
}
