package event

import (
	"context"
	"time"

	"github.com/cartrita/cartrita/model"
)

// When a call in the shared buffer is taken for one that its gateway is lost with.
const (
	salvageAfter = 30 * time.Second // that it ended, at least
	lostAfter    = 20 * time.Second // that its gateway was not there, seen again and again
	lookedAgain  = 60 * time.Second // a longer time between two looks says nothing of what was between
)

// salvager is what Salvage remembers of gateways that are not there.
type salvager struct {
	looked time.Time
	absent map[string]time.Time // since when, by spool
}

// look forgets who is there again.
func (s *salvager) look(now time.Time, present map[string]bool) {
	if s.absent == nil || now.Sub(s.looked) > lookedAgain {
		s.absent = map[string]time.Time{}
	}
	s.looked = now
	for spool := range s.absent {
		if present[spool] {
			delete(s.absent, spool)
		}
	}
}

// lost reports whether the gateway of a spool has not been there for long.
func (s *salvager) lost(spool string, present map[string]bool) bool {
	if present[spool] {
		return false
	}
	since, known := s.absent[spool]
	if !known {
		s.absent[spool] = s.looked
	}
	return known && s.looked.Sub(since) >= lostAfter
}

// salvaging is one run of Salvage.
type salvaging struct {
	*Log
	*sharedPlace
	present map[string]bool
	saved   map[string]int // calls stored, by spool
	foreign int            // entries removed
}

// Salvage stores the calls in the shared buffer of gateways that seem to be lost,
// perhaps with their disks, and takes out what is stored. Present are the spools
// of those that are there: a gateway is lost when it is missing in run after run.
// One process runs it at a time. What its gateway stores all the same is stored
// once. Errors: KindUnavailable.
func (l *Log) Salvage(ctx context.Context, present map[string]bool) error {
	if l.share == nil {
		return nil
	}
	p, err := l.share.find(ctx)
	if err != nil {
		return err
	}
	l.share.salvager.look(l.cfg.Clock(), present)
	run := salvaging{Log: l, sharedPlace: p, present: present, saved: map[string]int{}}
	defer run.report()
	for at := (EntryID{}); ; {
		entries, err := p.After(ctx, at, sharedAtOnce)
		if err != nil || len(entries) == 0 {
			return err
		}
		at = entries[len(entries)-1].ID
		if more, err := run.part(ctx, entries); err != nil || !more {
			return err
		}
	}
}

// part looks at entries, and reports whether what comes behind them may be of
// interest: the oldest come first.
func (r *salvaging) part(ctx context.Context, entries []SharedEntry) (more bool, err error) {
	old, gone, young := r.sort(entries)
	more = young < len(entries)
	ids := make([]model.CallID, 0, len(old))
	for id := range old {
		ids = append(ids, id)
	}
	stored, err := r.share.cfg.Store.Stored(ctx, ids)
	if err != nil {
		return false, err
	}
	missing := map[string][]Call{} // by spool
	for id, c := range old {
		switch {
		case stored[id]:
		case c.lost || c.spool != r.Spool() && r.share.salvager.lost(c.spool, r.present):
			missing[c.spool] = append(missing[c.spool], c.call)
		default:
			continue // its gateway has it, and will store it
		}
		gone = append(gone, c.entry)
	}
	for spool, calls := range missing {
		if err := r.store(ctx, spool, calls); err != nil {
			return false, err
		}
	}
	if len(gone) == 0 {
		return more, nil
	}
	return more, r.Remove(ctx, gone)
}

// overdueCall is one of the buffer that should be stored by now.
type overdueCall struct {
	sharedCall
	entry EntryID
}

// sort returns the calls of entries that are old, the entries that no gateway on
// the store made, and how many are too young. It leaves those of other versions alone.
func (r *salvaging) sort(entries []SharedEntry) (old map[model.CallID]overdueCall, foreign []EntryID, young int) {
	old = map[model.CallID]overdueCall{}
	before := r.share.salvager.looked.Add(-salvageAfter)
	for _, e := range entries {
		if !isShared(r.secret, e.Data) {
			foreign = append(foreign, e.ID)
			continue
		}
		c, ok := openShared(e.Data)
		switch {
		case !ok:
		case c.call.Ended.Before(before):
			old[c.call.ID] = overdueCall{c, e.ID}
		default:
			young++
		}
	}
	r.foreign += len(foreign)
	return old, foreign, young
}

// store stores calls of another gateway as its own: its budgets are charged. One
// that the store can never take is given up.
func (r *salvaging) store(ctx context.Context, spool string, calls []Call) error {
	ctx, cancel := context.WithTimeout(ctx, ingestTimeout)
	defer cancel()
	// Who can write to the buffer can put back what was stored long ago.
	stored, err := r.cfg.Sink.Ingest(ctx, Batch{Spool: spool, Calls: calls, Again: true})
	if model.KindOf(err) == model.KindInvalid && len(calls) > 1 {
		for i := range calls {
			if err := r.store(ctx, spool, calls[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	if model.KindOf(err) == model.KindInvalid {
		r.cfg.Logger.Error("the store cannot take a call from the shared buffer; it is given up", "call", calls[0].ID, "err", err)
		return nil
	}
	r.saved[spool] += len(stored)
	return err
}

// report counts what was found, and says so once for each gateway.
func (r *salvaging) report() {
	for spool, n := range r.saved {
		if n > 0 {
			r.share.count(func(s *ShareStats) { s.Salvaged += uint64(n) })
			r.cfg.Logger.Warn("calls that another gateway recorded and did not store were stored from the shared buffer", "spool", spool, "calls", n)
		}
	}
	if r.foreign > 0 {
		r.share.count(func(s *ShareStats) { s.Foreign += uint64(r.foreign) })
		r.cfg.Logger.Warn("the shared buffer of events holds entries that no gateway on this store made; they are removed", "entries", r.foreign)
	}
}
