package route_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

func TestWithinKeepsTheStricterOfEachLimit(t *testing.T) {
	cents := func(n int64) *model.Money { m := model.Money(n * 10_000_000); return &m }
	figure := func(f float64) *float64 { return &f }
	cheap := route.Strategy{
		Name: "cheap", Weights: model.Weights{Cost: 1},
		Limits: route.Limits{
			MaxCost: cents(5), MaxLatencyMS: figure(100), MinQuality: figure(0.4), MaxRisk: model.RiskHigh, RequiredTags: []string{"eu"},
		},
		Fallback: route.Fallback{ContentPolicy: true},
	}
	own := route.Strategy{
		Name: "own", Weights: model.Weights{Quality: 1},
		Limits: route.Limits{
			MaxCost: cents(7), MaxCostPer1KTokens: cents(1), MaxLatencyMS: figure(50), MinQuality: figure(0.6), MaxRisk: model.RiskLow,
			CommercialUse: true, RequiredTags: []string{"eu", "gpu"}, ExcludedTags: []string{"trial"},
		},
		Fallback: route.Fallback{Scope: route.ScopeSameModel, NoLessSafe: true},
	}
	want := route.Strategy{
		Name: "cheap", Weights: model.Weights{Cost: 1},
		Limits: route.Limits{
			MaxCost: cents(5), MaxCostPer1KTokens: cents(1), MaxLatencyMS: figure(50), MinQuality: figure(0.6), MaxRisk: model.RiskLow,
			CommercialUse: true, RequiredTags: []string{"eu", "gpu"}, ExcludedTags: []string{"trial"},
		},
		Fallback: route.Fallback{Scope: route.ScopeSameModel, NoLessSafe: true},
	}
	if diff := cmp.Diff(want, cheap.Within(&own)); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	want.Name, want.Weights = own.Name, own.Weights
	if diff := cmp.Diff(want, own.Within(&cheap)); diff != "" {
		t.Errorf("the other way round: want -, got +:\n%s", diff)
	}
	if free := (&route.Strategy{}); free.Limited() || !own.Limited() {
		t.Error("Limited is not whether there are limits")
	}
}
