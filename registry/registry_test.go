package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/registry/catalogue"
	"github.com/cartrita/cartrita/registry/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

func noCatalogue() (*catalogue.Catalogue, error) { return &catalogue.Catalogue{}, nil }

// small is a registry over a store without the embedded catalogue.
func small(t testing.TB, s registry.Store) *registry.Registry {
	t.Helper()
	r := registry.New(registry.Config{Store: s, Clock: clock, Catalogue: noCatalogue})
	if err := r.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r
}

func record(id string, edit ...func(*model.Model)) model.Model {
	provider, _, _ := strings.Cut(id, "/")
	m := model.Model{ID: model.ModelID(id), Provider: provider, Tasks: []model.Task{model.TaskChat}}
	for _, e := range edit {
		e(&m)
	}
	return m
}

func endpoint(provider, name string, edit ...func(*model.Endpoint)) model.Endpoint {
	e := model.Endpoint{Provider: provider, Kind: model.ProviderOpenAI, BaseURL: "http://127.0.0.1:9001/v1", Ready: true, Model: model.ModelID(name)}
	for _, f := range edit {
		f(&e)
	}
	return e
}

func TestApplyPlanHistory(t *testing.T) {
	ctx := t.Context()
	r := small(t, nil)
	one := record("acme/one")
	plan, err := r.Plan(ctx, registry.Change{Models: []model.Model{one}})
	if err != nil || len(plan.Added) != 1 {
		t.Fatalf("Plan: %+v, %v", plan, err)
	}
	if _, ok := r.Snapshot().Model("acme/one"); ok {
		t.Fatal("Plan wrote the record")
	}
	before := r.Snapshot().Version
	if _, err := r.Apply(ctx, registry.Change{Actor: "ann", Models: []model.Model{one, record("acme/two")}}); err != nil {
		t.Fatal(err)
	}
	s := r.Snapshot()
	if m, ok := s.Model("acme/one"); !ok || m.Upstream != "one" || m.Canonical != "acme/one" || s.Version <= before {
		t.Fatalf("after Apply: %+v, version %d after %d", m, s.Version, before)
	}
	edited := record("acme/one", func(m *model.Model) {
		m.Tags = []string{"fast"}
		m.Quality = map[string]model.Figure{"mmlu": {Value: 70}}
	})
	diff, err := r.Apply(ctx, registry.Change{Actor: "bob", Models: []model.Model{edited, record("acme/two")}})
	if err != nil {
		t.Fatal(err)
	}
	want := registry.Diff{
		Changed: []registry.RecordDiff{{ID: "acme/one", Fields: []registry.FieldChange{
			{Path: "quality_metrics", New: json.RawMessage(`{"mmlu":{"value":70}}`)},
			{Path: "routing_tags", New: json.RawMessage(`["fast"]`)},
		}}},
		Unchanged: []model.ModelID{"acme/two"},
	}
	if d := cmp.Diff(want, diff); d != "" {
		t.Errorf("diff of the edit (-want +got):\n%s", d)
	}
	if _, err := r.Retire(ctx, "acme/one", "cat"); err != nil {
		t.Fatal(err)
	}
	if diff, err := r.Retire(ctx, "acme/one", "cat"); err != nil || !diff.Empty() {
		t.Errorf("retiring twice: %+v, %v: want no change", diff, err)
	}
	history, err := r.History(ctx, "acme/one")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range history {
		got = append(got, fmt.Sprintf("%d %s %s %d", v.Number, v.Actor, v.Action, len(v.Diff)))
	}
	if d := cmp.Diff([]string{"1 ann add 6", "2 bob edit 2", "3 cat retire 1"}, got); d != "" {
		t.Errorf("history (-want +got):\n%s", d)
	}
	if m, _ := r.Snapshot().Model("acme/one"); m.Status != model.StatusRetired {
		t.Errorf("status %s: want retired", m.Status)
	}
}

func TestApplyRefusesWhole(t *testing.T) {
	r := small(t, nil)
	context := int64(10)
	_, err := r.Apply(t.Context(), registry.Change{Models: []model.Model{
		record("acme/good"),
		{ID: "acme/bad", Provider: "acme"},
		record("acme/good"),
		record("auto:mine"),
		record("acme/loop", func(m *model.Model) { m.Fallbacks = []string{"x", "acme/loop"} }),
		record("acme/both", func(m *model.Model) {
			m.Features = []model.Feature{model.FeatureTools}
			m.MissingFeatures = []model.Feature{model.FeatureTools}
			m.ContextLength, m.MaxOutputTokens = &context, ptr(int64(11))
		}),
	}})
	e := model.AsError(err)
	if e == nil || e.Kind != model.KindInvalid || e.Param != "models[1].task_types" {
		t.Fatalf("got %v: want KindInvalid about models[1].task_types", err)
	}
	var paths []string
	for _, p := range e.Details.(map[string][]schema.Problem)["problems"] {
		paths = append(paths, p.Path)
	}
	want := []string{"models[1].task_types", "models[2].model_id", "models[3].model_id", "models[4].fallback_chain[1]", "models[5].missing_features[0]", "models[5].max_output_tokens"}
	if d := cmp.Diff(want, paths); d != "" {
		t.Errorf("problems (-want +got):\n%s", d)
	}
	if len(r.Snapshot().Models) != 0 {
		t.Error("a refused change was half applied")
	}
}

func ptr[T any](v T) *T { return &v }

// TestCatalogueIsBase edits a record of the catalogue: the edit wins, and the
// history starts with the catalogue's own.
func TestCatalogueIsBase(t *testing.T) {
	r := loaded(t)
	m, ok := r.Snapshot().Model("openai/gpt-4o")
	if !ok {
		t.Fatal("the catalogue lacks openai/gpt-4o")
	}
	edited := *m
	edited.Tags = []string{"house"}
	if _, err := r.Apply(t.Context(), registry.Change{Actor: "ann", Models: []model.Model{edited}}); err != nil {
		t.Fatal(err)
	}
	if now, _ := r.Snapshot().Model("openai/gpt-4o"); !slices.Equal(now.Tags, []string{"house"}) || now.Pricing == nil {
		t.Errorf("after the edit: %+v", now)
	}
	history, err := r.History(t.Context(), "openai/gpt-4o")
	if err != nil || len(history) != 2 || history[0].Number != 0 || history[0].Action != registry.ActionCatalogue || history[1].Diff[0].Path != "routing_tags" {
		t.Errorf("history %+v, %v", history, err)
	}
	if _, err := r.History(t.Context(), "openai/gpt-4oo"); model.KindOf(err) != model.KindNotFound || !strings.Contains(err.Error(), "openai/gpt-4o") {
		t.Errorf("history of a misspelt id: %v: want a suggestion", err)
	}
}

// TestEveryListingIsValid holds the embedded catalogue against the schema that
// users' records must pass.
func TestEveryListingIsValid(t *testing.T) {
	r := loaded(t)
	models := make([]model.Model, 0, len(r.Snapshot().Models))
	for _, m := range r.Snapshot().Models {
		models = append(models, *m)
	}
	diff, err := r.Plan(t.Context(), registry.Change{Models: models})
	if err != nil {
		t.Fatalf("%v %v", err, model.AsError(err).Details)
	}
	if len(diff.Unchanged) != len(models) {
		t.Errorf("writing the catalogue over itself adds %d and changes %d records: want none", len(diff.Added), len(diff.Changed))
	}
}

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

// shared is a store that two registries write to; it can be made to fail.
type shared struct {
	mu       sync.Mutex
	versions map[model.ModelID][]registry.Version
	writes   uint64
	fail     error
	race     func() // runs once inside the next SaveModels, before it looks
}

func (s *shared) LoadModels(context.Context) ([]registry.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []registry.Stored
	for id, vs := range s.versions {
		out = append(out, registry.Stored{ID: id, Number: len(vs), Doc: vs[len(vs)-1].Doc})
	}
	return out, s.fail
}

func (s *shared) SaveModels(_ context.Context, versions []registry.Version) error {
	if race := s.race; race != nil {
		s.race = nil
		race()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	for _, v := range versions {
		if v.Number != len(s.versions[v.ID])+1 {
			return model.Errorf("shared", model.KindConflict, "%s: number %d is taken", v.ID, v.Number)
		}
	}
	if s.versions == nil {
		s.versions = map[model.ModelID][]registry.Version{}
	}
	for _, v := range versions {
		s.versions[v.ID] = append(s.versions[v.ID], v)
	}
	s.writes++
	return nil
}

func (s *shared) ModelHistory(_ context.Context, id model.ModelID) ([]registry.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.versions[id]), s.fail
}

func (s *shared) ModelsVersion(context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes, s.fail
}

// TestTwoWriters lets another process write the same record in between: the
// change is planned again on top of it and nothing is lost.
func TestTwoWriters(t *testing.T) {
	ctx := t.Context()
	store := &shared{}
	here, there := small(t, store), small(t, store)
	store.race = func() {
		if _, err := there.Apply(ctx, registry.Change{Actor: "there", Models: []model.Model{record("acme/one")}}); err != nil {
			t.Error(err)
		}
	}
	diff, err := here.Apply(ctx, registry.Change{Actor: "here", Models: []model.Model{record("acme/one", func(m *model.Model) { m.Tags = []string{"x"} })}})
	if err != nil || len(diff.Changed) != 1 {
		t.Fatalf("got %+v, %v: want a change of the other's record", diff, err)
	}
	history, err := here.History(ctx, "acme/one")
	if err != nil || len(history) != 2 || history[0].Actor != "there" || history[1].Actor != "here" {
		t.Errorf("history %+v, %v", history, err)
	}
}

func TestRunNoticesOtherWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var log lines
		store := &shared{}
		here := registry.New(registry.Config{
			Store: store, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Catalogue: noCatalogue,
		})
		if err := here.Load(ctx); err != nil {
			t.Fatal(err)
		}
		there := small(t, store)
		done := make(chan error, 1)
		go func() { done <- here.Run(ctx) }()
		if _, err := there.Apply(ctx, registry.Change{Models: []model.Model{record("acme/one")}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(registry.DefaultPoll + time.Millisecond)
		synctest.Wait()
		if _, ok := here.Snapshot().Model("acme/one"); !ok {
			t.Error("a record that another process wrote did not arrive")
		}
		store.mu.Lock()
		store.fail = errors.New("disk gone")
		store.mu.Unlock()
		time.Sleep(5 * registry.DefaultPoll)
		synctest.Wait()
		if n := strings.Count(log.String(), "disk gone"); n != 1 {
			t.Errorf("a failing store is logged %d times: want once", n)
		}
		if _, ok := here.Snapshot().Model("acme/one"); !ok {
			t.Error("a failing store took records away")
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v: want nil", err)
		}
	})
}

type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestStoreFailure refuses the change whole when the store does.
func TestStoreFailure(t *testing.T) {
	store := &shared{}
	r := small(t, store)
	store.fail = model.Errorf("store", model.KindUnavailable, "no space")
	if _, err := r.Apply(t.Context(), registry.Change{Models: []model.Model{record("acme/one")}}); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("got %v: want the store's KindUnavailable", err)
	}
	if len(r.Snapshot().Models) != 0 {
		t.Error("what was not stored was published")
	}
	if err := registry.New(registry.Config{Store: store}).Load(t.Context()); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("Load with a failing store: %v", err)
	}
}

// TestUnreadableStoredRecord leaves out a record of a newer version, keeps the
// others, and does not reuse its version number.
func TestUnreadableStoredRecord(t *testing.T) {
	store := &shared{versions: map[model.ModelID][]registry.Version{
		"acme/new":  {{ID: "acme/new", Number: 1, Doc: json.RawMessage(`{"model_id":"acme/new","task_types":["telepathy"]}`)}},
		"acme/good": {{ID: "acme/good", Number: 1, Doc: json.RawMessage(`{"model_id":"acme/good","provider":"acme","task_types":["embeddings"]}`)}},
	}}
	r := small(t, store)
	if _, ok := r.Snapshot().Model("acme/good"); !ok || len(r.Snapshot().Models) != 1 {
		t.Errorf("got %d records: want the readable one", len(r.Snapshot().Models))
	}
	if _, err := r.Apply(t.Context(), registry.Change{Models: []model.Model{record("acme/new")}}); err != nil {
		t.Errorf("writing over the unreadable record: %v", err)
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

func Example() {
	ctx := context.Background()
	r := registry.New(registry.Config{})
	if err := r.Load(ctx); err != nil {
		fmt.Println(err)
		return
	}
	err := r.SetEndpoints([]model.Endpoint{{
		Provider: "gpu-box", Kind: model.ProviderOpenAI, BaseURL: "http://127.0.0.1:9001/v1", Ready: true,
		Model: "llama-3.1-8b-instruct", Upstream: "meta-llama/Llama-3.1-8B-Instruct",
	}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	s := r.Snapshot()
	m, err := s.Resolve("llama-3.1-8b-instruct")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Served[m.Served[0]].ID, s.Served[m.Served[0]].Context)
	_, err = s.Resolve("lama-3.1-8b-instruct")
	fmt.Println(model.KindOf(err))
	// Output:
	// gpu-box/meta-llama/Llama-3.1-8B-Instruct 131072
	// not_found
}

func ExampleRegistry_Apply() {
	ctx := context.Background()
	r := registry.New(registry.Config{})
	if err := r.Load(ctx); err != nil {
		fmt.Println(err)
		return
	}
	diff, err := r.Apply(ctx, registry.Change{Actor: "ann", Models: []model.Model{{
		ID: "acme/tiny", Provider: "acme", Tasks: []model.Task{model.TaskChat}, Tags: []string{"internal"},
	}}})
	fmt.Println(diff.Added, err)
	// Output: [acme/tiny] <nil>
}
