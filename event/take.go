package event

import (
	"errors"
	"io"
	"slices"
	"time"
)

// take returns the next batch: from the queue, from the spool when the queue
// could not hold everything, or of orphans; nil when there is nothing.
func (in *ingester) take() (*batch, error) {
	in.mu.Lock()
	items, orphans := in.queue, false
	if len(items) == 0 && !in.lagging {
		items, orphans = in.orphans, true
	}
	items = slices.Clone(items[:min(len(items), in.cfg.BatchCalls)])
	lagging := in.lagging
	in.mu.Unlock()

	if len(items) > 0 {
		return in.fromMemory(items, orphans)
	}
	if lagging {
		return in.fromSpool()
	}
	return nil, nil
}

func (in *ingester) fromMemory(items []*queued, orphans bool) (*batch, error) {
	b := &batch{items: items, orphans: orphans, calls: make([]Call, len(items))}
	for i, q := range items {
		b.calls[i] = q.call
		if q.started == nil && q.intent != (Position{}) {
			_, b.calls[i].PlanJSON = in.intentAt(q.intent)
		}
	}
	if !orphans {
		b.end = items[len(items)-1].end
	}
	return b, nil
}

// intentAt reads the time and the plan document of an intent back from its
// frame; nothing if it is gone.
func (in *ingester) intentAt(pos Position) (time.Time, []byte) {
	in.mu.Lock()
	g := in.spool.segment(pos.Segment)
	in.mu.Unlock()
	err := errDamaged
	if g != nil {
		var f frame
		if f, err = g.read(pos); err == nil { // only Run drops segments
			_, _, plan, _ := splitPayload(f.payload)
			return f.time(), plan
		}
	}
	in.cfg.Logger.Error("the intent of a call cannot be read back", "segment", pos.Segment, "offset", pos.Offset, "err", err)
	return time.Time{}, nil
}

// fromSpool reads the next batch back from the files. When it reaches the end,
// the queue takes over again.
func (in *ingester) fromSpool() (*batch, error) {
	b := &batch{end: in.next}
	for {
		g, size := in.segmentFrom(b.end)
		if g != nil {
			if err := in.readCalls(b, g, size); err != nil {
				return nil, err
			}
			if len(b.calls) < in.cfg.BatchCalls {
				continue
			}
		}
		if len(b.calls) > 0 {
			return b, nil
		}
		in.mu.Lock()
		if in.next = b.end; !in.next.Less(in.tail) {
			in.lagging, in.stored = false, in.tail
			in.mu.Unlock()
			in.sweep()
			return nil, nil
		}
		in.mu.Unlock()
	}
}

// segmentFrom returns the first segment with bytes behind pos, and its size.
func (in *ingester) segmentFrom(pos Position) (*segment, int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
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
	r := frameReader{src: g.file, segment: g.number, size: size, off: segmentHeader}
	if b.end.Segment == g.number {
		r.off = max(r.off, b.end.Offset)
	}
	for len(b.calls) < in.cfg.BatchCalls {
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
	c := Call{Ended: f.time()}
	summary, record, plan, ok := splitPayload(slices.Clone(f.payload))
	if !ok || !c.Summary.read(summary) {
		in.cfg.Logger.Error("an outcome in the event spool cannot be read; it is set aside", "call", f.id)
		in.mu.Lock()
		in.stats.Rejected++
		in.mu.Unlock()
		return
	}
	c.ID, c.RecordJSON, c.PlanJSON = f.id, record, plan
	if f.intent != (Position{}) {
		c.Started, c.PlanJSON = in.intentAt(f.intent)
		b.intents = append(b.intents, f.intent)
	}
	b.calls = append(b.calls, c)
}
