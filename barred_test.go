package cartrita_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
)

// A call that a step of a ladder, or the budget of a model, leaves no endpoint
// is told what any refused call is told: which budget, what it has spent, and
// when to come back.
func TestARefusalOfTheChoiceNamesItsBudgets(t *testing.T) {
	one := int64(1)
	for _, tc := range []struct {
		name    string
		budget  budget.Budget
		reason  string
		unit    string
		step    budget.Action
		message string
	}{
		{"step", budget.Budget{
			Name: "walk", Period: budget.Yearly, LimitUSD: dollars(10),
			Ladder: []budget.Step{{At: 0, Action: budget.Notify}, {At: 0.1, Action: budget.MaxPrice, Value: "0.001"}, {At: 1, Action: budget.RefuseCalls}},
		}, "ladder", "usd", budget.MaxPrice, "at its present step, max-price from 10 % on, it allows only endpoints expected to cost at most $0.001 per 1,000 tokens"},
		{"closed", budget.Budget{
			Name: "walk", Scope: budget.Scope{Provider: "lab"}, Period: budget.Yearly, LimitRequests: &one,
		}, "limit", "requests", "", `budget "walk" (provider=lab, yearly) has spent 1 request of 1 request`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLabWith(t, script{"a": answers(`{}`, counted)}, func(c *cartrita.Config) { c.Budgets = purse(t, tc.budget) }, aDollarEach, onlyA)
			if _, err := l.Serve(t.Context(), newCall(t, false), &page{}); err != nil {
				t.Fatal(err)
			}
			rec, err := l.Serve(t.Context(), newCall(t, false), &page{})
			e := model.AsError(err)
			if e.Kind != model.KindBudget || e.RetryAfter <= 0 || !strings.Contains(e.Message, tc.message) || !strings.Contains(e.Message, "the only endpoint") {
				t.Fatalf("refused with %s, %v to wait", e, e.RetryAfter)
			}
			raw, err := json.Marshal(e.Details)
			if err != nil {
				t.Fatal(err)
			}
			var d struct {
				Exceeded []budget.Exceeded `json:"exceeded"`
				Excluded []struct {
					Reason string `json:"reason"`
				} `json:"excluded"`
			}
			if err := json.Unmarshal(raw, &d); err != nil || len(d.Exceeded) != 1 || len(d.Excluded) == 0 || d.Excluded[0].Reason == "" {
				t.Fatalf("%v: %s", err, raw)
			}
			x := d.Exceeded[0]
			if x.Budget != "walk" || x.Reason != tc.reason || x.Unit != tc.unit || x.Spent.Requests != 1 || x.ResetsAt == nil || x.ResetsAt.Before(time.Now()) {
				t.Errorf("%+v", x)
			}
			if got := x.Step; (got == nil) != (tc.step == "") || got != nil && got.Action != tc.step {
				t.Errorf("step %+v, want %q", got, tc.step)
			}
			if rec == nil || rec.Plan == nil || len(rec.Plan.Excluded) == 0 {
				t.Errorf("the record does not say who was excluded: %+v", rec)
			}
		})
	}
}
