package cartrita_test

import (
	"testing"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
)

// A decision without a call sees the budgets of whose key asks, as the call
// would: their refusals and the steps of their ladders.
func TestSelectAndEstimateSeeTheBudgetsOfTheKey(t *testing.T) {
	who := model.Caller{Key: "k", User: "ada", Team: "a", Project: "p", Tags: []string{"blue"}}
	for name, scope := range map[string]budget.Scope{
		"key": {Key: "k"}, "user": {User: "ada"}, "team": {Team: "a"}, "project": {Project: "p"}, "tag": {Tag: "blue"},
	} {
		l := newLabWith(t, script{"a": answers(`{"choices":[]}`, counted)}, func(c *cartrita.Config) {
			c.Budgets = purse(t, budget.Budget{
				Name: "small", Scope: scope, Period: budget.Total, LimitUSD: dollars(2),
				Ladder: []budget.Step{{At: 0.5, Action: budget.PreferCheaper}},
			})
		}, aDollarEach, onlyA)
		criteria := cartrita.Criteria{Caller: &who, Strategy: "speed-first"}
		for spent, want := range []string{"speed-first", "cost-optimized", ""} {
			s, err := l.Select(t.Context(), criteria)
			_, eerr := l.Estimate(t.Context(), cartrita.EstimateRequest{Criteria: criteria})
			refused := want == ""
			if refused != (model.KindOf(err) == model.KindBudget) || refused != (model.KindOf(eerr) == model.KindBudget) || !refused && s.Strategy != want {
				t.Errorf("%s, $%d spent: select %+v, %v; estimate: %v", name, spent, s, err, eerr)
			}
			if !refused {
				call := newCall(t, false)
				call.Caller = who
				if _, err := l.Serve(t.Context(), call, &page{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := l.Select(t.Context(), cartrita.Criteria{Caller: &model.Caller{Key: "other"}}); err != nil {
			t.Errorf("%s: another key is refused: %v", name, err)
		}
	}
}
