package route_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

func ptr[T any](v T) *T { return &v }

func maybe[T any](rt *rapid.T, name string, g *rapid.Generator[T]) *T {
	if rapid.Bool().Draw(rt, name+"?") {
		return ptr(g.Draw(rt, name))
	}
	return nil
}

// anyEndpoint draws an endpoint with few distinct values, so that ties happen.
func anyEndpoint(rt *rapid.T, i int) (s model.Served, h model.Health, e model.Estimate) {
	id := model.EndpointID(fmt.Sprintf("p%d/m%d", i%3, i))
	m := &model.Model{
		ID: model.ModelID(id), Canonical: fmt.Sprintf("m%d", rapid.IntRange(0, 5).Draw(rt, "canonical")),
		Risk:   model.Risk(rapid.IntRange(0, 4).Draw(rt, "risk")),
		Status: rapid.SampledFrom([]model.Status{0, 0, 0, 0, model.StatusTesting, model.StatusDeprecated, model.StatusRetired}).Draw(rt, "status"),
	}
	if ms := maybe(rt, "latency", rapid.SampledFrom([]float64{50, 500, 5000})); ms != nil {
		m.LatencyMS = &model.Figure{Value: *ms}
	}
	s = model.Served{
		Endpoint: &model.Endpoint{ID: id, Provider: fmt.Sprintf("p%d", i%3), Model: m.ID, Ready: rapid.IntRange(0, 9).Draw(rt, "ready") > 0,
			MaxConcurrency: rapid.SampledFrom([]int{0, 0, 4}).Draw(rt, "places")},
		Model: m, Tasks: model.Tasks(model.TaskChat), Context: rapid.SampledFrom([]int64{0, 4000, 128000}).Draw(rt, "context"),
		Features: model.FeatureSet(rapid.IntRange(0, 3).Draw(rt, "features")),
		Tags:     rapid.SampledFrom([][]string{nil, {"eu"}, {"eu", "fast"}}).Draw(rt, "tags"),
	}
	s.Lacks = model.FeatureSet(rapid.IntRange(0, 3).Draw(rt, "lacks")) &^ s.Features
	if q := maybe(rt, "quality", rapid.SampledFrom([]float64{0, 0.3, 0.7, 1})); q != nil {
		s.Quality, s.QualityKnown = *q, true
	}
	if c := maybe(rt, "commercial", rapid.Bool()); c != nil {
		s.Commercial, s.CommercialKnown = *c, true
	}
	h = model.Health{
		InFlight: int32(rapid.IntRange(0, 5).Draw(rt, "inflight")), Samples: rapid.SampledFrom([]float64{0, 0.5, 20}).Draw(rt, "samples"),
		Circuit: rapid.SampledFrom([]model.Circuit{0, 0, 0, model.CircuitOpen, model.CircuitHalfOpen}).Draw(rt, "circuit"),
	}
	if h.Samples > 0 {
		h.ErrorRate = rapid.SampledFrom([]float64{0, 0.2, 1}).Draw(rt, "errors")
		h.TTFTMS = rapid.SampledFrom([]float64{0, 100, 1000}).Draw(rt, "ttft")
		h.LatencyMS = h.TTFTMS * 2
	}
	if rapid.IntRange(0, 9).Draw(rt, "limited") == 0 {
		h.RetryAt = scenarioNow.Add(time.Duration(rapid.IntRange(-1, 1).Draw(rt, "until")) * time.Second)
	}
	e = model.Estimate{InputTokens: 500, OutputTokens: 200}
	if usd := maybe(rt, "cost", rapid.SampledFrom([]float64{0, 0.0001, 0.01})); usd != nil {
		e.Priced, e.Expected = true, model.FromUSD(*usd)
		e.Low, e.High = e.Expected/2, e.Expected*2
	}
	return s, h, e
}

func anyCriteria(rt *rapid.T) *model.Criteria {
	return &model.Criteria{
		SafetyRequired: rapid.IntRange(0, 4).Draw(rt, "safe") == 0,
		CommercialUse:  rapid.IntRange(0, 4).Draw(rt, "commercial use") == 0,
		MaxCost:        maybe(rt, "max cost", rapid.SampledFrom([]model.Money{0, model.FromUSD(0.001), model.USD})),
		MinQuality:     maybe(rt, "min quality", rapid.SampledFrom([]float64{0, 0.3})),
		MaxLatencyMS:   maybe(rt, "max latency", rapid.SampledFrom([]float64{600, 60000})),
		RequiredTags:   rapid.SampledFrom([][]string{nil, nil, {"eu"}}).Draw(rt, "required"),
		ExcludedTags:   rapid.SampledFrom([][]string{nil, nil, {"fast"}}).Draw(rt, "excluded"),
		Context:        model.Context{Priority: model.Priority(rapid.IntRange(-1, 2).Draw(rt, "priority"))},
	}
}

func anyInput(rt *rapid.T) *route.Input {
	n := rapid.IntRange(1, 24).Draw(rt, "endpoints")
	in := &route.Input{
		Strategy: &route.BuiltIn()[rapid.IntRange(0, 4).Draw(rt, "strategy")],
		Criteria: anyCriteria(rt), Task: model.TaskChat, Needs: model.FeatureSet(rapid.IntRange(0, 1).Draw(rt, "needs")),
		Seed: rapid.Uint64().Draw(rt, "seed"), Now: scenarioNow, MaxAttempts: rapid.IntRange(0, 4).Draw(rt, "attempts"),
	}
	for i := range n {
		s, h, e := anyEndpoint(rt, i)
		if i > 0 && rapid.Bool().Draw(rt, "twin") { // same figures, other id and load
			at, id := rapid.IntRange(0, i-1).Draw(rt, "of"), s.ID
			s = in.Served[at]
			twin := *s.Endpoint
			twin.ID = id
			s.Endpoint = &twin
			load := h.InFlight
			h, e = in.Health[at], in.Estimates[at]
			h.InFlight = load
		}
		in.Served, in.Health, in.Estimates = append(in.Served, s), append(in.Health, h), append(in.Estimates, e)
	}
	at := rapid.Int32Range(0, int32(n-1))
	chain := rapid.SliceOfN(rapid.SliceOfN(at, 0, 3), 0, 3).Draw(rt, "chain")
	if rapid.IntRange(0, 2).Draw(rt, "named") == 0 {
		in.Named = rapid.SliceOfN(at, 0, 4).Draw(rt, "names")
		in.Chain = chain
	} else {
		in.ChainOf = func(int) [][]int32 { return chain }
	}
	return in
}

// Figures of ties may be compared in another order of addition.
var closeEnough = cmp.Options{cmpopts.EquateApprox(0, 1e-12), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(model.Candidate{}, "Index")}

// The order in which endpoints are listed changes nothing.
func TestOrderInvariance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := anyInput(rt)
		want, wantErr := route.Decide(in)
		n := len(in.Served)
		perm := rapid.Permutation(iota32(n)).Draw(rt, "permutation") // new position → old
		to := make([]int32, n)
		mixed := *in
		mixed.Served, mixed.Health, mixed.Estimates = make([]model.Served, n), make([]model.Health, n), make([]model.Estimate, n)
		for now, was := range perm {
			to[was] = int32(now)
			mixed.Served[now], mixed.Health[now], mixed.Estimates[now] = in.Served[was], in.Health[was], in.Estimates[was]
		}
		move := func(list []int32) []int32 {
			if list == nil {
				return nil
			}
			out := make([]int32, len(list))
			for i, at := range list {
				out[i] = to[at]
			}
			return out
		}
		moveChain := func(chain [][]int32) (out [][]int32) {
			for _, name := range chain {
				out = append(out, move(name))
			}
			return out
		}
		mixed.Named, mixed.Chain = move(in.Named), moveChain(in.Chain)
		if in.ChainOf != nil {
			mixed.ChainOf = func(at int) [][]int32 { return moveChain(in.ChainOf(int(perm[at]))) }
		}
		got, gotErr := route.Decide(&mixed)
		if (wantErr == nil) != (gotErr == nil) || model.KindOf(wantErr) != model.KindOf(gotErr) {
			rt.Fatalf("errors differ: %v and %v", wantErr, gotErr)
		}
		if wantErr != nil {
			return
		}
		byID := cmpopts.SortSlices(func(a, b model.Exclusion) bool { return a.Endpoint < b.Endpoint })
		if diff := cmp.Diff(want, got, closeEnough, byID); diff != "" {
			rt.Fatalf("the plan depends on the order (-sorted +mixed):\n%s", diff)
		}
	})
}

func iota32(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// The same input gives the same plan, whatever memory it works in.
func TestDeterministic(t *testing.T) {
	scratch := &route.Scratch{}
	rapid.Check(t, func(rt *rapid.T) {
		in := anyInput(rt)
		want, wantErr := route.Decide(in)
		again := *in
		again.Scratch, again.Table = scratch, route.NewTable(in.Served)
		got, gotErr := route.Decide(&again)
		if diff := cmp.Diff(fmt.Sprint(wantErr), fmt.Sprint(gotErr)); diff != "" {
			rt.Fatal(diff)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// Every endpoint is either a candidate or excluded, none both; a plan is well
// formed and never holds one that a hard condition forbids.
func TestNeverAFilteredCandidate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := anyInput(rt)
		p, err := route.Decide(in)
		if err != nil {
			if k := model.KindOf(err); k != model.KindNoCandidate && k != model.KindUnavailable && k != model.KindRateLimited {
				rt.Fatalf("unexpected error %v", err)
			}
			return
		}
		if len(p.Candidates) != p.Eligible || len(p.Excluded)+p.Eligible != p.Considered || len(p.Attempts) == 0 {
			rt.Fatalf("%d candidates, %d excluded, %d eligible of %d, %d attempts",
				len(p.Candidates), len(p.Excluded), p.Eligible, p.Considered, len(p.Attempts))
		}
		excluded := map[model.EndpointID]bool{}
		for _, x := range p.Excluded {
			excluded[x.Endpoint] = true
			if x.Reason() == "" {
				rt.Fatalf("no reason: %+v", x)
			}
		}
		for i := range p.Candidates {
			c := &p.Candidates[i]
			if excluded[c.Endpoint] {
				rt.Fatalf("%s is a candidate and excluded", c.Endpoint)
			}
			if !(c.Score >= 0 && c.Score <= 1+1e-9) {
				rt.Fatalf("%s has score %v", c.Endpoint, c.Score)
			}
			forbidden(rt, in, c.Index)
		}
		seen := map[int]bool{}
		for _, a := range p.Attempts {
			if seen[a.Candidate] {
				rt.Fatalf("candidate %d is tried twice", a.Candidate)
			}
			seen[a.Candidate] = true
		}
		if !(p.Confidence >= 0 && p.Confidence <= 1) {
			rt.Fatalf("confidence %v", p.Confidence)
		}
		if route.Explain(p) == "" {
			rt.Fatal("no explanation")
		}
		noLessSafe(rt, in, p)
	})
}

// forbidden checks a candidate against the conditions, written a second time.
func forbidden(rt *rapid.T, in *route.Input, at int) {
	s, h, e, c := &in.Served[at], &in.Health[at], &in.Estimates[at], in.Criteria
	named := slices.Contains(in.Named, int32(at))
	switch {
	case s.Model.Status == model.StatusRetired, s.Model.Status != model.StatusActive && !named:
		rt.Fatalf("%s is %v", s.ID, s.Model.Status)
	case !s.Ready:
		rt.Fatalf("%s has no credentials", s.ID)
	case c.CommercialUse && (!s.CommercialKnown || !s.Commercial):
		rt.Fatalf("%s is not known to allow commercial use", s.ID)
	case c.SafetyRequired && (s.Model.Risk == model.RiskUnknown || s.Model.Risk > model.RiskMedium):
		rt.Fatalf("%s has risk %v", s.ID, s.Model.Risk)
	case s.Lacks&in.Needs != 0, !named && in.Needs&^s.Features != 0:
		rt.Fatalf("%s lacks %v", s.ID, in.Needs)
	case len(c.RequiredTags) > 0 && !slices.Contains(s.Tags, "eu"):
		rt.Fatalf("%s lacks a tag", s.ID)
	case len(c.ExcludedTags) > 0 && slices.Contains(s.Tags, "fast"):
		rt.Fatalf("%s has an excluded tag", s.ID)
	case c.MaxCost != nil && (!e.Priced || e.High > *c.MaxCost):
		rt.Fatalf("%s costs %v", s.ID, e)
	case c.MinQuality != nil && *c.MinQuality > 0 && (!s.QualityKnown || s.Quality < *c.MinQuality):
		rt.Fatalf("%s has quality %v", s.ID, s.Quality)
	case h.Circuit == model.CircuitOpen, h.RetryAt.After(in.Now):
		rt.Fatalf("%s takes no calls", s.ID)
	}
}

func noLessSafe(rt *rapid.T, in *route.Input, p *model.Plan) {
	if !in.Strategy.Fallback.NoLessSafe {
		return
	}
	rank := func(i int) int { // unknown is riskier than critical
		r := int(in.Served[p.Candidates[p.Attempts[i].Candidate].Index].Model.Risk)
		if r == 0 {
			r = 9
		}
		return r
	}
	for i := range p.Attempts {
		if rank(i) > rank(0) {
			rt.Fatalf("attempt %d is riskier than the choice", i)
		}
	}
}

// What the plan lists never changes what is tried.
func TestKeepChangesNothingButTheList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := anyInput(rt)
		full, err := route.Decide(in)
		if err != nil {
			return
		}
		cut := *in
		cut.Keep = rapid.IntRange(1, 6).Draw(rt, "keep")
		p, err := route.Decide(&cut)
		if err != nil {
			rt.Fatal(err)
		}
		limit := in.MaxAttempts
		if limit == 0 {
			limit = route.DefaultMaxAttempts
		}
		for i := range min(limit, len(full.Attempts)) {
			a, b := full.Attempts[i], p.Attempts[i]
			if full.Candidates[a.Candidate].Endpoint != p.Candidates[b.Candidate].Endpoint || a.Step != b.Step {
				rt.Fatalf("attempt %d differs: %+v and %+v", i, a, b)
			}
		}
		if len(p.Excluded) > cut.Keep || len(p.Candidates) > cut.Keep+limit {
			rt.Fatalf("%d candidates and %d exclusions with Keep %d", len(p.Candidates), len(p.Excluded), cut.Keep)
		}
		for i := range min(cut.Keep, len(full.Candidates)) {
			id := full.Candidates[i].Endpoint
			if !slices.ContainsFunc(p.Candidates, func(c model.Candidate) bool { return c.Endpoint == id }) {
				rt.Fatalf("%s is among the best %d and not listed", id, cut.Keep)
			}
		}
		if p.Eligible != full.Eligible || p.Considered != full.Considered || math.Abs(p.Confidence-full.Confidence) > 1e-12 || p.Spread != full.Spread {
			rt.Fatalf("the decision differs: %+v and %+v", p, full)
		}
		if !slices.IsSortedFunc(p.Candidates, func(a, b model.Candidate) int {
			return -compare(a.Score, b.Score)
		}) {
			rt.Fatal("candidates are not in the order of their scores")
		}
	})
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// More weight on a term never puts one that is worse in it ahead.
func TestMonotoneInWeight(t *testing.T) {
	terms := []func(*model.Terms) float64{
		func(t *model.Terms) float64 { return t.Quality.Score },
		func(t *model.Terms) float64 { return t.Cost.Score },
		func(t *model.Terms) float64 { return t.Latency.Score },
		func(t *model.Terms) float64 { return t.Safety.Score },
		func(t *model.Terms) float64 { return t.Availability.Score },
	}
	rapid.Check(t, func(rt *rapid.T) {
		in := anyInput(rt)
		draw := func(name string) *float64 { return ptr(float64(rapid.IntRange(0, 10).Draw(rt, name))) }
		in.Criteria.QualityWeight, in.Criteria.CostWeight, in.Criteria.LatencyWeight = draw("q"), draw("c"), draw("l")
		in.Criteria.SafetyWeight, in.Criteria.AvailabilityWeight = draw("s"), ptr(1.0)
		before, err := route.Decide(in)
		if err != nil {
			return
		}
		which := rapid.IntRange(0, 4).Draw(rt, "which")
		more := rapid.Float64Range(0.1, 50).Draw(rt, "more")
		c := *in.Criteria
		for i, w := range []**float64{&c.QualityWeight, &c.CostWeight, &c.LatencyWeight, &c.SafetyWeight, &c.AvailabilityWeight} {
			if i == which {
				*w = ptr(**w + more)
			}
		}
		heavier := *in
		heavier.Criteria = &c
		after, err := route.Decide(&heavier)
		if err != nil {
			rt.Fatal(err)
		}
		score := map[model.EndpointID]float64{}
		for i := range after.Candidates {
			score[after.Candidates[i].Endpoint] = after.Candidates[i].Score
		}
		for i := range before.Candidates {
			for j := range before.Candidates {
				a, b := &before.Candidates[i], &before.Candidates[j]
				if a.Score >= b.Score && terms[which](&a.Terms) >= terms[which](&b.Terms) && score[a.Endpoint] < score[b.Endpoint]-1e-9 {
					rt.Fatalf("%s was ahead of %s and no worse in the term, and fell behind it", a.Endpoint, b.Endpoint)
				}
			}
		}
	})
}

// Scores are absolute: another endpoint in the market changes none.
func TestScoresDoNotDependOnOthers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := anyInput(rt)
		in.Named, in.Chain = nil, nil
		p, err := route.Decide(in)
		if err != nil {
			return
		}
		s, h, e := anyEndpoint(rt, 99)
		more := *in
		more.Served = append(slices.Clone(in.Served), s)
		more.Health = append(slices.Clone(in.Health), h)
		more.Estimates = append(slices.Clone(in.Estimates), e)
		q, err := route.Decide(&more)
		if err != nil {
			rt.Fatal(err)
		}
		score := map[model.EndpointID]float64{}
		for i := range q.Candidates {
			score[q.Candidates[i].Endpoint] = q.Candidates[i].Score
		}
		for i := range p.Candidates {
			if c := &p.Candidates[i]; score[c.Endpoint] != c.Score {
				rt.Fatalf("%s: %v alone, %v with %s", c.Endpoint, c.Score, score[c.Endpoint], s.ID)
			}
		}
	})
}

// Next ends, sends no more than it may, and tries an endpoint again at most once.
func TestNextEnds(t *testing.T) {
	kinds := []model.Kind{
		model.KindRateLimited, model.KindContextLength, model.KindContentPolicy, model.KindUpstream,
		model.KindUpstreamAuth, model.KindUnavailable, model.KindTimeout,
	}
	rapid.Check(t, func(rt *rapid.T) {
		in := anyInput(rt)
		in.Strategy.Fallback.ContentPolicy = rapid.Bool().Draw(rt, "content policy")
		p, err := route.Decide(in)
		if err != nil {
			return
		}
		limit := in.MaxAttempts
		if limit == 0 {
			limit = route.DefaultMaxAttempts
		}
		times := map[int]int{}
		sent := 0
		var done []model.Attempt
		d := route.Decision{Action: route.Fall, Candidate: p.Attempts[0].Candidate}
		for d.Action != route.Stop {
			if times[d.Candidate]++; times[d.Candidate] > 2 || times[d.Candidate] == 2 && d.Action != route.Retry {
				rt.Fatalf("candidate %d tried %d times", d.Candidate, times[d.Candidate])
			}
			failure := &model.Error{Kind: rapid.SampledFrom(kinds).Draw(rt, "kind")}
			if rapid.Bool().Draw(rt, "answered") {
				failure.Status = failure.Kind.Status()
			}
			failure.RetryAfter = time.Duration(rapid.IntRange(0, 3).Draw(rt, "ask")) * time.Second
			at := model.Attempt{Endpoint: p.Candidates[d.Candidate].Endpoint, Status: failure.Status, Error: &model.Failure{Kind: failure.Kind}}
			if at.Status != 0 || rapid.Bool().Draw(rt, "sent") {
				at.LatencyMS = 1
				sent++
			}
			done = append(done, at)
			if d = route.Next(in, p, done, failure); d.Reason == "" {
				rt.Fatal("no reason")
			}
			if len(done) > 2*len(p.Candidates) {
				rt.Fatal("it does not end")
			}
		}
		if sent > limit {
			rt.Fatalf("%d calls sent, at most %d allowed", sent, limit)
		}
	})
}
