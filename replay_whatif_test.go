package cartrita_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/memory"
)

// fresh is a past over a store in memory.
func fresh(t *testing.T, seed uint64) *past {
	t.Helper()
	store, err := memory.New(memory.Config{Calls: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	p := newPast(t, store, seed)
	t.Cleanup(p.stop)
	return p
}

func (p *past) replay(q cartrita.ReplayQuery) *cartrita.ReplayReport {
	p.t.Helper()
	r, err := p.Replay(p.t.Context(), q)
	if err != nil {
		p.t.Fatal(err)
	}
	if r.Different != 0 || r.Untraced != 0 {
		p.t.Fatalf("%d decisions differ, %d have no trace", r.Different, r.Untraced)
	}
	return r
}

// One call of a named model whose first endpoint is taken away: the other
// endpoint has the same weights, so its cost is known to the nano-dollar.
func TestReplayPricesACallAtAnotherEndpoint(t *testing.T) {
	p := fresh(t, 11)
	call := newCall(t, false)
	call.Model, call.Received = "model-3", p.now // p0: $4 in, $8 out; p1: $5, $9
	rec, err := p.Serve(t.Context(), call, &page{})
	if err != nil {
		t.Fatal(err)
	}
	other := model.EndpointID("p1/model-3")
	by := model.Money(1)
	if rec.Endpoint == other {
		other, by = "p0/model-3", -1
	}
	r := p.replay(cartrita.ReplayQuery{Changes: 5, Change: cartrita.Change{OnlyModels: []model.ModelID{model.ModelID(other)}}})
	want := -by * 1000 * model.Money(rec.Usage.Input.N+rec.Usage.Output.N) // a dollar per million tokens
	if len(r.Changes) != 1 || r.Changes[0].Would != other || r.Changes[0].Saved == nil || *r.Changes[0].Saved != want {
		t.Fatalf("changes %+v, want %s to save %s", r.Changes, other, want)
	}
	if got := r.Total; got.Changed != 1 || got.Cost != rec.Cost.Total || got.Would != rec.Cost.Total-want || got.Saved.Low != got.Saved.High {
		t.Errorf("total %+v", got)
	}
	r = p.replay(cartrita.ReplayQuery{Changes: 5, Change: cartrita.Change{ExcludeModels: []model.ModelID{"model-3"}}})
	if r.Total.Refused != 1 || r.Total.Priced != 0 || len(r.Changes) != 1 || r.Changes[0].Would != "" || r.Changes[0].Saved != nil {
		t.Errorf("a call whose model is taken away: %+v", r.Total)
	}
}

// Prices that are those in force change nothing; other prices reprice a call
// that stays where it is by the tokens it used.
func TestReplayAtOtherPrices(t *testing.T) {
	p := fresh(t, 12)
	p.serve(500)
	endpoints, _ := pastFleet()
	same, dearer := map[string]*model.Pricing{}, map[string]*model.Pricing{}
	for _, e := range endpoints {
		same[string(e.ID)] = e.Pricing
		in, out := 3**e.Pricing.Input, 3**e.Pricing.Output
		dearer[string(e.Model)] = &model.Pricing{Input: &in, Output: &out}
	}
	r := p.replay(cartrita.ReplayQuery{Change: cartrita.Change{Prices: same}})
	if c := r.Total; c.Changed != 0 || c.Cost != c.Would || c.Saved.Value != 0 || c.Priced == 0 {
		t.Errorf("the same prices: %+v", c)
	}
	// At the old price of one nano-dollar per token less, the router decides on
	// nothing but names: calls that name p0/model-3 stay there.
	r = p.replay(cartrita.ReplayQuery{By: cartrita.ReplayByEndpoint, Change: cartrita.Change{
		Prices: map[string]*model.Pricing{"p0/model-3": dearer["p0/model-3"]}, OnlyModels: []model.ModelID{"p0/model-3"},
	}})
	at := slices.IndexFunc(r.Groups, func(c cartrita.Comparison) bool { return c.Key == "p0/model-3" })
	if at < 0 {
		t.Fatal("no call was served by p0/model-3")
	}
	if g := r.Groups[at]; g.Priced == 0 || math.Abs(float64(g.Would)-3*float64(g.Cost)) > float64(2*g.Priced) {
		t.Errorf("three times the price of %s is %s, of %d calls", g.Cost, g.Would, g.Priced)
	}
}

// Cheaper is cheaper, groups add up to the total, and nothing is ever proposed
// that a hard condition of the call forbids.
func TestReplayUnderAnotherStrategy(t *testing.T) {
	p := fresh(t, 13)
	var calls []*model.Call
	for range 2000 {
		c := p.call()
		if _, err := p.Serve(t.Context(), c, &page{}); err != nil && model.KindOf(err) == model.KindInvalid {
			t.Fatal(err)
		}
		calls = append(calls, c)
	}
	quality, tags := map[model.EndpointID]float64{}, map[model.EndpointID][]string{}
	endpoints, models := pastFleet()
	for i, e := range endpoints {
		quality[e.ID], tags[e.ID] = models[i].Quality[model.MetricComposite].Value, e.Tags
	}
	r := p.replay(cartrita.ReplayQuery{By: cartrita.ReplayByTeam, Changes: 10_000, Change: cartrita.Change{Strategy: "cost-optimized"}})
	total := r.Total
	if total.Changed == 0 || int64(len(r.Changes)) != total.Changed || total.Saved.Value <= 0 || total.Saved.Low > total.Saved.Value || total.Would >= total.Cost {
		t.Fatalf("%+v", total)
	}
	if d := total.Saved.Value - (total.Cost - total.Would).USD(); math.Abs(d) > 1e-6 {
		t.Errorf("saved %v is not cost − would cost %s", total.Saved.Value, total.Cost-total.Would)
	}
	best := p.replay(cartrita.ReplayQuery{Change: cartrita.Change{Strategy: "quality-first"}}).Total
	if best.Quality == nil || best.Quality.Low <= 0 || best.Saved.High >= 0 {
		t.Errorf("the best models are not better and dearer: %+v, saved %+v", best.Quality, best.Saved)
	}
	var sum cartrita.Comparison
	for _, g := range r.Groups {
		sum.Calls, sum.Changed, sum.Cost, sum.Would = sum.Calls+g.Calls, sum.Changed+g.Changed, sum.Cost+g.Cost, sum.Would+g.Would
	}
	if len(r.Groups) != 2 || sum.Calls != total.Calls || sum.Changed != total.Changed || sum.Cost != total.Cost || sum.Would != total.Would {
		t.Errorf("groups add up to %+v, want %+v", sum, total)
	}
	byID := map[model.CallID]*model.Call{}
	for _, c := range calls {
		byID[c.ID] = c
	}
	for _, change := range r.Changes {
		c, to := byID[change.ID], change.Would
		switch {
		case to == "":
			continue
		case c.Criteria.MinQuality != nil && quality[to] < *c.Criteria.MinQuality,
			len(c.Criteria.RequiredTags) > 0 && !slices.Contains(tags[to], c.Criteria.RequiredTags[0]),
			c.Model == "model-1" && to != "p0/model-1" && to != "p1/model-1",
			c.Model == "p0/model-3" && to != "p0/model-3":
			t.Errorf("%s is proposed for a call that asks for %q, %+v", to, c.Model, c.Criteria)
		}
	}
}

// A step of a budget's ladder, as if it had been in force: nothing dearer is chosen.
func TestReplayUnderABudget(t *testing.T) {
	p := fresh(t, 15)
	for i := range 50 {
		p.ask("auto:quality-first", fmt.Sprint("prompt ", i), time.Second) // model-0, $10 and more
	}
	p.ask("model-0", "named", time.Second)
	r := p.replay(cartrita.ReplayQuery{Changes: 100, Change: cartrita.Change{Budget: &model.BudgetLimits{
		Rules: []model.BudgetRule{{Budget: "b", MaxCostPer1KTokens: usd("0.006")}},
	}}})
	if c := r.Total; c.Changed != 51 || c.Refused != 1 || c.Saved.Value <= 0 || c.Would >= c.Cost {
		t.Errorf("%+v", c)
	}
	for _, c := range r.Changes {
		if c.Would == "p0/model-0" || c.Would == "p1/model-0" || c.Would == "p0/model-1" {
			t.Errorf("%s costs more than the budget allows", c.Would)
		}
	}
}

// Budgets that were not there, counted over the calls: the first ten are paid
// for, the next go where it is cheaper, and the rest are refused until the day
// is over.
func TestReplayUnderBudgetsThatCount(t *testing.T) {
	p := fresh(t, 15)
	for i := range 60 {
		p.ask("auto:quality-first", fmt.Sprint("prompt ", i), time.Second)
	}
	plain := p.replay(cartrita.ReplayQuery{Change: cartrita.Change{Budgets: []budget.Budget{}}})
	if c := plain.Total; c.Changed != 0 || c.Would != c.Cost || c.Cost == 0 {
		t.Fatalf("without any budget: %+v", c)
	}
	each := plain.Total.Cost / 60
	limit := 20 * each
	b := budget.Budget{
		Name: "day", Period: budget.Daily, LimitUSD: &limit,
		Ladder: []budget.Step{{At: 0.5, Action: budget.MaxPrice, Value: "0.006"}, {At: 1, Action: budget.RefuseCalls}},
	}
	r := p.replay(cartrita.ReplayQuery{Changes: 100, Change: cartrita.Change{Budgets: []budget.Budget{b}}})
	c := r.Total
	if len(r.Budgets) != 1 || r.Budgets[0].Spent.USD > limit || r.Budgets[0].Spent.USD != c.Would {
		t.Errorf("the budget stands at %+v, the calls would have cost %s", r.Budgets, c.Would)
	}
	if kept := c.Calls - c.Changed; kept < 9 || kept > 11 || c.Saved.Value <= 0 {
		t.Errorf("%d calls stay where they were, want about ten: %+v", kept, c)
	}
	b.LimitUSD, b.LimitRequests = nil, ptrTo[int64](25)
	if c := p.replay(cartrita.ReplayQuery{Change: cartrita.Change{Budgets: []budget.Budget{b}}}).Total; c.Refused != 35 {
		t.Errorf("of 60 calls 25 requests refuse %d, want 35", c.Refused)
	}
	b.Period = "fortnightly"
	_, err := p.Replay(t.Context(), cartrita.ReplayQuery{Change: cartrita.Change{Budgets: []budget.Budget{b}}})
	if model.KindOf(err) != model.KindInvalid || model.AsError(err).Param != "change.budgets[0].period" {
		t.Errorf("an unknown period: %v", err)
	}
}

func TestReplayRefusesWhatMakesNoSense(t *testing.T) {
	p := fresh(t, 14)
	negative := model.Money(-1)
	for param, q := range map[string]cartrita.ReplayQuery{
		"strategy":                              {Change: cartrita.Change{Strategy: "cheapest"}},
		"by":                                    {By: "colour"},
		"changes":                               {Changes: -1},
		"until":                                 {Since: p.now, Until: p.now},
		"change.prices.x":                       {Change: cartrita.Change{Prices: map[string]*model.Pricing{"x": nil}}},
		"change.prices.y.input_usd_per_million": {Change: cartrita.Change{Prices: map[string]*model.Pricing{"y": {Input: &negative}}}},
	} {
		_, err := p.Replay(t.Context(), q)
		if model.KindOf(err) != model.KindInvalid || model.AsError(err).Param != param {
			t.Errorf("%s: %v", param, fmt.Sprint(err))
		}
	}
}
