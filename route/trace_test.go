package route_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// traced decides, writes the trace down, reads it and decides again.
func traced(t interface{ Fatal(...any) }, in *route.Input) (p, again *model.Plan, tr *route.Trace) {
	in.Scratch = &route.Scratch{}
	p, err := route.Decide(in)
	if err != nil && p != nil {
		t.Fatal("a plan beside an error")
	}
	tr = new(route.Trace)
	doc := route.AppendTrace(nil, 7, in, p, &route.Request{PromptBytes: 99, Choices: 2, Prompt: 3})
	if err := route.ReadTrace(tr, doc); err != nil {
		t.Fatal(err)
	}
	fleet := route.Fleet{Served: in.Served, Table: route.NewTable(in.Served), Chains: make([][][]int32, len(in.Served))}
	if in.ChainOf != nil {
		for i := range fleet.Chains {
			fleet.Chains[i] = in.ChainOf(i)
		}
	}
	var mem route.Again
	in2, err := mem.Input(tr, &fleet)
	if err != nil {
		t.Fatal(err)
	}
	again, _ = route.Decide(in2)
	return p, again, tr
}

// A decision made again from its trace is the decision.
func TestTraceDecidesTheSameAgain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := anyInput(rt)
		in.Received = in.Now.Add(-time.Duration(rapid.IntRange(0, 5).Draw(rt, "waited")) * time.Second)
		in.Keep = rapid.SampledFrom([]int{0, 2, 8}).Draw(rt, "keep")
		in.Criteria.Context.DeadlineMS = maybe(rt, "deadline", rapid.SampledFrom([]int64{2000, 9000}))
		if rapid.Bool().Draw(rt, "own strategy") {
			own := *in.Strategy
			own.Name, own.Limits = "own", route.Limits{MinQuality: maybe(rt, "floor", rapid.SampledFrom([]float64{0.2, 0.6})), ExcludedTags: []string{"slow"}}
			own.Fallback = route.Fallback{Scope: rapid.SampledFrom([]route.Scope{"", route.ScopeAny, route.ScopeSameModel, route.ScopeNone}).Draw(rt, "scope"), ContentPolicy: true}
			in.Strategy = &own
		}
		if rapid.IntRange(0, 3).Draw(rt, "budget") == 0 {
			in.Budget = &model.BudgetLimits{Rules: []model.BudgetRule{{Budget: "b", MaxCostPer1KTokens: ptr(model.FromUSD(0.01))}}}
		}
		in.Largest = rapid.SampledFrom([]float64{0, 0.01, 0.5}).Draw(rt, "largest")
		for i := range in.Health {
			in.Health[i].Queued = int32(rapid.IntRange(0, 3).Draw(rt, "queued"))
			in.Health[i].TokensPerSecond = rapid.SampledFrom([]float64{0, 20}).Draw(rt, "speed")
		}
		if rapid.IntRange(0, 3).Draw(rt, "key") == 0 { // some are not for the caller's key
			in.Allowed = rapid.SliceOfN(rapid.Bool(), len(in.Served), len(in.Served)).Draw(rt, "allowed")
		}
		p, again, tr := traced(rt, in)
		if !tr.Same(again) {
			rt.Fatalf("decided\n%+v\nagain\n%+v", p, again)
		}
		// All of the plan but the list of who was excluded by what cannot change
		// (endpoints that could serve nobody are not kept), nor their number.
		if diff := cmp.Diff(p, again, cmpopts.IgnoreFields(model.Plan{}, "Excluded", "Considered", "Snapshot"), cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("the plan differs:\n%s", diff)
		}
		if tr.Request != (route.Request{PromptBytes: 99, Choices: 2, Prompt: 3}) || tr.Fleet != 7 ||
			!tr.Now.Equal(in.Now) || tr.Elapsed != in.Now.Sub(in.Received) {
			rt.Fatalf("request and fleet come back as %+v, %d", tr.Request, tr.Fleet)
		}
	})
}

// In a large registry the trace keeps a part of the endpoints, and the decision
// still comes out the same, also where hundreds are near equals and load decides.
func TestTraceOfALargeRegistryDecidesTheSame(t *testing.T) {
	for n := range 60 {
		r := rand.New(rand.NewPCG(uint64(n), 9))
		in := busyMarket(200 + 10*n)
		alike := n%2 == 0
		for i := range in.Served {
			if alike {
				in.Served[i].Quality, in.Served[i].QualityKnown, in.Served[i].Model.Risk = 0.5, true, model.RiskLow
				in.Health[i] = model.Health{InFlight: int32(1 + r.IntN(9)), Samples: 100, TTFTMS: 300}
				in.Estimates[i] = in.Estimates[0]
				in.Served[i].Model.LatencyMS, in.Served[i].MaxConcurrency = nil, 0
			}
		}
		in.Seed, in.Criteria.Context.Priority = r.Uint64(), model.Priority(n%4-1)
		in.Strategy = &route.BuiltIn()[n%5]
		p, again, tr := traced(t, in)
		if !tr.Partial || len(tr.Endpoints) > 80 {
			t.Fatalf("%d of %d endpoints are kept, partial %v", len(tr.Endpoints), len(in.Served), tr.Partial)
		}
		if p == nil || !tr.Same(again) {
			t.Errorf("run %d, all alike %v, is decided otherwise", n, alike)
		}
	}
}

// What a caller may ask for is in the trace if a decision depends on it: a field
// that is new must be given its place.
func TestTraceKeepsEveryCriterion(t *testing.T) {
	left := map[string]bool{"Caller": true, "Allow": true, "Model": true, "Task": true, "Strategy": true, "Messages": true, "Context": true}
	typ := reflect.TypeFor[model.Criteria]()
	for i := range typ.NumField() {
		name := typ.Field(i).Name
		if left[name] {
			continue
		}
		in := busyMarket(3)
		in.Criteria = &model.Criteria{}
		set(t, reflect.ValueOf(in.Criteria).Elem().Field(i))
		_, _, tr := traced(t, in)
		if diff := cmp.Diff(in.Criteria, tr.Criteria); diff != "" {
			t.Errorf("%s is not kept:\n%s", name, diff)
		}
	}
	in := busyMarket(3)
	in.Criteria = &model.Criteria{Messages: []byte(`["secret"]`), Context: model.Context{UserID: "u", SessionID: "s"}}
	if _, _, tr := traced(t, in); tr.Criteria != nil {
		t.Errorf("texts and names are kept: %+v", tr.Criteria)
	}
	limits := reflect.TypeFor[route.Limits]()
	for i := range limits.NumField() {
		in := busyMarket(3)
		own := *in.Strategy
		set(t, reflect.ValueOf(&own.Limits).Elem().Field(i))
		in.Strategy = &own
		_, _, tr := traced(t, in)
		if diff := cmp.Diff(own, tr.Strategy); diff != "" {
			t.Errorf("the limit %s is not kept:\n%s", limits.Field(i).Name, diff)
		}
	}
}

// set gives a field a value that is not its zero.
func set(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		set(t, v.Elem())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64, reflect.Int:
		v.SetInt(1)
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.String:
		v.SetString("x")
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		set(t, v.Index(0))
	default:
		t.Fatalf("no value for %s", v.Type())
	}
}

// A trace that keeps no endpoint at all is not one that keeps all of them.
func TestTraceOfNobody(t *testing.T) {
	in := busyMarket(5)
	in.Criteria, in.Needs = nil, 0
	for i := range in.Served {
		in.Served[i].Ready = false
	}
	in.Scratch = &route.Scratch{}
	_, err := route.Decide(in)
	if model.KindOf(err) != model.KindNoCandidate {
		t.Fatal(err)
	}
	var tr route.Trace
	if err := route.ReadTrace(&tr, route.AppendTrace(nil, 1, in, nil, &route.Request{})); err != nil || !tr.Refused || len(tr.Endpoints) > 0 {
		t.Fatalf("%+v, %v", tr, err)
	}
	for i := range in.Served {
		in.Served[i].Ready = true
	}
	again, err := new(route.Again).Input(&tr, &route.Fleet{Served: in.Served, Table: route.NewTable(in.Served), Chains: make([][][]int32, 5)})
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := route.Decide(again); !tr.Same(p) {
		t.Errorf("decided again it is %+v", p)
	}
}

func TestTraceOfAnotherFleetIsRefused(t *testing.T) {
	in := busyMarket(20)
	_, _, tr := traced(t, in)
	small := route.Fleet{Served: in.Served[:2], Table: route.NewTable(in.Served[:2]), Chains: make([][][]int32, 2)}
	if _, err := new(route.Again).Input(tr, &small); model.KindOf(err) != model.KindInvalid {
		t.Errorf("gives %v, want invalid", err)
	}
}

func FuzzReadTrace(f *testing.F) {
	for _, n := range []int{1, 10, 100} {
		in := busyMarket(n)
		in.Scratch = &route.Scratch{}
		p, _ := route.Decide(in)
		doc := route.AppendTrace(nil, 1, in, p, &route.Request{})
		f.Add(doc)
		f.Add(doc[:len(doc)/2])
	}
	f.Add([]byte{})
	served := busyMarket(100).Served
	fleet := route.Fleet{Served: served, Table: route.NewTable(served), Chains: make([][][]int32, len(served))}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var tr route.Trace
		if route.ReadTrace(&tr, doc) != nil {
			return
		}
		var mem route.Again
		in, err := mem.Input(&tr, &fleet)
		if err != nil {
			return
		}
		p, _ := route.Decide(in) // must not panic
		tr.Same(p)
	})
}

func BenchmarkTrace(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		in := busyMarket(n)
		in.Scratch, in.Table = &route.Scratch{}, route.NewTable(in.Served)
		p, err := route.Decide(in)
		if err != nil {
			b.Fatal(err)
		}
		var doc []byte
		b.Run(fmt.Sprintf("append %d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				doc = route.AppendTrace(doc[:0], 1, in, p, &route.Request{})
			}
			b.ReportMetric(float64(len(doc)), "bytes")
		})
		b.Run(fmt.Sprintf("read and decide %d", n), func(b *testing.B) {
			fleet := route.Fleet{Served: in.Served, Table: in.Table, Chains: make([][][]int32, n)}
			var mem route.Again
			var tr route.Trace
			b.ReportAllocs()
			for b.Loop() {
				if err := route.ReadTrace(&tr, doc); err != nil {
					b.Fatal(err)
				}
				again, err := mem.Input(&tr, &fleet)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := route.Decide(again); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
