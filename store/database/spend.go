package database

import (
	"context"
	"hash/maphash"
	"maps"
	"math"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/batch"
)

// maxSpends is how many periods of budgets are held at once. One takes about 400
// bytes, stored and computed.
const maxSpends = 100_000

// spends are what budgets were charged in periods, of those periods whose hashes
// lie in a window. A period may be of any length, so none is over before the last
// call is read: when there are more than max, the window is made smaller, and
// the calls are read again for the rest.
type spends struct {
	max      int
	seed     maphash.Seed
	from, to uint64 // hashes of the keys that are held, inclusive
	held     map[batch.SpendKey]*spendPair
}

type spendPair struct{ stored, computed *event.BudgetSpend } // nil: none

func newSpends() spends {
	return spends{max: maxSpends, seed: maphash.MakeSeed(), to: math.MaxUint64, held: map[batch.SpendKey]*spendPair{}}
}

func (s *spends) hash(k batch.SpendKey) uint64 { return maphash.Comparable(s.seed, k) }

// at returns the pair of a key; nil when it is none of the window.
func (s *spends) at(k batch.SpendKey) *spendPair {
	if p := s.held[k]; p != nil {
		return p
	}
	if h := s.hash(k); h < s.from || h > s.to {
		return nil
	}
	p := &spendPair{}
	s.held[k] = p
	for len(s.held) > s.max && s.from < s.to {
		s.to = s.from + (s.to-s.from)/2
		maps.DeleteFunc(s.held, func(k batch.SpendKey, _ *spendPair) bool { return s.hash(k) > s.to })
	}
	return s.held[k]
}

// next goes on to the rest, if there is any.
func (s *spends) next() bool {
	if s.to == math.MaxUint64 {
		return false
	}
	s.from, s.to = s.to+1, math.MaxUint64
	clear(s.held)
	return true
}

// loadSpending reads what is stored of the window; first: for the first time.
func (c *comparison) loadSpending(ctx context.Context, first bool) error {
	return c.Spending(ctx, func(stored event.BudgetSpend) {
		if c.left(stored.Period) {
			return
		}
		if first {
			c.audit.Spends++
		}
		if p := c.spend.at(batch.SpendKey{Budget: stored.Budget, Period: stored.Period.UnixMicro()}); p != nil {
			p.stored = &stored
		}
	})
}

// charge adds up what a call was charged.
func (c *comparison) charge(call *event.Call) {
	for i := range call.Charges {
		charge := &call.Charges[i]
		if c.left(charge.Period) {
			continue
		}
		p := c.spend.at(batch.SpendKey{Budget: charge.Budget, Period: charge.Period.UnixMicro()})
		if p == nil {
			continue
		}
		if p.computed == nil {
			p.computed = &event.BudgetSpend{}
		}
		p.computed.Add(charge)
	}
}

// compareSpending looks at the window, behind all calls.
func (c *comparison) compareSpending() {
	for k, p := range c.spend.held {
		d := SpendDifference{k.Budget, time.UnixMicro(k.Period).UTC(), p.stored, p.computed}
		if p.stored == nil || p.computed == nil || len(d.Columns()) > 0 {
			c.found.Spending = append(c.found.Spending, d)
		}
	}
}

// restOfSpending reads all calls again for each of the windows that follow.
func (c *comparison) restOfSpending(ctx context.Context) error {
	for c.spend.next() {
		if err := c.loadSpending(ctx, false); err != nil {
			return err
		}
		err := c.Documents(ctx, math.MinInt64, math.MaxInt64, func(entries []batch.Entry) error {
			for i := range entries {
				call, err := c.counted(&entries[i])
				if err != nil {
					return err
				}
				c.charge(call)
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
		c.compareSpending()
		if err := c.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}
