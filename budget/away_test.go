package budget

import (
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

// TestBudgetComesBackWithItsHolds: a budget that a reload removes and another
// puts back, a bad configuration rolled back, holds for the calls that were
// under way and is charged for them.
func TestBudgetComesBackWithItsHolds(t *testing.T) {
	all := Budget{Name: "b", Period: Daily, LimitUSD: money(1)}
	teams := Budget{Name: "b", Scope: Scope{Team: Any}, Period: Daily, LimitUSD: money(1)}
	weekly := all
	weekly.Period = Weekly
	for name, c := range map[string]struct {
		budget Budget
		away   []Budget
		id     model.BudgetID
	}{
		"removed": {all, nil, "b"}, "another period": {all, []Budget{weekly}, "b"},
		"another scope": {all, []Budget{teams}, "b"}, "one for each": {teams, nil, "b/x"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t, newClock(start), c.budget)
			reserve := func() (*Hold, *model.Error) { return l.Reserve(&Subject{Team: "x"}, Target{}, costs(0.9)) }
			h, err := reserve()
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Configure(c.away); err != nil {
				t.Fatal(err)
			}
			sound(t, l, 1)
			if err := l.Configure([]Budget{c.budget}); err != nil {
				t.Fatal(err)
			}
			if _, err := reserve(); err == nil {
				t.Error("a second call of $0.9 is admitted on a budget of $1")
			}
			sound(t, l, 1)
			charges := h.Settle(nil, spends(0.9))
			if got := spentOf(t, l, c.id).USD; got != *money(0.9) {
				t.Errorf("spent %s, the record says $0.9", got)
			}
			r := l.Audit(func(yield func(model.Charge) bool) { yield(charges[0]) }, nil)
			if !r.Balanced {
				t.Errorf("audit: %+v", r)
			}
			sound(t, l, 0)
		})
	}
}

// TestSettledWhileAway: what is spent while the budget is away counts when it
// is back, is reported to nobody before, and is forgotten with its period.
func TestSettledWhileAway(t *testing.T) {
	c := newClock(start)
	b := Budget{Name: "b", Period: Daily, LimitUSD: money(1)}
	crossed := 0
	l, err := New(Config{Clock: c.now, OnCross: func(Crossing) { crossed++ }})
	if err != nil {
		t.Fatal(err)
	}
	configure := func(budgets ...Budget) {
		t.Helper()
		if err := l.Configure(budgets); err != nil {
			t.Fatal(err)
		}
		sound(t, l, 0)
	}
	configure(b)
	h, refused := l.Reserve(&Subject{}, Target{}, costs(0.95))
	if refused != nil {
		t.Fatal(refused)
	}
	if err := l.Configure(nil); err != nil {
		t.Fatal(err)
	}
	h.Settle(nil, spends(0.95))
	if crossed != 0 {
		t.Errorf("%d thresholds of a budget that is not in force were reported", crossed)
	}
	configure(b)
	if got := spentOf(t, l, "b").USD; got != *money(0.95) || crossed != 2 {
		t.Errorf("back with %s spent and %d thresholds reported, want $0.95 and 2", got, crossed)
	}
	configure()
	c.add(24 * time.Hour)
	configure()
	if len(l.away) != 0 {
		t.Error("a counter whose period is over is kept")
	}
	configure(b)
	if got := spentOf(t, l, "b"); got != (Quantities{}) {
		t.Errorf("the next day opens with %+v", got)
	}
}

// TestPeriodPutBackAfterRestart: what a store had by the right period is not
// lost to a start under a mistaken one.
func TestPeriodPutBackAfterRestart(t *testing.T) {
	daily := Budget{Name: "b", Period: Daily, LimitUSD: money(1)}
	weekly := daily
	weekly.Period = Weekly
	l := newLedger(t, newClock(start), weekly)
	l.Load([]Spent{{Budget: "b", Period: start.Truncate(24 * time.Hour), Quantities: Quantities{USD: *money(0.9)}}})
	if err := l.Configure([]Budget{daily}); err != nil {
		t.Fatal(err)
	}
	if got := spentOf(t, l, "b").USD; got != *money(0.9) {
		t.Errorf("spent %s, want $0.9", got)
	}
	sound(t, l, 0)
}

// TestScopeChangeMovesTheSteps: after a reload the steps of a budget are for
// the model and the team that it names now.
func TestScopeChangeMovesTheSteps(t *testing.T) {
	of := func(team, m string) Budget {
		return Budget{
			Name: "b", Scope: Scope{Team: team, Model: m}, Period: Daily, LimitUSD: money(1),
			Ladder: []Step{{At: 0.5, Action: CapTokens, Value: "5"}},
		}
	}
	l := newLedger(t, newClock(start), of("a", "dear"))
	h, err := l.Reserve(&Subject{Team: "a"}, Target{Model: "dear"}, costs(0.6))
	if err != nil {
		t.Fatal(err)
	}
	h.Settle(nil, spends(0.6))
	if err := l.Configure([]Budget{of("z", "other")}); err != nil {
		t.Fatal(err)
	}
	if v := l.View(&Subject{Team: "z"}); v.Limits == nil || v.Limits.Rules[0].Model != "other" {
		t.Errorf("team z: %+v, want a cap on other", v.Limits)
	}
	if v := l.View(&Subject{Team: "a"}); v.Limits != nil {
		t.Errorf("team a is out of scope, and has %+v", v.Limits.Rules)
	}
	if got := l.Status()[0].Scope; got != (Scope{Team: "z", Model: "other"}) {
		t.Errorf("the status says %s", got)
	}
}

// TestEarlyStepIsLeft: a step at or below the hysteresis is left with its
// period, or when nothing is spent any more, and is not reported again.
func TestEarlyStepIsLeft(t *testing.T) {
	for _, b := range []Budget{
		{Name: "b", Period: Hourly, LimitUSD: money(100), Ladder: []Step{{At: 0.05, Action: RefuseCalls}}},
		{Name: "b", Period: Hourly, Rolling: true, LimitUSD: money(100), Ladder: []Step{{At: 0.03, Action: RefuseCalls}}},
	} {
		c, crossed := newClock(start), 0
		l, err := New(Config{Clock: c.now, OnCross: func(Crossing) { crossed++ }})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Configure([]Budget{b}); err != nil {
			t.Fatal(err)
		}
		h, refused := l.Reserve(&Subject{}, Target{}, costs(6))
		if refused != nil {
			t.Fatal(refused)
		}
		h.Settle(nil, spends(6))
		if l.View(&Subject{}).Refusal == nil {
			t.Fatal("the step is not in force")
		}
		c.add(2 * time.Hour)
		if v := l.View(&Subject{}); v.Refusal != nil {
			t.Errorf("rolling %t: refused with nothing spent: %v", b.Rolling, v.Refusal)
		}
		if _, err := l.Reserve(&Subject{}, Target{}, costs(1)); err != nil {
			t.Errorf("rolling %t: %v", b.Rolling, err)
		}
		if crossed != 1 {
			t.Errorf("rolling %t: reported %d times", b.Rolling, crossed)
		}
	}
}

// TestTagTwice: a tag that stands twice on a caller is charged once.
func TestTagTwice(t *testing.T) {
	l := newLedger(t, newClock(start), Budget{Name: "b", Scope: Scope{Tag: Any}, Period: Daily, LimitUSD: money(1)})
	h, err := l.Reserve(&Subject{Tags: []string{"x", "x"}}, Target{}, costs(0.1))
	if err != nil {
		t.Fatal(err)
	}
	h.Settle(nil, spends(0.1))
	if got := spentOf(t, l, "b/x").USD; got != *money(0.1) {
		t.Errorf("spent %s, want $0.1", got)
	}
}

// TestFurtherAttemptIsNoFurtherRequest: the fallback of a call that took the last
// request of a budget goes through; the next call does not.
func TestFurtherAttemptIsNoFurtherRequest(t *testing.T) {
	l := newLedger(t, newClock(start), Budget{Name: "b", Period: Daily, LimitRequests: number(1), LimitUSD: money(1)})
	first, fallback := costs(0.1), costs(0.1)
	first.Requests, fallback.Requests = 1, 0
	h, err := l.Reserve(&Subject{}, Target{}, first)
	if err != nil {
		t.Fatal(err)
	}
	spent := spends(0.1)
	spent.Requests = 1
	h.Settle(nil, spent)
	if h, err = l.Reserve(&Subject{}, Target{}, fallback); err != nil {
		t.Errorf("the fallback: %v", err)
	}
	h.Settle(nil, spends(0.9))
	if _, err = l.Reserve(&Subject{}, Target{}, first); err == nil {
		t.Error("a second call is admitted")
	}
	if _, err = l.Reserve(&Subject{}, Target{}, fallback); err == nil {
		t.Error("a fallback is admitted though the money is spent")
	}
	sound(t, l, 0)
}

// TestRaisedLimitCountsAtOnce: the hysteresis is about what is spent. A limit
// that is raised opens the budget, by however little; a reload that changes
// nothing keeps a step that was about to be left.
func TestRaisedLimitCountsAtOnce(t *testing.T) {
	c := newClock(start)
	b := Budget{Name: "b", Period: Daily, LimitUSD: money(10)}
	l := newLedger(t, c, b)
	h, err := l.Reserve(&Subject{}, Target{}, costs(10))
	if err != nil {
		t.Fatal(err)
	}
	h.Settle(nil, spends(10))
	if err := l.Override("b", Override{Until: start.Add(time.Hour), Reason: "a little more", LimitUSD: money(10.3)}); err != nil {
		t.Fatal(err)
	}
	if h, err = l.Reserve(&Subject{}, Target{}, costs(0.2)); err != nil {
		t.Errorf("with $0.30 more: %v", err)
	}
	h.Release()

	rolling := Budget{Name: "r", Period: Hourly, Rolling: true, LimitUSD: money(100), Ladder: []Step{{At: 0.5, Action: CapTokens, Value: "5"}}}
	l = newLedger(t, c, rolling)
	for _, cost := range []float64{3, 48} {
		if h, err = l.Reserve(&Subject{}, Target{}, costs(cost)); err != nil {
			t.Fatal(err)
		}
		h.Settle(nil, spends(cost))
		c.add(30 * time.Minute)
	}
	c.add(2 * time.Minute) // the first has left: 48 of 100, less than the step and more than its lower edge
	for range 2 {
		if v := l.View(&Subject{}); v.Limits == nil {
			t.Error("the step is left too early")
		}
		if err := l.Configure([]Budget{rolling}); err != nil {
			t.Fatal(err)
		}
	}
}
