package event

import (
	"cmp"
	"slices"
	"time"

	"github.com/cartrita/cartrita/model"
)

// interrupted is the message of calls whose process died.
const interrupted = "interrupted"

// recover opens the spool, begins a new segment, and closes the calls that a
// former process left under way. Their outcomes are frames like any other: a
// crash in the middle leaves the rest to the next Open, and none is closed
// twice. Outcomes that the Sink may not have are left to Run. On a disk without
// room the segment begins later, when what is there is stored.
func (l *Log) recover() error {
	d := l.cfg.disk
	if d == nil {
		d = directory(l.cfg.Dir)
	}
	failed := func(err error) error {
		return &model.Error{Op: "event.Open", Kind: model.KindUnavailable, Param: "dir", Message: "the event spool cannot be opened", Err: err}
	}
	left := map[model.CallID]pendingCall{}
	s, skipped, err := openSpool(d, l.cfg.SegmentBytes, l.cfg.Sync == SyncBatch, func(f *frame, at location) {
		if f.kind == frameIntent {
			left[f.id] = pendingCall{location: at, at: f.at}
			return
		}
		delete(left, f.id)
		l.tail = at.end()
	})
	if err != nil {
		return failed(err)
	}
	l.spool = s
	l.stats.Corrupt = uint64(skipped)
	if skipped > 0 {
		l.cfg.Logger.Error("a part of the event spool was damaged and skipped", "dir", l.cfg.Dir, "bytes", skipped)
	}
	l.first = s.next()
	if err = s.begin(); err == nil {
		err = s.keepReserve()
	}
	if err != nil && !isFull(err) {
		s.close()
		return failed(err)
	}
	s.short = err
	l.noteSpool(err)
	if err := l.interrupt(left); err != nil {
		s.close()
		return failed(err)
	}
	if l.seen = l.tail; l.tail == (Position{}) {
		l.sweep() // the former process left nothing
	} else {
		signal(l.work)
	}
	return nil
}

// interrupt writes the outcomes of the calls that are left, oldest first. Those
// for which there is no room are held in memory: their intents stay where they are
// until they are stored.
func (l *Log) interrupt(left map[model.CallID]pendingCall) error {
	type item struct {
		id model.CallID
		pendingCall
	}
	items := make([]item, 0, len(left))
	for id, p := range left {
		items = append(items, item{id, p})
	}
	slices.SortFunc(items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.Segment, b.Segment), cmp.Compare(a.Offset, b.Offset))
	})
	for _, it := range items {
		rec := l.leftRecord(it.pendingCall)
		if rec == nil {
			continue
		}
		abandon(rec)
		summary := Summarize(rec)
		buf, sum := encode(&summary, rec, false)
		f := frame{kind: frameOutcome, id: it.id, intent: it.location}
		at, err := l.append(&f, buf.b, sum, l.cfg.MaxBytes+l.cfg.MaxBytes/8)
		l.stats.Interrupted++
		switch {
		case err == nil:
			buf.release()
			l.tail = at.end()
			l.stats.Outcomes++
		case isFull(err):
			l.hold(Call{Started: time.UnixMicro(it.at).UTC(), Ended: f.time(), Summary: summary}, it.pendingCall, buf)
			l.stats.Undurable++
			l.announce()
		default:
			buf.release()
			return err
		}
	}
	if n := l.stats.Interrupted; n > 0 {
		l.cfg.Logger.Warn("calls of a former process were under way when it died; they are closed as failed", "calls", n)
	}
	return nil
}

// abandon closes the record of a call whose process died: failed at the
// endpoint to which it was about to be sent. What that endpoint bills for it
// nobody knows, so the cost is marked as incomplete, and budgets are charged
// what was held for it: a crash must not buy anything.
func abandon(rec *model.Record) {
	failure := &model.Failure{Kind: model.KindUnavailable, Message: interrupted}
	rec.State, rec.Error = model.StateFailed, failure
	for i := range rec.Charges {
		rec.Charges[i].Assumed = true
	}
	if n := len(rec.Attempts); n > 0 { // amended before a fallback
		last := &rec.Attempts[n-1]
		if last.Error == nil {
			last.Error = failure
		}
		rec.Model, rec.Endpoint, rec.Provider = last.Model, last.Endpoint, last.Endpoint.Provider()
		rec.Cost.Unpriced = true
	} else if p := rec.Plan; p != nil && len(p.Attempts) > 0 {
		first := p.First()
		rec.Attempts = []model.Attempt{{Endpoint: first.Endpoint, Model: first.Model, Step: p.Attempts[0].Step, Error: failure}}
		rec.Model, rec.Endpoint, rec.Provider = first.Model, first.Endpoint, first.Endpoint.Provider()
		rec.Cost.Unpriced = true
	}
}

// leftRecord reads the record of an intent with its plan; nil when it cannot
// be read, which a sum over the frame makes a fault of an older version.
func (l *Log) leftRecord(p pendingCall) *model.Record {
	payload, err := l.intentPayload(p)
	if err != nil {
		l.cfg.Logger.Error("the intent of an interrupted call cannot be read", "segment", p.Segment, "offset", p.Offset, "err", err)
		return nil
	}
	_, record, plan, ok := splitPayload(payload)
	if !ok {
		return nil
	}
	rec, err := ParseRecord(record, plan)
	if err != nil {
		l.cfg.Logger.Error("the intent of an interrupted call cannot be read", "segment", p.Segment, "offset", p.Offset, "err", err)
		return nil
	}
	return rec
}
