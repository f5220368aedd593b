package budget

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita/model"
)

// spendFor sends calls of a cent to a gateway for a while, ten a second, and
// returns how many were refused.
func spendFor(r *replica, who Subject, d time.Duration) (refused int) {
	for range d / (100 * time.Millisecond) {
		h, err := r.ledger.Reserve(&who, Target{}, costs(0.01))
		if err != nil {
			refused++
		}
		r.link.record(r.spool, h.Settle(nil, spends(0.01)))
		time.Sleep(100 * time.Millisecond)
	}
	return refused
}

// granted is what the store knows that a gateway holds of what is in force now.
func (r *replica) granted(t *testing.T) model.Money {
	t.Helper()
	status := r.ledger.Status()[0]
	account := Account{status.ID, status.PeriodStart}
	r.link.sharedStore.mu.Lock()
	defer r.link.sharedStore.mu.Unlock()
	if l := r.link.leases[account][r.spool]; l != nil {
		return l.USD
	}
	return 0
}

// TestAnOutageFarFromALimitStopsNobody: gateways hold what they need for a
// while, those without a call too, also in a period that has just begun.
func TestAnOutageFarFromALimitStopsNobody(t *testing.T) {
	for name, limit := range map[string]float64{"very far": 1e6, "an hour away": 360} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newSharedStore(time.Now)
				b := Budget{Name: "all", Period: Hourly, LimitUSD: money(limit)}
				busy, idle := newReplica(t, store, "busy", EscrowConfig{}, b), newReplica(t, store, "idle", EscrowConfig{}, b)
				defer busy.end()
				defer idle.end()
				cut := func(is bool) {
					for _, r := range []*replica{busy, idle} {
						r.link.set(func() { r.link.cut = is })
					}
				}
				if n := spendFor(busy, Subject{}, time.Minute); n > 0 {
					t.Errorf("%d calls were refused while all was well", n)
				}
				cut(true)
				if n, m := spendFor(busy, Subject{}, time.Minute), spendFor(idle, Subject{}, 10*time.Second); n > 0 || m > 0 {
					t.Errorf("%d calls of the busy gateway were refused, %d of the idle one", n, m)
				}
				cut(false)
				time.Sleep(time.Hour) // another period, in which no call came yet
				cut(true)
				if n, m := spendFor(busy, Subject{}, 10*time.Second), spendFor(idle, Subject{}, 10*time.Second); n > 0 || m > 0 {
					t.Errorf("in a new period %d calls of the busy gateway were refused, %d of the idle one", n, m)
				}
			})
		})
	}
}

// TestLeasesShrinkTowardsTheLimit: what a gateway holds that dies is little of
// what is left, however much it held when the limit was far.
func TestLeasesShrinkTowardsTheLimit(t *testing.T) {
	for name, scope := range map[string]Scope{"all": {}, "each user": {User: Any}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newSharedStore(time.Now)
				b := Budget{Name: "all", Scope: scope, Period: Yearly, LimitUSD: money(100)}
				busy, idle := newReplica(t, store, "busy", EscrowConfig{}, b), newReplica(t, store, "idle", EscrowConfig{}, b)
				defer busy.end()
				spendFor(idle, Subject{User: "ada"}, 5*time.Minute) // of a pace that makes its lease large
				own := *money(30)
				before := idle.granted(t) - own
				spendFor(busy, Subject{User: "ada"}, 10*time.Minute)
				time.Sleep(10 * time.Second)
				idle.end()
				left := 100*model.USD - busy.ledger.Status()[0].Spent.USD
				if holds := idle.granted(t) - own; before < *money(2) || holds <= 0 || holds > left/8 {
					t.Errorf("the idle gateway held %s with $70 left and holds %s with %s left", before, holds, left)
				}
			})
		})
	}
}
