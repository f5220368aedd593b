package route_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// The weights of the built-in strategies are a promise to users.
func TestBuiltInWeights(t *testing.T) {
	want := map[string]model.Weights{
		"quality-first":   {Quality: .60, Cost: .10, Latency: .10, Safety: .15, Availability: .05},
		"cost-optimized":  {Quality: .20, Cost: .50, Latency: .10, Safety: .15, Availability: .05},
		"balanced":        {Quality: .35, Cost: .25, Latency: .25, Safety: .10, Availability: .05},
		"speed-first":     {Quality: .20, Cost: .10, Latency: .50, Safety: .15, Availability: .05},
		"safety-critical": {Quality: .25, Cost: .10, Latency: .15, Safety: .45, Availability: .05},
	}
	got := map[string]model.Weights{}
	for _, s := range route.BuiltIn() {
		got[s.Name] = s.Weights
		if s.Fallback.NoLessSafe != (s.Name == route.SafetyCritical) {
			t.Errorf("%s: no_less_safe %v", s.Name, s.Fallback.NoLessSafe)
		}
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStrategies(t *testing.T) {
	own := route.Strategy{Name: "nightly", Weights: model.Weights{Cost: 3, Quality: 1}}
	cheap := route.Strategy{Name: route.CostOptimized, Weights: model.Weights{Cost: 1}}
	set, err := route.NewStrategies("nightly", own, cheap)
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := set.Get(""); s.Name != "nightly" || s.Weights.Cost != 0.75 {
		t.Errorf("default = %+v", s)
	}
	if s, _ := set.Get(route.CostOptimized); s.Weights.Cost != 1 {
		t.Errorf("an own strategy did not replace the built-in one: %+v", s)
	}
	var names []string
	for _, s := range set.List() {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "nightly balanced cost-optimized quality-first safety-critical speed-first" {
		t.Errorf("list = %s", got)
	}
	_, err = set.Get("fastest")
	if e := model.AsError(err); e.Kind != model.KindInvalid || e.Param != "strategy" || !strings.Contains(e.Message, "speed-first") {
		t.Errorf("unknown strategy: %v", err)
	}
	for _, typo := range []string{"balancd", "Balanced"} {
		_, err = set.Get(typo)
		if e := model.AsError(err); e.Param != "strategy" || !strings.HasSuffix(e.Message, `: did you mean "balanced"?`) {
			t.Errorf("%s: %v: want a suggestion", typo, err)
		}
	}
}

func TestStrategyErrors(t *testing.T) {
	flat := model.Weights{Quality: 1}
	for param, s := range map[string]route.Strategy{
		"strategies.":                                {Weights: flat},
		"strategies.auto":                            {Name: "auto", Weights: flat},
		"strategies.a b":                             {Name: "a b", Weights: flat},
		"strategies.x.weights.cost":                  {Name: "x", Weights: model.Weights{Quality: 1, Cost: -1}},
		"strategies.x.weights.latency":               {Name: "x", Weights: model.Weights{Latency: math.NaN()}},
		"strategies.x.weights.safety":                {Name: "x", Weights: model.Weights{Safety: math.Inf(1)}},
		"strategies.x.weights":                       {Name: "x"},
		"strategies.x.fallback.scope":                {Name: "x", Weights: flat, Fallback: route.Fallback{Scope: "some"}},
		"strategies.x.limits.max_cost_usd":           {Name: "x", Weights: flat, Limits: route.Limits{MaxCost: ptr(model.Money(-1))}},
		"strategies.x.limits.max_latency_ms":         {Name: "x", Weights: flat, Limits: route.Limits{MaxLatencyMS: ptr(0.0)}},
		"strategies.x.limits.min_quality_score":      {Name: "x", Weights: flat, Limits: route.Limits{MinQuality: ptr(1.5)}},
		"strategies.x.limits.excluded_tags":          {Name: "x", Weights: flat, Limits: route.Limits{RequiredTags: []string{"eu"}, ExcludedTags: []string{"eu"}}},
		"strategies.x.limits.max_cost_per_1k_tokens": {Name: "x", Weights: flat, Limits: route.Limits{MaxCostPer1KTokens: ptr(model.Money(-1))}},
	} {
		_, err := route.NewStrategies("", s)
		if e := model.AsError(err); e == nil || e.Kind != model.KindInvalid || e.Param != param {
			t.Errorf("%s: %v", param, err)
		}
	}
	_, err := route.NewStrategies("missing")
	if e := model.AsError(err); e == nil || e.Param != "default_strategy" {
		t.Errorf("unknown default: %v", err)
	}
	x := route.Strategy{Name: "x", Weights: flat}
	if _, err = route.NewStrategies("", x, x); model.AsError(err) == nil {
		t.Error("a strategy defined twice was taken")
	}
}

func TestNormalise(t *testing.T) {
	balanced := &route.BuiltIn()[0]
	for name, c := range map[string]struct {
		criteria model.Criteria
		want     model.Weights
	}{
		"none given":          {model.Criteria{}, balanced.Weights},
		"three given":         {model.Criteria{QualityWeight: ptr(.4), CostWeight: ptr(.4), LatencyWeight: ptr(.2)}, model.Weights{Quality: .34, Cost: .34, Latency: .17, Safety: .10, Availability: .05}},
		"one given":           {model.Criteria{CostWeight: ptr(9.0)}, model.Weights{Cost: .85, Safety: .10, Availability: .05}},
		"safety given":        {model.Criteria{QualityWeight: ptr(1.0), SafetyWeight: ptr(1.0)}, model.Weights{Quality: .475, Safety: .475, Availability: .05}},
		"only safety":         {model.Criteria{SafetyWeight: ptr(.3)}, model.Weights{Safety: .95, Availability: .05}},
		"all given":           {model.Criteria{QualityWeight: ptr(1.0), CostWeight: ptr(0.0), LatencyWeight: ptr(1.0), SafetyWeight: ptr(1.0), AvailabilityWeight: ptr(1.0)}, model.Weights{Quality: .25, Latency: .25, Safety: .25, Availability: .25}},
		"the largest numbers": {model.Criteria{QualityWeight: ptr(math.MaxFloat64), CostWeight: ptr(math.MaxFloat64), SafetyWeight: ptr(0.0), AvailabilityWeight: ptr(0.0)}, model.Weights{Quality: .5, Cost: .5}},
	} {
		got, err := route.Normalise(balanced, &c.criteria)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for param, c := range map[string]model.Criteria{
		"quality_weight":      {QualityWeight: ptr(-1.0)},
		"cost_weight":         {CostWeight: ptr(math.NaN())},
		"latency_weight":      {LatencyWeight: ptr(math.Inf(1))},
		"safety_weight":       {SafetyWeight: ptr(-0.1)},
		"availability_weight": {AvailabilityWeight: ptr(-0.1), CostWeight: ptr(1.0)},
	} {
		_, err := route.Normalise(balanced, &c)
		if e := model.AsError(err); e == nil || e.Kind != model.KindInvalid || e.Param != param {
			t.Errorf("%s: %v", param, err)
		}
	}
	if _, err := route.Normalise(&route.Strategy{Name: "x"}, nil); model.AsError(err) == nil {
		t.Error("a strategy without weights was taken")
	}
}

func TestNormaliseSumsToOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := rapid.Float64Range(0, 1e300)
		c := model.Criteria{
			QualityWeight: maybe(rt, "q", w), CostWeight: maybe(rt, "c", w), LatencyWeight: maybe(rt, "l", w),
			SafetyWeight: maybe(rt, "s", w), AvailabilityWeight: maybe(rt, "a", w),
		}
		s := &route.BuiltIn()[rapid.IntRange(0, 4).Draw(rt, "strategy")]
		got, err := route.Normalise(s, &c)
		if err != nil {
			if model.AsError(err).Param != "quality_weight" {
				rt.Fatal(err)
			}
			return
		}
		if sum := got.Quality + got.Cost + got.Latency + got.Safety + got.Availability; math.Abs(sum-1) > 1e-9 {
			rt.Fatalf("%+v sums to %v", got, sum)
		}
	})
}
