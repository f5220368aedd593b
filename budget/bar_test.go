package budget

import (
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

// The time to come back is that of the endpoint which opens first: when all that
// stands before it is gone.
func TestBarredUntilTheFirstWayOpens(t *testing.T) {
	c := newClock(start)
	tag := Step{At: 0.1, Action: RequireTag, Value: "x"}
	own := Step{At: 0.1, Action: SelfHostedOnly}
	l := newLedger(
		t, c,
		Budget{Name: "hour", Period: Hourly, LimitUSD: money(10), Ladder: []Step{tag}},
		Budget{Name: "day", Period: Daily, LimitUSD: money(10), Ladder: []Step{own, {At: 0.1, Action: MaxPrice, Value: "0.5"}}},
		Budget{Name: "roll", Period: Hourly, Rolling: true, LimitUSD: money(10), Ladder: []Step{{At: 0.1, Action: RequireTag, Value: "y"}}},
		Budget{Name: "ever", Scope: Scope{Model: "m"}, Period: Total, LimitUSD: money(2)},
	)
	h, refused := l.Reserve(&Subject{}, Target{Model: "m"}, costs(2))
	if refused != nil {
		t.Fatal(refused)
	}
	h.Settle(nil, spends(2))
	c.add(10 * time.Minute)
	v := l.View(&Subject{})
	rules := map[string]*model.BudgetRule{}
	for i := range v.Limits.Rules {
		r := &v.Limits.Rules[i]
		name := string(r.Budget)
		if r.MaxCostPer1KTokens != nil {
			name = "price"
		}
		rules[name] = r
	}
	if len(rules) != 5 {
		t.Fatalf("%d rules: %+v", len(rules), v.Limits.Rules)
	}
	hour, day := start.Truncate(time.Hour).Add(time.Hour).Sub(c.now()), start.Truncate(24*time.Hour).Add(24*time.Hour).Sub(c.now())
	for _, tc := range []struct {
		name string
		ways [][]string
		wait time.Duration
		bars int
	}{
		{"one step", [][]string{{"hour"}}, hour, 1},
		{"a rolling window is left when its bucket goes", [][]string{{"roll"}}, 51 * time.Minute, 1},
		{"both must go", [][]string{{"hour", "day"}}, day, 2},
		{"one of two ways", [][]string{{"day", "price"}, {"hour"}}, hour, 3},
		{"a budget for ever", [][]string{{"ever"}}, 0, 1},
		{"the other way", [][]string{{"ever", "hour"}, {"hour", "day"}}, day, 3},
	} {
		var ways [][]*model.BudgetRule
		for _, names := range tc.ways {
			var way []*model.BudgetRule
			for _, n := range names {
				way = append(way, rules[n])
			}
			ways = append(ways, way)
		}
		err := l.Barred(ways)
		if err == nil || err.Kind != model.KindBudget || err.RetryAfter != tc.wait {
			t.Errorf("%s: %v, %v to wait, want %v", tc.name, err, err.RetryAfter, tc.wait)
			continue
		}
		d := err.Details.(*Refusal)
		if len(d.Exceeded) != tc.bars {
			t.Errorf("%s: %d budgets, want %d: %+v", tc.name, len(d.Exceeded), tc.bars, d.Exceeded)
		}
		for _, e := range d.Exceeded {
			if (e.Reason == reasonLadder) != (e.Budget != "ever") || (e.ResetsAt == nil) != (e.Budget == "ever") || e.Spent.USD != 2*model.USD {
				t.Errorf("%s: %+v", tc.name, e)
			}
		}
	}
	if err := l.Configure(nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Barred([][]*model.BudgetRule{{rules["hour"]}}); err != nil {
		t.Errorf("budgets that are gone: %v", err)
	}
}
