package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/registry/schema"
)

func TestResolve(t *testing.T) {
	r := small(t, nil)
	gpt := func(m *model.Model) { m.Canonical, m.Aliases = "gpt-x", []string{"best"} }
	if _, err := r.Apply(t.Context(), registry.Change{Models: []model.Model{
		record("alpha/gpt-x", gpt), record("beta/vendor/gpt-x", gpt), record("gamma/gpt-x", gpt),
		record("alpha/other", func(m *model.Model) { m.Fallbacks = []string{"gpt-x", "nowhere", "alpha/unserved", "BEST"} }),
		record("alpha/unserved"),
	}}); err != nil {
		t.Fatal(err)
	}
	if err := r.SetEndpoints([]model.Endpoint{
		endpoint("beta", "beta/vendor/gpt-x"), endpoint("alpha", "gpt-x"), endpoint("alpha", "other"),
		endpoint("box", "gpt-x", func(e *model.Endpoint) { e.Upstream = "local-name" }),
	}, nil); err != nil {
		t.Fatal(err)
	}
	s := r.Snapshot()
	names := func(served []int32) (out []string) {
		for _, i := range served {
			out = append(out, string(s.Served[i].ID))
		}
		return out
	}
	for _, c := range []struct {
		name string
		want []string
	}{
		{"alpha/gpt-x", []string{"alpha/gpt-x"}},                                        // a record with an endpoint
		{"gamma/gpt-x", []string{"alpha/gpt-x", "beta/vendor/gpt-x", "box/local-name"}}, // without one: other listings
		{"gpt-x", []string{"alpha/gpt-x", "beta/vendor/gpt-x", "box/local-name"}},       // canonical id
		{"best", []string{"alpha/gpt-x", "beta/vendor/gpt-x", "box/local-name"}},        // alias
		{"Best", []string{"alpha/gpt-x", "beta/vendor/gpt-x", "box/local-name"}},        // without regard to case
		{"box/local-name", []string{"box/local-name"}},                                  // endpoint id
		{"box/gpt-x", []string{"box/local-name"}},                                       // provider and canonical id
		{"beta/gpt-x", []string{"beta/vendor/gpt-x"}},                                   // likewise
	} {
		m, err := s.Resolve(c.name)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := names(m.Served); !slices.Equal(got, c.want) {
			t.Errorf("%s is served by %v: want %v", c.name, got, c.want)
		}
	}
	other, err := s.Resolve("alpha/other")
	if err != nil || len(other.Chain) != 2 || !slices.Equal(names(other.Chain[0]), []string{"alpha/gpt-x", "beta/vendor/gpt-x", "box/local-name"}) {
		t.Errorf("chain of alpha/other: %v, %v", other.Chain, err)
	}
	i, _ := s.Endpoint("alpha/other")
	if len(s.ChainOf(i)) != 2 {
		t.Errorf("ChainOf(alpha/other) = %v: want two steps", s.ChainOf(i))
	}
	_, err = s.Resolve("gpt-xx")
	e := model.AsError(err)
	if e == nil || e.Kind != model.KindNotFound || e.Param != "model" || !strings.Contains(e.Message, `"gpt-x"`) {
		t.Errorf("a misspelt name: %v: want KindNotFound with a suggestion", err)
	}
	if _, err := s.Resolve("gpt-x" + strings.Repeat("x", 300)); model.AsError(err).Details != nil {
		t.Errorf("a name longer than any: %v: want no suggestions", err)
	}
	for _, auto := range []string{"AUTO", "Auto", "atuo", "Auto:balanced"} {
		if _, err := s.Resolve(auto); model.KindOf(err) != model.KindNotFound || !strings.Contains(err.Error(), `did you mean "auto"`) {
			t.Errorf("%s: %v: want auto suggested", auto, err)
		}
	}
	for _, bad := range []string{"", " gpt-x", "gpt-x ", strings.Repeat("x", 1<<16), "\x00"} {
		if _, err := s.Resolve(bad); model.KindOf(err) != model.KindNotFound || len(err.Error()) > 600 {
			t.Errorf("%.20q: %v: want a short KindNotFound", bad, err)
		}
	}
}

func TestResolveDoesNotAllocate(t *testing.T) {
	s := loaded(t).Snapshot()
	for _, name := range []string{"openrouter/openai/gpt-4o", "gpt-4o"} {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := s.Resolve(name); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("resolving %s allocates %v times: want 0", name, n)
		}
	}
}

// TestSetEndpointsOfCatalogue configures endpoints as the README does: by a
// canonical id on a machine of one's own, and by a provider's own name.
func TestSetEndpointsOfCatalogue(t *testing.T) {
	r := loaded(t)
	price := model.FromUSD(0.05)
	err := r.SetEndpoints([]model.Endpoint{
		endpoint("gpu-box", "llama-3.1-8b-instruct", func(e *model.Endpoint) {
			e.Upstream, e.Tags, e.Pricing = "meta-llama/Llama-3.1-8B-Instruct", []string{"local"}, &model.Pricing{Input: &price}
		}),
		endpoint("gpu-box", "qwen2.5-72b-instruct", func(e *model.Endpoint) { e.Upstream = "qwen" }),
		endpoint("gpu-box", "gpt-oss-120b", func(e *model.Endpoint) { e.Upstream = "openai/gpt-oss-120b" }),
		endpoint("openai", "gpt-4o"),
		endpoint("proxy", "openai/gpt-4o", func(e *model.Endpoint) { e.Upstream = "gpt-4o" }),
		endpoint("mine", "openai/gpt-4o", func(e *model.Endpoint) { e.Upstream, e.BaseURL = "gpt-4o", "https://api.openai.com/v1/" }),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Snapshot()
	at := func(id model.EndpointID) *model.Served {
		i, ok := s.Endpoint(id)
		if !ok {
			t.Fatalf("no endpoint %s", id)
		}
		return &s.Served[i]
	}
	llama := at("gpu-box/meta-llama/Llama-3.1-8B-Instruct")
	if llama.Model.ID != "llama-3.1-8b-instruct" || llama.Model.Provider != registry.SelfHosted || !llama.QualityKnown || llama.Context != 131072 ||
		!llama.Commercial || !llama.CommercialKnown || !slices.Equal(llama.Tags, []string{"local"}) || *llama.Pricing.Input != price {
		t.Errorf("llama on the box: %+v, model %+v", llama, llama.Model)
	}
	if q := at("gpu-box/openai/gpt-oss-120b"); *q.Model.ParametersBillion != 116.8 || q.Model.Architecture != model.ArchMoE || q.Model.License != "apache-2.0" {
		t.Errorf("gpt-oss on the box: %+v", q.Model)
	}
	if q := at("gpu-box/qwen"); q.Model.Canonical != "qwen2.5-72b-instruct" || q.Pricing != nil {
		t.Errorf("qwen on the box: %+v: want no price, for nobody said what the box costs", q)
	}
	for id, priced := range map[model.EndpointID]bool{"openai/gpt-4o": true, "proxy/gpt-4o": false, "mine/gpt-4o": true} {
		if got := at(id).Pricing != nil; got != priced {
			t.Errorf("%s has a price: %v: want %v", id, got, priced)
		}
	}
	if m, err := s.Resolve("llama-3.1-8b-instruct"); err != nil || len(m.Served) != 1 {
		t.Errorf("llama-3.1-8b-instruct: %+v, %v", m, err)
	}
	if m, err := s.Resolve("openrouter/meta-llama/llama-3.1-8b-instruct"); err != nil || len(m.Served) != 1 {
		t.Errorf("a listing without endpoint: %+v, %v: want the box, which serves the same weights", m, err)
	}
}

func TestSetEndpointsErrors(t *testing.T) {
	r := loaded(t)
	before := r.Snapshot()
	negative := model.Money(-1)
	err := r.SetEndpoints([]model.Endpoint{
		endpoint("a", "gpt-4o", func(e *model.Endpoint) { e.BaseURL = "localhost:1" }),
		endpoint("a", "gpt-4o", func(e *model.Endpoint) { e.Kind = "openia" }),
		endpoint("", "gpt-4o", func(e *model.Endpoint) {
			e.Pricing = &model.Pricing{Input: &negative, CapacityShare: ptr(2.0)}
			e.MaxConcurrency = -1
		}),
	}, []model.Model{{ID: "x", Provider: "y"}})
	e := model.AsError(err)
	if e == nil || e.Kind != model.KindInvalid {
		t.Fatalf("got %v: want KindInvalid", err)
	}
	var lines []string
	for _, p := range e.Details.(map[string][]schema.Problem)["problems"] {
		lines = append(lines, p.Path)
	}
	want := []string{
		"models[0].task_types", "endpoints[0].base_url", "endpoints[1].kind", "endpoints[1].endpoint_id", "endpoints[2].provider",
		"endpoints[2].max_concurrency", "endpoints[2].cost_profile.input_usd_per_million", "endpoints[2].cost_profile.capacity_share",
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Errorf("problems (-want +got):\n%s", d)
	}
	err = r.SetEndpoints([]model.Endpoint{endpoint("box", "lama-3.3-70b-instruct")}, nil)
	if e := model.AsError(err); e == nil || e.Param != "endpoints[0].model_id" || !strings.Contains(e.Message, "llama-3.3-70b-instruct") {
		t.Errorf("a misspelt model: %v: want a suggestion", err)
	}
	if r.Snapshot() != before {
		t.Error("a refused configuration changed the snapshot")
	}
	if err := registry.New(registry.Config{}).SetEndpoints(nil, nil); model.KindOf(err) != model.KindConflict {
		t.Errorf("before Load: %v: want KindConflict", err)
	}
}

func TestInlineModels(t *testing.T) {
	r := small(t, nil)
	inline := []model.Model{record("box/tiny", func(m *model.Model) { m.Canonical = "tiny" })}
	if err := r.SetEndpoints([]model.Endpoint{endpoint("box", "tiny"), endpoint("other", "tiny")}, inline); err != nil {
		t.Fatal(err)
	}
	s := r.Snapshot()
	if m, err := s.Resolve("tiny"); err != nil || len(m.Served) != 2 {
		t.Errorf("tiny: %+v, %v: want both endpoints", m, err)
	}
	known := loaded(t)
	if err := known.SetEndpoints(nil, []model.Model{record("phi-4", func(m *model.Model) { m.License = "house" })}); err != nil {
		t.Fatal(err)
	}
	if m, _ := known.Snapshot().Model("phi-4"); m.License != "house" || m.Risk != model.RiskLow || *m.ContextLength != 16384 {
		t.Errorf("an inline record of known weights: %+v", m)
	}
	if err := r.SetEndpoints(nil, nil); err != nil {
		t.Fatal(err)
	}
	if n := len(r.Snapshot().Models) + len(r.Snapshot().Served); n != 0 {
		t.Errorf("%d inline records and endpoints outlive their configuration", n)
	}
	if _, ok := s.Model("box/tiny"); !ok {
		t.Error("an old snapshot changed under its reader")
	}
}

func TestDescribe(t *testing.T) {
	r := loaded(t)
	for upstream, want := range map[string]string{
		"llama3.1:8b": "llama-3.1-8b-instruct", "gpt-oss:20b": "gpt-oss-20b", "my-model:latest": "my-model:latest",
	} {
		m := r.Describe("ollama", upstream)
		if m.Canonical != want || m.ID != model.ModelID("ollama/"+upstream) {
			t.Errorf("Describe(ollama, %s) = %s, canonical %s: want %s", upstream, m.ID, m.Canonical, want)
		}
		if err := r.SetEndpoints([]model.Endpoint{endpoint("ollama", string(m.ID))}, []model.Model{m}); err != nil {
			t.Error(err)
		}
	}
}
