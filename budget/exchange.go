package budget

import (
	"context"
	"errors"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Run exchanges leases with the store until ctx ends.
func (e *Escrow) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.work:
		case <-timer.C:
		}
		e.step(ctx)
		pause := lookEvery
		if e.cfg.Clock().Before(e.often) {
			pause = lookOften
		}
		timer.Reset(pause)
	}
}

// step looks at what others did when it is time, and settles what is wanted.
func (e *Escrow) step(ctx context.Context) {
	valid := e.alive()
	if now := e.cfg.Clock(); !valid || e.troubled() || e.due(now) {
		if err := e.look(ctx); err != nil {
			e.fail(ctx, err)
			return
		}
	}
	wanted, r := e.collect()
	if len(wanted) > 0 {
		var err error
		if r.grants, err = e.settle(ctx, wanted); err != nil {
			r.err = err
			close(r.done)
			e.fail(ctx, err)
			return
		}
		e.recovered()
	}
	close(r.done)
	e.free(ctx)
	if now := e.cfg.Clock(); elapsed(now, e.pruned, pruneEvery) {
		e.pruned = now
		e.ledger.pruneOthers()
		ctx, cancel := context.WithTimeout(ctx, storeWait)
		defer cancel()
		_ = e.cfg.Store.Forget(ctx, e.cfg.Spool, e.ledger.accounts()) // another time will do
	}
}

func (e *Escrow) due(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	every := lookEvery
	if now.Before(e.often) {
		every = lookOften
	}
	woken := e.woken
	e.woken = false
	return woken || elapsed(now, e.looked, every*9/10)
}

func (e *Escrow) troubled() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed != nil
}

// look takes over what others did.
func (e *Escrow) look(ctx context.Context) error {
	asked := e.cfg.Clock()
	var sight *Sight
	err := e.within(ctx, storeWait, func(ctx context.Context) (err error) {
		sight, err = e.cfg.Store.Look(ctx, Query{Spool: e.cfg.Spool, After: e.clock, Since: e.since})
		return err
	})
	if err != nil {
		return err
	}
	if sight.Epoch != e.epoch {
		e.ledger.dispossess()
		e.cfg.Logger.Warn("budget: what this gateway held was taken from it; it asks anew")
		err := e.within(ctx, changeWait, func(ctx context.Context) (err error) {
			e.epoch, err = e.cfg.Store.Join(ctx, e.cfg.Spool, e.cfg.Name)
			return err
		})
		if err != nil {
			return err
		}
	}
	others := sight.Spent[:0]
	for _, s := range sight.Spent {
		if s.Spool != e.cfg.Spool {
			others = append(others, s)
		}
	}
	e.ledger.learn(others)
	e.clock, e.replicas, e.looked = sight.Clock, sight.Replicas, asked
	for _, a := range sight.Wanted {
		e.demanded[a.key()] = true
		e.often = asked.Add(oftenFor)
	}
	e.confirm(asked)
	e.recovered()
	if sight.Version != e.version && e.cfg.Changed != nil {
		switch err := e.within(ctx, changeWait, e.cfg.Changed); {
		case errors.Is(err, errBusy):
			return nil
		case err != nil:
			return err
		}
	}
	e.version = sight.Version
	return nil
}

// within has f take so long at most, and notes that this process lives.
func (e *Escrow) within(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	err := f(ctx)
	e.alive()
	return err
}

// collect takes what is wanted, and the round that answers it.
func (e *Escrow) collect() (map[accountKey]*want, *round) {
	e.mu.Lock()
	wanted, fed, r := e.waiting, e.fed, e.round
	e.waiting, e.fed, e.round = map[accountKey]*want{}, nil, newRound()
	e.mu.Unlock()
	for key, w := range wanted {
		w.give = e.lacking[key]
	}
	if now := e.cfg.Clock(); elapsed(now, e.evened, evenEvery) {
		e.evened = now
		fed = append(fed, e.ledger.uneven(e.replicas)...)
	}
	e.ledger.mu.RLock()
	for _, in := range fed {
		if key := in.account(); wanted[key] == nil {
			wanted[key] = &want{}
		}
	}
	e.ledger.mu.RUnlock()
	for key := range e.demanded {
		if wanted[key] == nil {
			wanted[key] = &want{}
		}
		wanted[key].give, wanted[key].answer = true, true
	}
	clear(e.demanded)
	return wanted, r
}

// settle asks for leases, and puts in force what is granted.
func (e *Escrow) settle(ctx context.Context, wanted map[accountKey]*want) (map[accountKey]Grant, error) {
	asks := e.ledger.asks(wanted, e.replicas, e.cfg.Clock())
	if len(asks) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, changeWait)
	defer cancel()
	grants, err := e.cfg.Store.Lease(ctx, e.cfg.Spool, e.epoch, asks)
	valid := e.alive()
	if err != nil {
		var known *model.Error
		if errors.As(err, &known) && known.Kind == model.KindConflict {
			e.ledger.dispossess()
			e.Wake()
		}
		return nil, err
	}
	got := make(map[accountKey]Grant, len(grants))
	for i, g := range grants {
		key := asks[i].key()
		got[key] = g
		if g.Short {
			if g.Open && !e.lacking[key] {
				e.tell()
			}
			e.lacking[key] = true
			e.often = e.cfg.Clock().Add(oftenFor)
		} else {
			delete(e.lacking, key)
		}
	}
	if valid { // else it may have been taken away again meanwhile
		e.ledger.grant(got)
	}
	return got, nil
}

// fail notes that the store does not answer, and says so once.
func (e *Escrow) fail(ctx context.Context, err error) {
	e.mu.Lock()
	first := e.failed == nil
	e.failed = err
	r := e.round
	e.round, e.waiting = newRound(), map[accountKey]*want{}
	e.mu.Unlock()
	r.err = err
	close(r.done)
	if first && ctx.Err() == nil {
		e.cfg.Logger.Warn("budget: the database that shares the budgets does not answer; this gateway spends what it holds", "error", err, "then_admits", e.cfg.Open)
	}
}

func (e *Escrow) recovered() {
	e.mu.Lock()
	was := e.failed
	e.failed = nil
	e.mu.Unlock()
	if was != nil {
		e.cfg.Logger.Info("budget: the database that shares the budgets answers again")
	}
}

// free takes from gateways that are gone what they held, if that is wished.
func (e *Escrow) free(ctx context.Context) {
	now := e.cfg.Clock()
	if e.cfg.FreeAfter == 0 || !elapsed(now, e.freed, e.cfg.FreeAfter/10) {
		return
	}
	e.freed = now
	ctx, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	spools, err := e.cfg.Store.ReleaseUnseen(ctx, e.cfg.FreeAfter)
	if err != nil {
		return // the next look says so
	}
	for _, s := range spools {
		e.cfg.Logger.Warn("budget: a gateway was not seen for long; what it held is free, whatever it spent and did not record", "spool", s, "after", e.cfg.FreeAfter)
	}
}
