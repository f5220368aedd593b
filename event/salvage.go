package event

import (
	"context"
	"slices"
	"time"

	"github.com/cartrita/cartrita/model"
)

// When a call in the shared buffer is taken for one that its gateway is lost with.
const (
	salvageAfter = 30 * time.Second // that it came there, at least
	lostAfter    = 20 * time.Second // that its gateway was not there, seen again and again
	salvageEvery = 10 * time.Second
	salvageClaim = 3 * salvageEvery // of the one that does it; another one goes on then
)

// salvager is what one process remembers of gateways that are not there.
type salvager struct {
	now    time.Time            // of the last look, by the buffer's clock
	absent map[string]time.Time // since when, by spool
}

// look forgets who is there again, and what was before a long time without a look.
func (s *salvager) look(now time.Time, present map[string]bool) {
	if s.absent == nil || now.Sub(s.now) > salvageClaim {
		s.absent = map[string]time.Time{}
	}
	s.now = now
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
		s.absent[spool] = s.now
	}
	return known && s.now.Sub(since) >= lostAfter
}

// salvaging is one run of salvage.
type salvaging struct {
	*Log
	*sharedPlace
	present map[string]bool
	saved   map[string]int // calls stored, by spool
	foreign int            // entries removed
}

// Salvage stores, again and again until ctx ends, the calls in the shared buffer
// of gateways that seem to be lost, perhaps with their disks, and takes out what
// is stored. Present returns the spools of the gateways that are there: one is
// lost when it is missing in look after look. Of the processes that run it one
// does it at a time, any that reaches the buffer and the store. What its gateway
// stores all the same is stored once. Without a SharedConfig it returns at once.
func (l *Log) Salvage(ctx context.Context, present func(context.Context) (map[string]bool, error)) error {
	if l.share == nil {
		return nil
	}
	t := time.NewTicker(salvageEvery)
	defer t.Stop()
	said := trouble{log: l.cfg.Logger, bad: "calls of lost gateways cannot be looked for in the shared buffer", good: "calls of lost gateways are looked for again"}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			said.note(ctx, l.salvage(ctx, present))
		}
	}
}

func (l *Log) salvage(ctx context.Context, present func(context.Context) (map[string]bool, error)) error {
	p, err := l.share.find(ctx)
	if err != nil {
		return err
	}
	now, held, err := p.Claim(ctx, l.Spool(), salvageClaim)
	if err != nil || !held {
		return err
	}
	there, err := present(ctx)
	if err != nil {
		return nil // that the store is away is said by who writes to it
	}
	l.share.salvager.look(now, there)
	run := salvaging{Log: l, sharedPlace: p, present: there, saved: map[string]int{}}
	defer run.report()
	for at := (EntryID{}); ; {
		entries, err := p.After(ctx, at, sharedAtOnce)
		if err != nil || len(entries) == 0 {
			return err
		}
		at = entries[len(entries)-1].ID
		more, err := run.part(ctx, entries)
		if err != nil || !more {
			return err
		}
	}
}

// part looks at entries that are old, and reports whether all were: the oldest come
// first, so that more may be behind them.
func (r *salvaging) part(ctx context.Context, entries []SharedEntry) (more bool, err error) {
	before := EntryID{Time: uint64(r.share.salvager.now.Add(-salvageAfter).UnixMilli())}
	n, _ := slices.BinarySearchFunc(entries, before, func(e SharedEntry, before EntryID) int { return e.ID.Compare(before) })
	more = n == len(entries)
	old, gone := r.sort(entries[:n])
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

// sort returns the calls of entries, and the entries that no gateway on the store
// made. It leaves those of other versions alone.
func (r *salvaging) sort(entries []SharedEntry) (old map[model.CallID]overdueCall, foreign []EntryID) {
	old = map[model.CallID]overdueCall{}
	for _, e := range entries {
		if !isShared(r.secret, e.Data) {
			foreign = append(foreign, e.ID)
		} else if c, ok := openShared(e.Data); ok {
			old[c.call.ID] = overdueCall{c, e.ID}
		}
	}
	r.foreign += len(foreign)
	return old, foreign
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
