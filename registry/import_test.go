package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestImportSamples imports the recorded samples into the whole catalogue,
// twice: what the first run reports is a golden file, the second changes
// nothing.
func TestImportSamples(t *testing.T) {
	for _, file := range []string{"litellm.json", "openrouter.json", "hub.json", "models.yaml", "models.jsonl"} {
		t.Run(file, func(t *testing.T) {
			ctx := t.Context()
			r := registry.New(registry.Config{Clock: clock})
			if err := r.Load(ctx); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			before := r.Snapshot()
			dry, err := r.Import(ctx, "auto", file, data, registry.ImportOptions{DryRun: true})
			if err != nil {
				t.Fatal(err)
			}
			if r.Snapshot() != before {
				t.Error("a dry run changed the registry")
			}
			first, err := r.Import(ctx, "auto", file, data, registry.ImportOptions{Actor: "ann"})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, file+".report.golden", describe(first))
			first.DryRun = true
			if !bytes.Equal(describe(dry), describe(first)) {
				t.Error("the dry run reports something else than the import")
			}
			after := r.Snapshot()
			second, err := r.Import(ctx, "auto", file, data, registry.ImportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if !second.Empty() || len(second.Unchanged) != len(first.Added)+len(first.Changed)+len(first.Unchanged) {
				t.Errorf("the second import is not empty: %s", describe(second))
			}
			if r.Snapshot() != after {
				t.Error("the second import published a snapshot")
			}
			for _, id := range first.Added {
				if h, err := r.History(ctx, id); err != nil || len(h) != 1 || h[0].Actor != "ann" || h[0].Action != registry.ActionImport {
					t.Errorf("history of %s: %+v, %v", id, h, err)
				}
			}
		})
	}
}

// describe writes a report for review.
func describe(r registry.Report) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, %d records\n", r.Format, r.Records)
	for _, id := range r.Added {
		fmt.Fprintf(&b, "added %s\n", id)
	}
	for _, c := range r.Changed {
		fmt.Fprintf(&b, "changed %s\n", c.ID)
		for _, f := range c.Fields {
			fmt.Fprintf(&b, "  %s: %s -> %s\n", f.Path, f.Old, f.New)
		}
	}
	for _, id := range r.Unchanged {
		fmt.Fprintf(&b, "unchanged %s\n", id)
	}
	for _, k := range r.Ignored {
		fmt.Fprintf(&b, "ignored %s in %d, such as %s\n", k.Path, k.Count, k.Example)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "skipped %s: %s\n", s.Entry, s.Reason)
	}
	for _, e := range r.Errors {
		for _, p := range e.Problems {
			fmt.Fprintf(&b, "error in %s: %s: %s\n", e.Entry, p.Path, p.Message)
		}
	}
	return b.Bytes()
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the result differs from %s (run with -update and review the diff); got:\n%s", path, got)
	}
}

func TestImportStrict(t *testing.T) {
	ctx := t.Context()
	r := small(t, nil)
	data := []byte(`[{"model_id":"a/good","provider":"a","task_types":["embeddings"]},{"model_id":"a/bad","provider":"a"}]`)
	rep, err := r.Import(ctx, "cartrita", "f.json", data, registry.ImportOptions{Strict: true})
	if e := model.AsError(err); e == nil || e.Kind != model.KindInvalid || e.Param != "[1].task_types" || len(rep.Errors) != 1 {
		t.Errorf("got %v, %+v: want KindInvalid about [1].task_types", err, rep)
	}
	if len(r.Snapshot().Models) != 0 {
		t.Error("a strict import was half applied")
	}
	if rep, err = r.Import(ctx, "cartrita", "f.json", data, registry.ImportOptions{}); err != nil || len(rep.Added) != 1 || len(rep.Errors) != 1 {
		t.Errorf("got %+v, %v: want the good record and a report of the bad one", rep, err)
	}
	if _, err := r.Import(ctx, "excel", "f", data, registry.ImportOptions{}); model.KindOf(err) != model.KindInvalid {
		t.Errorf("an unknown format: %v", err)
	}
	if _, err := registry.New(registry.Config{}).Import(ctx, "auto", "f", data, registry.ImportOptions{}); model.KindOf(err) != model.KindConflict {
		t.Errorf("before Load: %v: want KindConflict", err)
	}
}

// TestImportActions: the history tells a list that was imported from records
// that somebody wrote.
func TestImportActions(t *testing.T) {
	r := small(t, nil)
	for i, step := range []struct {
		tag  string
		o    registry.ImportOptions
		want string
	}{
		{"a", registry.ImportOptions{Edit: true, Actor: "ann"}, "ann add"},
		{"b", registry.ImportOptions{Edit: true}, registry.DefaultActor + " edit"},
		{"c", registry.ImportOptions{}, "import:cartrita import"},
		{"d", registry.ImportOptions{Actor: "bob"}, "bob import"},
	} {
		data := []byte(`{"model_id":"a/x","provider":"a","task_types":["embeddings"],"routing_tags":["` + step.tag + `"]}`)
		if rep, err := r.Import(t.Context(), "cartrita", "body", data, step.o); err != nil || rep.Empty() {
			t.Fatalf("%+v, %v", rep, err)
		}
		h, err := r.History(t.Context(), "a/x")
		if err != nil || len(h) != i+1 {
			t.Fatalf("%+v, %v", h, err)
		}
		if got := h[i].Actor + " " + string(h[i].Action); got != step.want {
			t.Errorf("%+v is recorded as %q: want %q", step.o, got, step.want)
		}
	}
}

// TestImportMerges lays a foreign record over a user's: what the source does
// not know stays, and what it contradicts moves.
func TestImportMerges(t *testing.T) {
	ctx := t.Context()
	r := small(t, nil)
	price := model.FromUSD(9)
	if _, err := r.Apply(ctx, registry.Change{Models: []model.Model{record("acme/chat", func(m *model.Model) {
		m.Tags, m.Fallbacks, m.License = []string{"mine"}, []string{"acme/else"}, "mit"
		m.Features, m.MissingFeatures = []model.Feature{model.FeatureVision}, []model.Feature{model.FeatureTools}
		m.Pricing = &model.Pricing{Input: &price, Output: &price, CachedRead: &price}
		m.Quality = map[string]model.Figure{"mmlu": {Value: 70}}
	})}}); err != nil {
		t.Fatal(err)
	}
	_, err := r.Import(ctx, "litellm", "f", []byte(`{"chat":{"litellm_provider":"acme","mode":"chat","supports_function_calling":true,"supports_vision":false,"input_cost_per_token":1e-6,"output_cost_per_token":2e-6}}`), registry.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := r.Snapshot().Model("acme/chat")
	if len(m.Tags) != 1 || len(m.Fallbacks) != 1 || m.License != "mit" || m.Quality["mmlu"].Value != 70 {
		t.Errorf("the import lost what it does not know: %+v", m)
	}
	if len(m.Features) != 1 || m.Features[0] != model.FeatureTools || len(m.MissingFeatures) != 1 || m.MissingFeatures[0] != model.FeatureVision {
		t.Errorf("features %v, missing %v: want them to have moved", m.Features, m.MissingFeatures)
	}
	if m.Pricing.Input.String() != "$1" || m.Pricing.CachedRead == nil || *m.Pricing.CachedRead != price {
		t.Errorf("cost profile %+v: want the file's prices and the one on which it is silent", m.Pricing)
	}
}

// TestImportKeepsPrices: a price on which a file is silent stays, its source is
// named, and no order of imports makes the list of sources grow.
func TestImportKeepsPrices(t *testing.T) {
	r := small(t, nil)
	old := model.FromUSD(9)
	if _, err := r.Apply(t.Context(), registry.Change{Models: []model.Model{record("openrouter/chat", func(m *model.Model) {
		m.Pricing = &model.Pricing{Input: &old, CachedRead: &old, Request: &old, Hourly: &old, Devices: 2, Source: "contract"}
	})}}); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"litellm":    `{"chat":{"litellm_provider":"openrouter","mode":"chat","input_cost_per_token":1e-6,"output_cost_per_token":2e-6}}`,
		"openrouter": `{"data":[{"id":"chat","pricing":{"prompt":"0.000003","completion":"0.000004","request":"0.5"}}]}`,
		"full":       `{"chat":{"litellm_provider":"openrouter","mode":"chat","input_cost_per_token":1e-6,"output_cost_per_token":2e-6,"cache_read_input_token_cost":1e-7}}`,
	}
	for _, step := range []struct{ file, want string }{
		{"litellm", "$1 $2 $9 $9 $9×2 litellm and contract"},
		{"litellm", "$1 $2 $9 $9 $9×2 litellm and contract"},
		{"openrouter", "$3 $4 $9 $0.5 $9×2 openrouter and litellm and contract"},
		{"litellm", "$1 $2 $9 $0.5 $9×2 litellm and openrouter and contract"},
		{"full", "$1 $2 $0.1 $0.5 $9×2 litellm and openrouter and contract"},
	} {
		for again := range 2 {
			format := step.file
			if format == "full" {
				format = "litellm"
			}
			rep, err := r.Import(t.Context(), format, "f", []byte(files[step.file]), registry.ImportOptions{})
			if err != nil || len(rep.Errors) > 0 || again == 1 && !rep.Empty() {
				t.Fatalf("%s, run %d: %+v, %v", step.file, again+1, rep, err)
			}
			m, _ := r.Snapshot().Model("openrouter/chat")
			p := m.Pricing
			if p.CachedRead == nil || p.Request == nil || p.Hourly == nil {
				t.Fatalf("after %s: a price is gone: %+v", step.file, p)
			}
			if got := fmt.Sprintf("%s %s %s %s %s×%d %s", p.Input, p.Output, p.CachedRead, p.Request, p.Hourly, p.Devices, p.Source); got != step.want {
				t.Errorf("after %s: %s: want %s", step.file, got, step.want)
			}
		}
	}
}

// TestDiffReplays: applying the reported changes to the old record gives the
// new one. Records are drawn at random.
func TestDiffReplays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := registry.New(registry.Config{Clock: clock, Catalogue: noCatalogue})
		if err := r.Load(context.Background()); err != nil {
			t.Fatal(err)
		}
		draw := func(label string) model.Model {
			return record("acme/x", func(m *model.Model) {
				if rapid.Bool().Draw(t, label+" tags") {
					m.Tags = rapid.SliceOfDistinct(rapid.StringMatching(`[a-z]{1,5}`), rapid.ID).Draw(t, label+" tag list")
				}
				if rapid.Bool().Draw(t, label+" quality") {
					m.Quality = map[string]model.Figure{"mmlu": {Value: rapid.Float64Range(0, 100).Draw(t, label+" mmlu"), Source: "s"}}
				}
				if rapid.Bool().Draw(t, label+" price") {
					m.Pricing = &model.Pricing{Input: ptr(model.Money(rapid.Int64Range(0, 1e12).Draw(t, label+" input")))}
				}
				m.License = rapid.SampledFrom([]string{"", "mit", "apache-2.0"}).Draw(t, label+" licence")
			})
		}
		for i := range 3 {
			if _, err := r.Apply(context.Background(), registry.Change{Models: []model.Model{draw(fmt.Sprint(i))}}); err != nil {
				t.Fatal(err)
			}
		}
		history, err := r.History(context.Background(), "acme/x")
		if err != nil {
			t.Fatal(err)
		}
		doc := map[string]any{}
		for _, v := range history {
			for _, f := range v.Diff {
				put(doc, f.Path, f.New)
			}
			got, _ := json.Marshal(doc)
			var want any
			if err := json.Unmarshal(v.Doc, &want); err != nil {
				t.Fatal(err)
			}
			if canonical, _ := json.Marshal(want); !bytes.Equal(got, canonical) {
				t.Fatalf("version %d: replayed %s: want %s", v.Number, got, canonical)
			}
		}
	})
}

// put sets the value at a path, or removes it.
func put(doc map[string]any, path string, raw json.RawMessage) {
	for {
		name, rest, more := bytes.Cut([]byte(path), []byte("."))
		if !more {
			break
		}
		sub, _ := doc[string(name)].(map[string]any)
		if sub == nil {
			sub = map[string]any{}
			doc[string(name)] = sub
		}
		doc, path = sub, string(rest)
	}
	if raw == nil {
		delete(doc, path)
		return
	}
	var v any
	_ = json.Unmarshal(raw, &v)
	doc[path] = v
}

// BenchmarkImport imports a thousand new records of LiteLLM's map.
func BenchmarkImport(b *testing.B) {
	entries := map[string]any{}
	for i := range 1000 {
		entries[fmt.Sprintf("acme/model-%d", i)] = map[string]any{
			"litellm_provider": "acme", "mode": "chat", "max_input_tokens": 128000, "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6,
		}
	}
	data, err := json.Marshal(entries)
	if err != nil {
		b.Fatal(err)
	}
	r := loaded(b)
	b.ResetTimer()
	for b.Loop() {
		if rep, err := r.Import(context.Background(), "litellm", "f", data, registry.ImportOptions{DryRun: true}); err != nil || len(rep.Added) != 1000 {
			b.Fatal(err, len(rep.Added))
		}
	}
}

func ExampleRegistry_Import() {
	ctx := context.Background()
	r := registry.New(registry.Config{})
	if err := r.Load(ctx); err != nil {
		fmt.Println(err)
		return
	}
	rep, err := r.Import(ctx, "auto", "prices.json", []byte(`{
		"acme-chat": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
		"acme-mood": {"litellm_provider": "acme", "mode": "telepathy"}
	}`), registry.ImportOptions{Actor: "ann"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rep.Format, rep.Added, rep.Skipped)
	// Output: litellm [acme/acme-chat] [{acme-mood mode telepathy has no task type}]
}
