package route_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// busyMarket makes an input of n endpoints of n/4 models with measurements,
// prices and a few that are excluded, as a running gateway has them.
func busyMarket(n int) *route.Input {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	allowed := true
	in := &route.Input{
		Strategy: &route.BuiltIn()[0], Criteria: &model.Criteria{CommercialUse: true}, Task: model.TaskChat,
		Needs: model.Features(model.FeatureTools), Now: scenarioNow, Received: scenarioNow, Keep: 8, Seed: 42,
	}
	for i := range n {
		upstream := fmt.Sprintf("family-%d/model-%d-instruct", i/40, i/4)
		id := model.ModelID(fmt.Sprintf("provider-%d/%s", i%7, upstream))
		m := &model.Model{
			ID: id, Canonical: fmt.Sprintf("model-%d-instruct", i/4), Risk: model.Risk(1 + r.IntN(3)), CommercialAllowed: &allowed,
			LatencyMS: &model.Figure{Value: 200 + 2000*r.Float64()},
		}
		s := model.Served{
			Endpoint: &model.Endpoint{ID: model.EndpointID(id), Provider: fmt.Sprintf("provider-%d", i%7), Ready: r.IntN(10) > 0, Model: id, MaxConcurrency: 64 * r.IntN(2)},
			Model:    m, Tasks: model.Tasks(model.TaskChat, model.TaskTextGeneration), Features: model.Features(model.FeatureTools, model.FeatureVision),
			Context: 32_000 << r.IntN(4), MaxOutput: 8000, Quality: r.Float64(), QualityKnown: r.IntN(4) > 0,
			Commercial: r.IntN(20) > 0, CommercialKnown: true, Tags: []string{"eu", "fast"},
		}
		in.Served = append(in.Served, s)
		in.Health = append(in.Health, model.Health{
			InFlight: int32(r.IntN(20)), Samples: 200 * r.Float64(), TTFTMS: 100 + 2000*r.Float64(), LatencyMS: 2500, TokensPerSecond: 80, ErrorRate: 0.05 * r.Float64(),
		})
		if r.IntN(50) == 0 {
			in.Health[i].Circuit, in.Health[i].RetryAt = model.CircuitOpen, scenarioNow.Add(time.Second)
		}
		usd := model.FromUSD(0.01 * r.Float64())
		in.Estimates = append(in.Estimates, model.Estimate{Expected: usd, Low: usd / 2, High: usd * 2, InputTokens: 900, OutputTokens: 300, Priced: true})
	}
	in.ChainOf = func(at int) [][]int32 { return [][]int32{{int32(at+9) % int32(n)}, {int32(at+17) % int32(n)}} }
	return in
}

func benchmarkDecide(b *testing.B, in *route.Input) {
	in.Scratch, in.Table = &route.Scratch{}, route.NewTable(in.Served)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := route.Decide(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecide10(b *testing.B)   { benchmarkDecide(b, busyMarket(10)) }
func BenchmarkDecide100(b *testing.B)  { benchmarkDecide(b, busyMarket(100)) }
func BenchmarkDecide1000(b *testing.B) { benchmarkDecide(b, busyMarket(1000)) }

// Every limit set: each endpoint goes through every filter.
func BenchmarkDecideLimits1000(b *testing.B) {
	in := busyMarket(1000)
	cost, latency, quality, deadline := model.USD, 5000.0, 0.1, int64(60_000)
	in.Criteria = &model.Criteria{
		CommercialUse: true, MaxCost: &cost, MaxLatencyMS: &latency, MinQuality: &quality, MaxRisk: model.RiskHigh,
		RequiredTags: []string{"fast"}, ExcludedTags: []string{"slow"}, Context: model.Context{DeadlineMS: &deadline},
	}
	benchmarkDecide(b, in)
}

// All alike and busy: the worst case of load spreading and of the selections.
func BenchmarkDecideEqual1000(b *testing.B) {
	in := busyMarket(1000)
	for i := range in.Served {
		in.Served[i].Ready, in.Served[i].Commercial = true, true
		in.Served[i].Quality, in.Served[i].QualityKnown, in.Served[i].Model.Risk = 0.5, true, model.RiskLow
		in.Health[i] = model.Health{InFlight: int32(1 + i%5), Samples: 100, TTFTMS: 300}
		in.Estimates[i] = in.Estimates[0]
		in.Served[i].Model.LatencyMS, in.Served[i].MaxConcurrency = nil, 0
	}
	benchmarkDecide(b, in)
}

// A named model: the size of the registry must not matter.
func BenchmarkDecideNamed(b *testing.B) {
	in := busyMarket(1000)
	in.Named = []int32{400, 401, 402, 403}
	in.Chain = in.ChainOf(400)
	benchmarkDecide(b, in)
}

func BenchmarkExplain(b *testing.B) {
	plan, err := route.Decide(busyMarket(100))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		route.Explain(plan)
	}
}

func BenchmarkNext(b *testing.B) {
	in := busyMarket(100)
	plan, err := route.Decide(in)
	if err != nil {
		b.Fatal(err)
	}
	done := []model.Attempt{{Endpoint: plan.First().Endpoint, LatencyMS: 5, Status: 502, Error: &model.Failure{Kind: model.KindUpstream}}}
	failed := &model.Error{Kind: model.KindUpstream, Status: 502}
	b.ReportAllocs()
	for b.Loop() {
		route.Next(in, plan, done, failed)
	}
}
