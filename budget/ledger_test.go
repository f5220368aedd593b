package budget

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

var start = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// clock is a clock that tests set.
type clock struct{ ns atomic.Int64 }

func newClock(t time.Time) *clock {
	c := &clock{}
	c.set(t)
	return c
}

func (c *clock) set(t time.Time)         { c.ns.Store(t.UnixNano()) }
func (c *clock) add(d time.Duration)     { c.ns.Add(int64(d)) }
func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func money(dollars float64) *model.Money { m := model.FromUSD(dollars); return &m }
func number(n int64) *int64              { return &n }

func newLedger(t testing.TB, c *clock, budgets ...Budget) *Ledger {
	t.Helper()
	l, err := New(Config{Clock: c.now})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Configure(budgets); err != nil {
		t.Fatal(err)
	}
	return l
}

// costs are the amounts of a call that costs exactly so much.
func costs(dollars float64) Amounts {
	m := model.FromUSD(dollars)
	return Amounts{Worst: m, Quantile: m, Known: true, Requests: 1}
}

func spends(dollars float64) Spend {
	return Spend{Cost: model.FromUSD(dollars), Known: true, Requests: 1}
}

// sound fails the test unless the ledger balances and so many holds are open.
func sound(t testing.TB, l *Ledger, holds int) {
	t.Helper()
	im := l.Check()
	if !im.Balanced() || im.Holds != holds || im.Leaks != 0 {
		t.Errorf("ledger: %+v, want balanced with %d open holds", im, holds)
	}
	for _, s := range l.Status() {
		if holds == 0 && s.Held != (Quantities{}) {
			t.Errorf("%s holds %+v after everything ended", s.ID, s.Held)
		}
	}
}

func spentOf(t testing.TB, l *Ledger, id model.BudgetID) Quantities {
	t.Helper()
	for _, s := range l.Status() {
		if s.ID == id {
			return s.Spent
		}
	}
	t.Fatalf("no budget %s", id)
	return Quantities{}
}

// TestParallelCallsOnABudgetOfOne is litellm#34732: calls that check first and
// add later all pass.
func TestParallelCallsOnABudgetOfOne(t *testing.T) {
	for _, tc := range []struct {
		name         string
		calls, admit int
	}{
		{"litellm#34732: budget of one call", 64, 1},
		{"500 concurrent calls on a budget of 37", 500, 37},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLedger(t, newClock(start), Budget{Name: "all", Period: Daily, LimitUSD: money(0.01 * float64(tc.admit))})
			var admitted, refused atomic.Int64
			holds := make([]*Hold, tc.calls)
			var wg sync.WaitGroup
			begin := make(chan struct{})
			for i := range tc.calls {
				wg.Go(func() {
					<-begin
					h, err := l.Reserve(&Subject{Team: "a"}, Target{Model: "m"}, costs(0.01))
					if err == nil {
						admitted.Add(1)
						holds[i] = h
						return
					}
					if err.Kind == model.KindBudget {
						refused.Add(1)
					}
				})
			}
			close(begin)
			wg.Wait()
			if int(admitted.Load()) != tc.admit || int(refused.Load()) != tc.calls-tc.admit {
				t.Fatalf("%d admitted and %d refused, want %d and %d", admitted.Load(), refused.Load(), tc.admit, tc.calls-tc.admit)
			}
			sound(t, l, tc.admit)
			for _, h := range holds {
				h.Settle(nil, spends(0.01))
			}
			sound(t, l, 0)
			if got, want := spentOf(t, l, "all").USD, *money(0.01 * float64(tc.admit)); got != want {
				t.Errorf("spent %s, want %s", got, want)
			}
		})
	}
}

// TestCancelledCallsHoldNothing is litellm#30522 and litellm#27639: whichever
// way out a call takes, and however often it is ended, nothing stays held.
func TestCancelledCallsHoldNothing(t *testing.T) {
	l := newLedger(t, newClock(start), Budget{Name: "all", Period: Daily, LimitUSD: money(1)},
		Budget{Name: "teams", Scope: Scope{Team: Any}, Period: Total, LimitTokens: number(1000)})
	for i := range 500 {
		a := costs(0.5)
		a.Tokens = 500
		h, err := l.Reserve(&Subject{Team: "a"}, Target{}, a)
		if err != nil {
			t.Fatalf("call %d is refused although nothing was spent: %v", i, err)
		}
		h.Release()
		if got := h.Settle(nil, spends(0.5)); got != nil {
			t.Fatalf("a settle after the release charged %v", got)
		}
	}
	sound(t, l, 0)
}

// TestSettlesOnce: of many ends of one hold, one counts.
func TestSettlesOnce(t *testing.T) {
	l := newLedger(t, newClock(start), Budget{Name: "all", Period: Daily, LimitUSD: money(1)})
	h, err := l.Reserve(&Subject{}, Target{}, costs(0.3))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var charges atomic.Int64
	for range 20 {
		wg.Go(func() { charges.Add(int64(len(h.Settle(nil, spends(0.2))))) })
	}
	wg.Wait()
	if got := spentOf(t, l, "all").USD; charges.Load() != 1 || got != *money(0.2) {
		t.Errorf("%d charges and %s spent, want 1 and $0.2", charges.Load(), got)
	}
	sound(t, l, 0)
}

// TestSoakCountersEqualSpend is litellm#36926: under load the counter came to
// twice the spend.
func TestSoakCountersEqualSpend(t *testing.T) {
	l := newLedger(t, newClock(start),
		Budget{Name: "all", Period: Monthly, LimitUSD: money(40)},
		Budget{Name: "teams", Scope: Scope{Team: Any}, Period: Daily, LimitUSD: money(9), LimitRequests: number(5000)},
		Budget{Name: "models", Scope: Scope{Model: Any}, Period: Hourly, Rolling: true, LimitUSD: money(25)})
	var spent, admitted atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []model.Charge
	for w := range 16 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for range 2000 {
				s := &Subject{Team: fmt.Sprint("t", rng.IntN(5))}
				h, err := l.Reserve(s, Target{Model: model.ModelID(fmt.Sprint("m", rng.IntN(3)))}, costs(0.01))
				if err != nil {
					continue
				}
				if rng.IntN(4) == 0 {
					h.Release()
					continue
				}
				cost := model.Money(rng.Int64N(int64(model.USD) / 100))
				admitted.Add(1)
				spent.Add(int64(cost))
				got := h.Settle(nil, Spend{Cost: cost, Known: true, Requests: 1})
				mu.Lock()
				all = append(all, got...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	sound(t, l, 0)
	if got := spentOf(t, l, "all").USD; got != model.Money(spent.Load()) || admitted.Load() == 0 {
		t.Errorf("the counter says %s, %d calls spent %s", got, admitted.Load(), model.Money(spent.Load()))
	}
	r := l.Audit(func(yield func(model.Charge) bool) {
		for _, c := range all {
			if !yield(c) {
				return
			}
		}
	}, nil)
	if !r.Balanced || r.Charges == 0 {
		t.Errorf("audit: %+v", r)
	}
}

// TestLimitOfZeroRefuses is litellm#26672: a spend or limit of 0 is a number,
// not the absence of one.
func TestLimitOfZeroRefuses(t *testing.T) {
	for _, b := range []Budget{
		{LimitUSD: money(0)}, {LimitTokens: number(0)}, {LimitRequests: number(0)},
	} {
		b.Name, b.Period = "none", Daily
		l := newLedger(t, newClock(start), b)
		if _, err := l.Reserve(&Subject{}, Target{}, Amounts{Known: true}); err == nil {
			t.Errorf("%+v admits a call", b)
		}
		if v := l.View(&Subject{}); v.Refusal == nil {
			t.Errorf("%+v is not seen before the decision", b)
		}
	}
}

// TestFreeCallsDoNotSkipBudgets: a price of 0 still counts tokens and requests,
// and a budget that is used up refuses free calls too.
func TestFreeCallsDoNotSkipBudgets(t *testing.T) {
	free := Amounts{Known: true, Tokens: 10, Requests: 1}
	l := newLedger(t, newClock(start), Budget{Name: "all", Period: Daily, LimitUSD: money(1), LimitRequests: number(2)})
	for range 2 {
		h, err := l.Reserve(&Subject{}, Target{}, free)
		if err != nil {
			t.Fatal(err)
		}
		h.Settle(nil, Spend{Known: true, Tokens: 10, Requests: 1})
	}
	if _, err := l.Reserve(&Subject{}, Target{}, free); err == nil {
		t.Error("a third request is admitted where two are allowed")
	}
	l = newLedger(t, newClock(start), Budget{Name: "all", Period: Daily, LimitUSD: money(1)})
	h, _ := l.Reserve(&Subject{}, Target{}, costs(1))
	h.Settle(nil, spends(1))
	if _, err := l.Reserve(&Subject{}, Target{}, free); err == nil {
		t.Error("a free call is admitted by a budget that is used up")
	}
}

// TestUnknownPriceFollowsItsPolicy is litellm#35524.
func TestUnknownPriceFollowsItsPolicy(t *testing.T) {
	a := Amounts{AssumedMax: *money(0.4), Requests: 1}
	for _, tc := range []struct {
		policy  UnknownPrice
		admit   bool
		held    float64
		charged float64
	}{{Refuse, false, 0, 0}, {AssumeMax, true, 0.4, 0.3}, {Free, true, 0, 0}, {"", true, 0.4, 0.3}} {
		l := newLedger(t, newClock(start), Budget{Name: "all", Period: Daily, LimitUSD: money(0.5), UnknownPrice: tc.policy})
		h, err := l.Reserve(&Subject{}, Target{}, a)
		if (err == nil) != tc.admit {
			t.Fatalf("%q: %v", tc.policy, err)
		}
		if err != nil {
			continue
		}
		if got := h.Charges(nil)[0].Cost; got != *money(tc.held) {
			t.Errorf("%q holds %s, want $%v", tc.policy, got, tc.held)
		}
		got := h.Settle(nil, Spend{AssumedMax: *money(0.3), Requests: 1})
		if got[0].Cost != *money(tc.charged) || got[0].Assumed != (tc.charged > 0) {
			t.Errorf("%q charges %+v, want $%v", tc.policy, got[0], tc.charged)
		}
	}
}
