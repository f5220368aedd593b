package route_test

import (
	"fmt"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// market is a small snapshot: a strong and dear model, a cheap one.
func market() *route.Input {
	endpoint := func(id model.EndpointID, quality float64, risk model.Risk) model.Served {
		return model.Served{
			Endpoint: &model.Endpoint{ID: id, Model: model.ModelID(id), Provider: "alpha", Ready: true},
			Model:    &model.Model{ID: model.ModelID(id), Risk: risk},
			Tasks:    model.Tasks(model.TaskChat), Context: 128_000, Quality: quality, QualityKnown: true,
		}
	}
	priced := func(usd float64) model.Estimate {
		m := model.FromUSD(usd)
		return model.Estimate{Expected: m, Low: m / 2, High: 2 * m, InputTokens: 400, OutputTokens: 600, Priced: true}
	}
	return &route.Input{
		Task:      model.TaskChat,
		Served:    []model.Served{endpoint("alpha/titan", 0.92, model.RiskLow), endpoint("alpha/mini", 0.55, model.RiskLow)},
		Health:    []model.Health{{Samples: 50, TTFTMS: 700}, {Samples: 50, TTFTMS: 250}},
		Estimates: []model.Estimate{priced(0.012), priced(0.0002)},
		Now:       time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}
}

func ExampleDecide() {
	strategies, err := route.NewStrategies("")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{route.QualityFirst, route.CostOptimized} {
		in := market()
		if in.Strategy, err = strategies.Get(name); err != nil {
			panic(err)
		}
		plan, err := route.Decide(in)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s: %s with %.2f, then %s\n", name, plan.First().Endpoint, plan.First().Score, plan.Candidates[plan.Attempts[1].Candidate].Endpoint)
	}
	// Output:
	// quality-first: alpha/titan with 0.83, then alpha/mini
	// cost-optimized: alpha/mini with 0.73, then alpha/titan
}

func ExampleExplain() {
	in := market()
	in.Criteria = &model.Criteria{MaxCost: new(model.FromUSD(0.01))}
	plan, err := route.Decide(in)
	if err != nil {
		panic(err)
	}
	fmt.Println(route.Explain(plan))
	// Output:
	// alpha/mini was chosen by the strategy "balanced" with a score of 0.707: of 2 endpoints it alone may serve the call. The score is the sum of quality 0.35 × 0.55, cost 0.25 × 0.691 ($0.0002), latency 0.25 × 0.779 (first token after 284 ms), safety 0.1 × 1 (low risk), availability 0.05 × 0.938 (99.7 % succeed). The call is expected to cost $0.0002 ($0.0001 to $0.0004). There is no fallback. Excluded: alpha/titan costs up to $0.024 for the call, at most $0.01 is allowed. Confidence 1.
}

func ExampleNext() {
	in := market()
	plan, err := route.Decide(in)
	if err != nil {
		panic(err)
	}
	failed := &model.Error{Kind: model.KindUpstream, Status: 502}
	done := []model.Attempt{{
		Endpoint: plan.First().Endpoint, Status: 502, LatencyMS: 80, Error: &model.Failure{Kind: failed.Kind},
	}}
	next := route.Next(in, plan, done, failed)
	fmt.Printf("%s to %s: %s\n", next.Action, plan.Candidates[next.Candidate].Endpoint, next.Reason)
	// Output:
	// fall to alpha/titan: the upstream failed
}

func ExampleNormalise() {
	strategy := &route.BuiltIn()[0] // balanced
	wish := &model.Criteria{QualityWeight: new(0.4), CostWeight: new(0.4), LatencyWeight: new(0.2)}
	w, err := route.Normalise(strategy, wish)
	if err != nil {
		panic(err)
	}
	fmt.Printf("quality %.2f, cost %.2f, latency %.2f, safety %.2f, availability %.2f\n", w.Quality, w.Cost, w.Latency, w.Safety, w.Availability)
	// Output:
	// quality 0.34, cost 0.34, latency 0.17, safety 0.10, availability 0.05
}
