package route_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// single makes an input of one endpoint whose figures are all unknown.
func single() *route.Input {
	m := &model.Model{ID: "p/m", Canonical: "m"}
	return &route.Input{
		Task: model.TaskChat, Now: scenarioNow,
		Served: []model.Served{{
			Endpoint: &model.Endpoint{ID: "p/m", Provider: "p", Model: "p/m", Ready: true}, Model: m, Tasks: model.Tasks(model.TaskChat),
		}},
		Health: make([]model.Health, 1), Estimates: make([]model.Estimate, 1),
	}
}

func terms(t *testing.T, in *route.Input) model.Terms {
	t.Helper()
	p, err := route.Decide(in)
	if err != nil {
		t.Fatal(err)
	}
	return p.Candidates[0].Terms
}

func approx(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// The formulae of the package comment.
func TestScores(t *testing.T) {
	cost := func(usd float64, in, out int64) float64 {
		x := single()
		x.Served[0].Context = 1 << 20
		x.Estimates[0] = model.Estimate{Expected: model.FromUSD(usd), Priced: true, InputTokens: in, OutputTokens: out}
		return terms(t, x).Cost.Score
	}
	approx(t, "free", cost(0, 500, 500), 1)
	approx(t, "$1 per million", cost(0.001, 500, 500), 0.5)
	approx(t, "$4 per million", cost(0.004, 900, 100), 1/3.0)
	approx(t, "a small call counts as 1,000 tokens", cost(0.001, 5, 5), 0.5)
	if a, b := cost(0.01, 5000, 5000), cost(0.1, 50_000, 50_000); a != b {
		t.Errorf("the same price scores %v on a small and %v on a large call", a, b)
	}

	latency := func(figure, ttft, whole, n, errors float64) model.Term {
		x := single()
		if figure > 0 {
			x.Served[0].Model.LatencyMS = &model.Figure{Value: figure}
		}
		x.Health[0] = model.Health{Samples: n, TTFTMS: ttft, LatencyMS: whole, ErrorRate: errors}
		return terms(t, x).Latency
	}
	approx(t, "registry latency", latency(1000, 0, 0, 0, 0).Score, 0.5)
	approx(t, "one sample, shrunk", latency(1000, 400, 800, 1, 0).Value, 700)
	approx(t, "of successes only", latency(1000, 400, 800, 4, 0.5).Value, 600)
	approx(t, "whole answers bound it", latency(0, 0, 500, 9, 0).Value, 650)
	approx(t, "and never raise it", latency(0, 0, 9000, 9, 0).Value, 2000)
	if latency(0, 400, 0, 0.9, 0).Known || !latency(0, 400, 0, 1, 0).Known || !latency(300, 0, 0, 0, 0).Known {
		t.Error("latency is known from one sample or a registry figure on")
	}

	availability := func(n, errors float64) model.Term {
		x := single()
		x.Health[0] = model.Health{Samples: n, ErrorRate: errors}
		return terms(t, x).Availability
	}
	approx(t, "failures of an unused endpoint", availability(0, 0).Value, 0.98)
	approx(t, "its score", availability(0, 0).Score, 0.05/0.07)
	approx(t, "ten failures of ten", availability(10, 1).Value, 1-0.51)
	approx(t, "their score", availability(10, 1).Score, 0.05/0.56)
	for risk, want := range map[model.Risk]float64{0: 0.4, 1: 1, 2: 0.7, 3: 0.3, 4: 0} {
		x := single()
		x.Served[0].Model.Risk = risk
		approx(t, "safety of "+risk.String(), terms(t, x).Safety.Score, want)
	}
}

// The priors are those of the package comment: never 0, and worse than what is
// typical of known figures.
func TestPriors(t *testing.T) {
	in := single()
	unknown := terms(t, in)
	if unknown.Quality.Known || unknown.Cost.Known || unknown.Latency.Known || unknown.Safety.Known || unknown.Availability.Known {
		t.Errorf("something is known: %+v", unknown)
	}
	tenDollars := single()
	tenDollars.Estimates[0] = model.Estimate{Expected: model.FromUSD(0.01), Priced: true, InputTokens: 500, OutputTokens: 500}
	approx(t, "cost", unknown.Cost.Score, terms(t, tenDollars).Cost.Score)
	approx(t, "quality", unknown.Quality.Score, 0.4)
	approx(t, "latency", unknown.Latency.Value, 2000)
	in.Health, in.Estimates = nil, nil
	if got := terms(t, in); got != unknown {
		t.Errorf("without health and estimates: %+v", got)
	}
	p, err := route.Decide(in)
	if err != nil {
		t.Fatal(err)
	}
	approx(t, "confidence", p.Confidence, 0.25)
}

// Both ask: the stricter holds.
func TestStricterLimitHolds(t *testing.T) {
	for name, c := range map[string]model.Criteria{
		"safety_required then low":    {SafetyRequired: true, MaxRisk: model.RiskLow},
		"of the context":              {Context: model.Context{Safety: &model.SafetyConstraints{Required: true, MaxRisk: model.RiskLow}}},
		"low at most, high elsewhere": {MaxRisk: model.RiskLow, Context: model.Context{Safety: &model.SafetyConstraints{MaxRisk: model.RiskHigh}}},
	} {
		in := single()
		in.Served[0].Model.Risk = model.RiskMedium
		in.Criteria = &c
		if _, err := route.Decide(in); model.KindOf(err) != model.KindNoCandidate {
			t.Errorf("%s: a medium risk passed: %v", name, err)
		}
	}
	in := single()
	in.Served[0].Quality, in.Served[0].QualityKnown = 0.6, true
	in.Estimates[0] = model.Estimate{Expected: model.USD, High: 2 * model.USD, Priced: true, InputTokens: 1000}
	in.Criteria = &model.Criteria{MaxCost: ptr(5 * model.USD), MinQuality: ptr(0.5)}
	strategy := route.BuiltIn()[0]
	in.Strategy = &strategy
	for name, l := range map[string]route.Limits{
		"cost":          {MaxCost: ptr(model.USD)},
		"cost per 1k":   {MaxCostPer1KTokens: ptr(model.USD / 2)},
		"quality":       {MinQuality: ptr(0.7)},
		"latency":       {MaxLatencyMS: ptr(100.0)},
		"risk":          {MaxRisk: model.RiskHigh},
		"licence":       {CommercialUse: true},
		"required tags": {RequiredTags: []string{"eu"}},
	} {
		strategy.Limits = l
		if _, err := route.Decide(in); model.KindOf(err) != model.KindNoCandidate {
			t.Errorf("%s of the strategy was passed over: %v", name, err)
		}
	}
	strategy.Limits = route.Limits{MaxCost: ptr(2 * model.USD), MinQuality: ptr(0.6)}
	if _, err := route.Decide(in); err != nil {
		t.Errorf("limits that are met exactly: %v", err)
	}
}

func TestInputThatDoesNotFitTogether(t *testing.T) {
	in := single()
	in.Health = make([]model.Health, 2)
	if _, err := route.Decide(in); model.KindOf(err) != model.KindInternal {
		t.Errorf("health of another length: %v", err)
	}
	in = single()
	in.Table = route.NewTable(nil)
	if _, err := route.Decide(in); model.KindOf(err) != model.KindInternal {
		t.Errorf("a table of another length: %v", err)
	}
	_, err := route.Decide(&route.Input{})
	if e := model.AsError(err); e == nil || e.Kind != model.KindNoCandidate || e.Message != "no endpoint is configured" {
		t.Errorf("no endpoints: %v", err)
	}
}

// Twenty replicas, each call takes a while: none gets far more than its share,
// however the calls fall.
func TestLoadSpreads(t *testing.T) {
	const replicas, calls, running = 20, 4000, 60
	in := &route.Input{Task: model.TaskChat, Now: scenarioNow}
	for i := range replicas {
		s := single().Served[0]
		e := *s.Endpoint
		e.ID = model.EndpointID(fmt.Sprintf("p%02d/m", i))
		s.Endpoint = &e
		in.Served = append(in.Served, s)
	}
	in.Health = make([]model.Health, replicas)
	in.Table, in.Scratch, in.Keep = route.NewTable(in.Served), &route.Scratch{}, 4
	total, worst := make([]int, replicas), int32(0)
	var inFlight []int
	for n := range calls {
		in.Seed = uint64(n) * 0x9e3779b9
		p, err := route.Decide(in)
		if err != nil {
			t.Fatal(err)
		}
		at := p.First().Index
		total[at]++
		in.Health[at].InFlight++
		worst = max(worst, in.Health[at].InFlight)
		if inFlight = append(inFlight, at); len(inFlight) > running {
			in.Health[inFlight[0]].InFlight--
			inFlight = inFlight[1:]
		}
	}
	if worst > running/replicas*2 {
		t.Errorf("one replica had %d calls at once, the mean is %d", worst, running/replicas)
	}
	for i, n := range total {
		if n < calls/replicas/2 || n > calls/replicas*2 {
			t.Errorf("replica %d served %d of %d calls", i, n, calls)
		}
	}
}

// The two that are compared are picked by id, not by position.
func TestSpreadDoesNotDependOnOrder(t *testing.T) {
	for seed := range uint64(50) {
		var first model.EndpointID
		for turn := range 8 {
			in := &route.Input{Task: model.TaskChat, Now: scenarioNow, Seed: seed}
			for i := range 8 {
				i = (i + turn) % 8
				s := single().Served[0]
				e := *s.Endpoint
				e.ID = model.EndpointID(fmt.Sprintf("provider-%d/m", i))
				s.Endpoint = &e
				in.Served, in.Health = append(in.Served, s), append(in.Health, model.Health{InFlight: int32(9 - i)})
			}
			p, err := route.Decide(in)
			if err != nil {
				t.Fatal(err)
			}
			if id := p.First().Endpoint; turn > 0 && id != first {
				t.Fatalf("seed %d: %s in one order, %s in another", seed, first, id)
			}
			first = p.First().Endpoint
		}
	}
}

func TestDecideAllocates(t *testing.T) {
	in := busyMarket(1000)
	in.Scratch, in.Table = &route.Scratch{}, route.NewTable(in.Served)
	in.ChainOf = nil
	got := testing.AllocsPerRun(20, func() {
		if _, err := route.Decide(in); err != nil {
			t.Fatal(err)
		}
	})
	if got > 8 {
		t.Errorf("%v allocations, want at most 8", got)
	}
}

func TestExplainWithoutPlan(t *testing.T) {
	for _, p := range []*model.Plan{nil, {}} {
		if route.Explain(p) != "No endpoint was chosen." {
			t.Errorf("%q", route.Explain(p))
		}
	}
}

func TestReceivedInTheFuture(t *testing.T) {
	in := single()
	in.Received = in.Now.Add(time.Hour)
	in.Criteria = &model.Criteria{Context: model.Context{DeadlineMS: ptr(int64(60_000))}}
	if _, err := route.Decide(in); err != nil {
		t.Error(err)
	}
}
