package event

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

// roundFigures compares floats as AppendRecord keeps them: to six significant
// digits.
var roundFigures = cmp.Comparer(func(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-6*math.Max(math.Abs(a), math.Abs(b))
})

// roundScores compares floats as AppendPlan keeps scores: six decimals.
var roundScores = cmp.Comparer(func(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-6*math.Max(0.51, math.Abs(a))
})

func TestAppendRecordMeansWhatEncodingJSONMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec := anyRecord().Draw(t, "record")
		doc := AppendRecord(nil, rec)
		got, err := ParseRecord(doc, nil)
		if err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		rec.Plan = nil
		if diff := cmp.Diff(throughJSON(t, rec), got, roundFigures, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("want -, got +:\n%s", diff)
		}
	})
}

func TestParsePlanReadsWhatAppendPlanWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyRecord().Draw(t, "record").Plan
		if want == nil {
			return
		}
		for i := range want.Attempts { // an attempt names a candidate
			want.Attempts[i].Candidate %= max(1, len(want.Candidates))
		}
		if len(want.Candidates) == 0 {
			want.Attempts = nil
		}
		for i := range want.Candidates {
			want.Candidates[i].Index = -1
			if e := &want.Candidates[i].Estimate; !e.Priced { // has no amounts
				e.Expected, e.Low, e.High = 0, 0, 0
			}
		}
		got, err := ParsePlan(AppendPlan(nil, want))
		if err != nil {
			t.Fatalf("%v in %s", err, AppendPlan(nil, want))
		}
		if diff := cmp.Diff(throughJSON(t, &model.Record{Plan: want}).Plan, got, planOptions...); diff != "" {
			t.Fatalf("want -, got +:\n%s", diff)
		}
	})
}

func TestPlanShutReadsWhatParsePlanReads(t *testing.T) {
	some := 0
	rapid.Check(t, func(t *rapid.T) {
		p := anyRecord().Draw(t, "record").Plan
		if p == nil {
			return
		}
		p.Attempts, p.Trace = nil, []byte(`"circuit"`)
		if rapid.Bool().Draw(t, "open") {
			p.Excluded = append(p.Excluded, model.Exclusion{Endpoint: "p/shut", Model: "shut", Filter: model.FilterCircuit})
		}
		doc := AppendPlan(nil, p)
		p, err := ParsePlan(doc)
		if err != nil {
			t.Fatal(err)
		}
		var wantShut, wantEligible []PlanTarget
		for _, x := range p.Excluded {
			if x.Filter == model.FilterCircuit {
				wantShut = append(wantShut, PlanTarget{x.Endpoint, x.Model})
			}
		}
		if len(wantShut) > 0 {
			some++
			for _, c := range p.Candidates {
				wantEligible = append(wantEligible, PlanTarget{c.Endpoint, c.Model})
			}
		}
		shut, eligible := PlanShut(doc)
		if !slices.Equal(shut, wantShut) || len(wantShut) > 0 && !slices.Equal(eligible, wantEligible) {
			t.Fatalf("%v, %v; want %v, %v", shut, eligible, wantShut, wantEligible)
		}
	})
	if some == 0 {
		t.Error("no plan had an open circuit")
	}
}

// BenchmarkPlanShut is what an availability rule costs for each call, without and
// with an open circuit in its plan.
func BenchmarkPlanShut(b *testing.B) {
	plan := sampleRecord(model.NewCallID(), 8).Plan
	for _, filter := range []model.Filter{model.FilterContextLength, model.FilterCircuit} {
		plan.Excluded[0].Filter = filter
		doc := AppendPlan(nil, plan)
		b.Run(filter.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				PlanShut(doc)
			}
		})
	}
}

// planOptions compares plans as AppendPlan keeps them.
var planOptions = cmp.Options{
	cmpopts.EquateEmpty(), cmpopts.IgnoreFields(model.Candidate{}, "Index"),
	cmp.FilterPath(isScore, roundScores), cmp.FilterPath(func(p cmp.Path) bool { return !isScore(p) }, roundFigures),
}

func isScore(p cmp.Path) bool {
	return p.Last().String() == ".Score" || p.Last().String() == ".Confidence"
}

// throughJSON returns what encoding/json makes of rec, there and back.
func throughJSON(t *rapid.T, rec *model.Record) *model.Record {
	doc, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	out := new(model.Record)
	if err := json.Unmarshal(doc, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// anyRecord fills every field of a record by reflection, so that a field added
// to the vocabulary and forgotten in AppendRecord fails the test.
func anyRecord() *rapid.Generator[*model.Record] {
	return rapid.Custom(func(t *rapid.T) *model.Record {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		rec := new(model.Record)
		fill(reflect.ValueOf(rec).Elem(), rng, rapid.IntRange(0, 100).Draw(t, "density"))
		return rec
	})
}

// fill sets v to something valid; density is the chance in percent that an
// optional thing is set.
func fill(v reflect.Value, rng *rand.Rand, density int) {
	present := rng.IntN(100) < density
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.UnixMicro(rng.Int64N(4e15)).UTC()
		return
	case *model.Money:
		*x = model.Money(rng.Int64N(1<<uint(1+rng.IntN(60)))) * model.Money(1-2*rng.IntN(2))
		return
	case *model.Task:
		*x = model.Task(rng.IntN(15))
		return
	case *model.Risk:
		*x = model.Risk(rng.IntN(5))
		return
	case *model.Priority:
		*x = model.Priority(rng.IntN(4) - 1)
		return
	case *model.Kind:
		*x = model.Kind(rng.IntN(17))
		return
	case *model.Filter:
		*x = model.Filter(rng.IntN(int(model.FilterDeadline) + 1))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if present {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), rng, density)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" {
				fill(v.Field(i), rng, density)
			}
		}
	case reflect.Slice:
		if present {
			v.Set(reflect.MakeSlice(v.Type(), rng.IntN(4), 4))
			for i := range v.Len() {
				fill(v.Index(i), rng, density)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(rng.IntN(256)))
		}
	case reflect.String:
		if present {
			v.SetString([]string{"a", "openai/gpt-4o", "q\"\\\n\r\t\x00\x1f", "é漢😀", "bad\xff\xc3", "<&>\u2028", ""}[rng.IntN(7)])
		}
	case reflect.Bool:
		v.SetBool(present)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(rng.IntN(3)) * rng.Int64N(1<<uint(1+rng.IntN(40))))
	case reflect.Uint64:
		v.SetUint(rng.Uint64() >> rng.IntN(64))
	case reflect.Float64:
		v.SetFloat(anyFloat(rng))
	default:
		panic(fmt.Sprintf("no generator for %s", v.Type()))
	}
}

func anyFloat(rng *rand.Rand) float64 {
	switch rng.IntN(5) {
	case 0:
		return 0
	case 1:
		return float64(rng.IntN(2000) - 1000)
	case 2:
		return rng.Float64()
	case 3:
		return float64(rng.IntN(1e6)) / 1e6
	}
	return (rng.Float64() - 0.5) * math.Pow(10, float64(rng.IntN(40)-20))
}

func TestAppendFloatIsExactOnItsGrid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := float64(rapid.Int64Range(-1e9, 1e9).Draw(t, "nano")) / 1e9
		if rapid.Bool().Draw(t, "large") {
			want = float64(rapid.Int64Range(-2e15, 2e15).Draw(t, "micro")) / 1e6
		}
		var got float64
		if err := json.Unmarshal(appendFloat(nil, want), &got); err != nil || got != want {
			t.Fatalf("%v became %s, read as %v, %v", want, appendFloat(nil, want), got, err)
		}
	})
}

func TestAppendFloatNeverWritesWhatJSONCannotHold(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got := string(appendFloat(nil, f)); got != "0" {
			t.Errorf("%v became %s, want 0", f, got)
		}
	}
}

func BenchmarkAppendRecord(b *testing.B) {
	rec := sampleRecord(model.NewCallID(), 10)
	buf := AppendPlan(AppendRecord(nil, rec), rec.Plan)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendPlan(AppendRecord(buf[:0], rec), rec.Plan)
	}
}

// sampleRecord is a completed call with a plan of n candidates and as many
// exclusions, with figures as a router makes them.
func sampleRecord(id model.CallID, n int) *model.Record {
	rng := rand.New(rand.NewPCG(uint64(id[15]), uint64(id[14])))
	plan := &model.Plan{
		Strategy: "balanced", Weights: model.Weights{Quality: .35, Cost: .25, Latency: .25, Safety: .1, Availability: .05},
		Seed: rng.Uint64(), Snapshot: 7, Considered: 1000, Eligible: 400, Confidence: rng.Float64(),
	}
	for i := range n {
		name := fmt.Sprintf("provider-%d/some-model-%d-instruct", i%5, i)
		term := func(v float64) model.Term { return model.Term{Score: rng.Float64(), Value: v, Known: i%3 > 0} }
		plan.Candidates = append(plan.Candidates, model.Candidate{
			Endpoint: model.EndpointID(name), Model: model.ModelID(name), Score: rng.Float64(), Load: rng.Float64(),
			Terms: model.Terms{Quality: term(.8), Cost: term(rng.Float64() / 1e3), Latency: term(rng.Float64() * 1e3), Safety: term(2), Availability: term(rng.Float64())},
			Estimate: model.Estimate{Expected: model.Money(rng.IntN(1e7)), Low: model.Money(rng.IntN(1e6)), High: model.Money(rng.IntN(1e8)),
				InputTokens: 400, OutputTokens: 300, Method: model.MethodLearned, Priced: true},
		})
		plan.Excluded = append(plan.Excluded, model.Exclusion{Endpoint: model.EndpointID("x-" + name), Model: model.ModelID("x-" + name), Filter: model.FilterContextLength, Want: 4000, Have: 2048})
		plan.Attempts = append(plan.Attempts, model.PlannedAttempt{Candidate: i, Step: model.StepNextBest})
	}
	first := plan.Candidates[0]
	usage := model.Usage{Input: model.Known(400), CachedRead: model.Known(100), Output: model.Known(300), Source: model.UsageUpstream}
	return &model.Record{
		ID: id, Received: time.UnixMicro(1_790_000_000_123_456).UTC(), Surface: model.SurfaceChat, Task: model.TaskChat, Asked: "auto", Stream: true,
		Context: model.Context{UserID: "user-17", WorkflowRunID: "run-9", Stage: "draft", SessionID: "s-1"},
		Plan:    plan, State: model.StateCompleted, Model: first.Model, Endpoint: first.Endpoint, Provider: "provider-0",
		Attempts: []model.Attempt{{Endpoint: first.Endpoint, Model: first.Model, Step: model.StepBest, StartMS: 0.31, TTFTMS: 212.5, LatencyMS: 1800.25, Status: 200, Usage: usage, Cost: 123_456}},
		Usage:    usage, Cost: model.CostBreakdown{Total: 123_456, Input: 100_000, CachedRead: 3_456, Output: 20_000}, Estimated: 150_000,
		TTFTMS: 212.9, LatencyMS: 1801.1, OverheadMS: 0.412,
	}
}
