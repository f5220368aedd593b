package cartrita_test

import (
	"strings"
	"testing"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// A name that is mistyped is refused with what may have been meant, and is not
// answered as a change that changes nothing.
func TestLookingBackRefusesNamesOfNothing(t *testing.T) {
	p := fresh(t, 41)
	p.serve(300)
	endpoints, models := pastFleet()
	price := &model.Pricing{Input: usd("1"), Output: usd("2")}
	refused := func(err error, param, meant string) {
		t.Helper()
		if e := model.AsError(err); err == nil || e.Kind != model.KindInvalid || e.Param != param || !strings.Contains(e.Message, `"`+meant+`"`) {
			t.Errorf("%s: %v, want it refused with %q", param, err, meant)
		}
	}
	_, err := p.Reprice(t.Context(), cartrita.RepriceQuery{Prices: map[string]*model.Pricing{"p0/modell-1": price}})
	refused(err, "prices.p0/modell-1", "p0/model-1")
	_, err = p.Replay(t.Context(), cartrita.ReplayQuery{Change: cartrita.Change{Prices: map[string]*model.Pricing{"p0/modell-1": price}}})
	refused(err, "change.prices.p0/modell-1", "p0/model-1")
	for param, change := range map[string]cartrita.Change{
		"change.only_models":    {OnlyModels: []model.ModelID{"p0/model-1", "model-1", "modell-1"}},
		"change.exclude_models": {ExcludeModels: []model.ModelID{"p0/model-1", "p1/modell-1"}},
	} {
		_, err := p.Replay(t.Context(), cartrita.ReplayQuery{Change: change})
		refused(err, param, map[string]string{"change.only_models": "model-1", "change.exclude_models": "p1/model-1"}[param])
	}
	// What calls went to may be looked at when it is not configured any more.
	if err := p.Registry().SetEndpoints(endpoints[:2], models[:2]); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"p0/model-3", "p0/model-1"} {
		if _, err := p.Reprice(t.Context(), cartrita.RepriceQuery{Prices: map[string]*model.Pricing{name: price}}); err != nil {
			t.Errorf("%s, which is on record: %v", name, err)
		}
		if _, err := p.Replay(t.Context(), cartrita.ReplayQuery{Change: cartrita.Change{OnlyModels: []model.ModelID{model.ModelID(name)}}}); err != nil {
			t.Errorf("%s, which is on record: %v", name, err)
		}
	}
}

// A fault of a strategy in a replay is at a member of the request.
func TestReplayNamesTheMemberOfItsOwnStrategy(t *testing.T) {
	p := fresh(t, 42)
	for param, own := range map[string]route.Strategy{
		"change.own_strategy.name":         {Weights: model.Weights{Cost: 1}},
		"change.own_strategy.weights":      {Name: "mine"},
		"change.own_strategy.weights.cost": {Name: "mine", Weights: model.Weights{Cost: -1}},
	} {
		_, err := p.Replay(t.Context(), cartrita.ReplayQuery{Change: cartrita.Change{Own: &own}})
		if e := model.AsError(err); err == nil || e.Kind != model.KindInvalid || e.Param != param {
			t.Errorf("%+v gives %v, want the parameter %s", own, err, param)
		}
	}
}
