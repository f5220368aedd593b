package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
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
