package event

import (
	"context"
	"time"

	"github.com/cartrita/cartrita/model"
)

// salvageAfter is how old a call in the shared buffer is that another gateway
// should have stored long ago.
const salvageAfter = 30 * time.Second

// Salvage stores the calls that lie in the shared buffer for so long that the
// gateways that recorded them seem to be lost, perhaps with their disks, and
// takes out what is stored. One process does so at a time. What another one
// stores all the same is stored once. Errors: KindUnavailable.
func (l *Log) Salvage(ctx context.Context) error {
	s := l.share
	if s == nil {
		return nil
	}
	secret, err := s.key(ctx)
	if err != nil {
		return err
	}
	for at := ""; ; {
		entries, err := s.cfg.Buffer.After(ctx, at, sharedAtOnce)
		if err != nil || len(entries) == 0 {
			return err
		}
		at = entries[len(entries)-1].ID
		if err := l.salvage(ctx, secret, entries); err != nil {
			return err
		}
	}
}

func (l *Log) salvage(ctx context.Context, secret []byte, entries []SharedEntry) error {
	old, foreign := l.overdue(secret, entries)
	ids := make([]model.CallID, 0, len(old))
	for id := range old {
		ids = append(ids, id)
	}
	stored, err := l.share.cfg.Store.Stored(ctx, ids)
	if err != nil {
		return err
	}
	gone := foreign
	missing := map[string][]Call{} // by spool
	for id, c := range old {
		switch {
		case stored[id]:
		case c.spool == l.Spool():
			continue // it is in the spool of this process, or on its way
		default:
			missing[c.spool] = append(missing[c.spool], c.call)
		}
		gone = append(gone, c.entry)
	}
	for spool, calls := range missing {
		if err := l.store(ctx, spool, calls); err != nil {
			return err
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return l.share.cfg.Buffer.Remove(ctx, gone)
}

// overdueCall is one of the buffer that should be stored by now.
type overdueCall struct {
	sharedCall
	entry string
}

// overdue returns the calls of entries that are old, and the entries that no
// gateway on the store made. It leaves those of other versions alone.
func (l *Log) overdue(secret []byte, entries []SharedEntry) (old map[model.CallID]overdueCall, foreign []string) {
	old = map[model.CallID]overdueCall{}
	before := l.cfg.Clock().Add(-salvageAfter)
	for _, e := range entries {
		if !isShared(secret, e.Data) {
			foreign = append(foreign, e.ID)
		} else if c, ok := openShared(e.Data); ok && c.call.Ended.Before(before) {
			old[c.call.ID] = overdueCall{c, e.ID}
		}
	}
	if n := len(foreign); n > 0 {
		l.share.count(func(s *ShareStats) { s.Foreign += uint64(n) })
		l.cfg.Logger.Warn("the shared buffer of events holds entries that no gateway on this store made; they are removed", "entries", n)
	}
	return old, foreign
}

// store stores calls of another gateway as its own: its budgets are charged. One
// that the store can never take is given up.
func (l *Log) store(ctx context.Context, spool string, calls []Call) error {
	ctx, cancel := context.WithTimeout(ctx, ingestTimeout)
	defer cancel()
	_, err := l.cfg.Sink.Ingest(ctx, Batch{Spool: spool, Calls: calls})
	if model.KindOf(err) == model.KindInvalid && len(calls) > 1 {
		for i := range calls {
			if err := l.store(ctx, spool, calls[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	if model.KindOf(err) == model.KindInvalid {
		l.cfg.Logger.Error("the store cannot take a call from the shared buffer; it is given up", "call", calls[0].ID, "err", err)
		return nil
	}
	if err == nil {
		l.share.count(func(s *ShareStats) { s.Salvaged += uint64(len(calls)) })
		l.cfg.Logger.Warn("calls that another gateway recorded and did not store were stored from the shared buffer", "spool", spool, "calls", len(calls))
	}
	return err
}

func (s *sharer) count(f func(*ShareStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}
