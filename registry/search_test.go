package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

func search(t *testing.T, r *registry.Registry, q registry.Query) registry.Result {
	t.Helper()
	res, err := r.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	return res
}

func TestSearchFilters(t *testing.T) {
	r := loaded(t)
	for _, c := range []struct {
		filters []string
		holds   func(m *model.Model) bool
	}{
		{[]string{"context_length>=1000000"}, func(m *model.Model) bool { return *m.ContextLength >= 1_000_000 }},
		{[]string{"task_types=embeddings"}, func(m *model.Model) bool { return slices.Contains(m.Tasks, model.TaskEmbeddings) }},
		{[]string{"license = apache-2.0", "parameters_billion<=40"}, func(m *model.Model) bool { return m.License == "apache-2.0" && *m.ParametersBillion <= 40 }},
		{[]string{"provider=openai,anthropic"}, func(m *model.Model) bool { return m.Provider == "openai" || m.Provider == "anthropic" }},
		{[]string{"provider!=openrouter"}, func(m *model.Model) bool { return m.Provider != "openrouter" }},
		{[]string{"license="}, func(m *model.Model) bool { return m.License == "" }},
		{[]string{"license!="}, func(m *model.Model) bool { return m.License != "" }},
		{[]string{"safety_risk_level<=medium"}, func(m *model.Model) bool { return m.Risk != model.RiskUnknown && m.Risk <= model.RiskMedium }},
		{[]string{"quality_metrics.mmlu>85"}, func(m *model.Model) bool { return m.Quality["mmlu"].Value > 85 }},
		{[]string{"cost_profile.input_usd_per_million<0.1"}, func(m *model.Model) bool { return m.Pricing.Input.USD() < 0.1 }},
		{[]string{"model_id~sonnet", "features=reasoning"}, func(m *model.Model) bool { return strings.Contains(string(m.ID), "sonnet") }},
		{[]string{"commercial_allowed=true", "architectural_type=mixture-of-experts"}, func(m *model.Model) bool { return *m.CommercialAllowed }},
		{[]string{"quality>0.93"}, func(m *model.Model) bool { q, _ := registry.Composite(m.Quality); return q > 0.93 }},
		{[]string{"served=false"}, func(m *model.Model) bool { return true }},
	} {
		res := search(t, r, registry.Query{Filters: c.filters, Limit: -1})
		if res.Total == 0 || res.Total != len(res.Hits) || res.Method != registry.MethodFilter {
			t.Errorf("%v: %d of %d hits by %s", c.filters, len(res.Hits), res.Total, res.Method)
		}
		for _, h := range res.Hits {
			if !c.holds(h.Model) {
				t.Errorf("%v: %s does not hold", c.filters, h.Model.ID)
				break
			}
		}
		want := 0
		for _, m := range r.Snapshot().Models {
			if func() (ok bool) { defer func() { _ = recover() }(); return c.holds(m) }() && len(c.filters) == 1 {
				want++
			}
		}
		if len(c.filters) == 1 && want != res.Total {
			t.Errorf("%v: %d hits: want %d", c.filters, res.Total, want)
		}
	}
}

func TestParseFilterErrors(t *testing.T) {
	for text, want := range map[string]string{
		"": "is not a filter", "context_length": "is not a filter", "contxt_length>1": `did you mean "context_length"`,
		"context_length>many": "is a number", "license>mit": "has no order", "safety_risk_level<tiny": "want low, medium, high or critical",
		"last_benchmark>soon": "is a time", "context_length>=": "needs a value", "quality_metrics.>1": "unknown field", "a!b": "has no operator",
	} {
		if _, err := registry.ParseFilter(text); model.KindOf(err) != model.KindInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v: want %q", text, err, want)
		}
	}
	_, err := loaded(t).Search(t.Context(), registry.Query{Filters: []string{"license=mit", "x=1"}})
	if e := model.AsError(err); e == nil || e.Param != "filter[1]" {
		t.Errorf("Search with a bad filter: %v: want Param filter[1]", err)
	}
}

func TestSearchText(t *testing.T) {
	r := loaded(t)
	res := search(t, r, registry.Query{Text: "gpt-oss 20b", Limit: 5})
	if res.Method != registry.MethodText || len(res.Hits) != 5 {
		t.Fatalf("%+v", res)
	}
	for _, h := range res.Hits {
		if h.Model.Canonical != "gpt-oss-20b" {
			t.Errorf("%s is among the best five for \"gpt-oss 20b\"", h.Model.ID)
		}
	}
	if res := search(t, r, registry.Query{Text: "zebra-9000"}); res.Total != 0 {
		t.Errorf("nonsense finds %d records", res.Total)
	}
	if res := search(t, r, registry.Query{Text: "claude", Filters: []string{"provider=bedrock"}}); res.Total == 0 || res.Hits[0].Model.Provider != "bedrock" {
		t.Errorf("text and filter together: %+v", res)
	}
}

// TestSearchSimilar asks for models in words and checks that the best hits are
// what was asked for.
func TestSearchSimilar(t *testing.T) {
	r := loaded(t)
	for wish, holds := range map[string]func(m *model.Model) bool{
		"a small cheap model for French summaries": func(m *model.Model) bool {
			return m.Family == "mistral" && m.Pricing != nil && m.Pricing.Input.USD() <= 0.5
		},
		"embeddings for retrieval":         func(m *model.Model) bool { return slices.Contains(m.Tasks, model.TaskEmbeddings) },
		"a guardrail to moderate requests": func(m *model.Model) bool { return slices.Contains(m.Tasks, model.TaskSafetyModeration) },
		"strong coding agent":              func(m *model.Model) bool { return slices.Contains(m.Features, model.FeatureTools) },
		"large open weights for reasoning": func(m *model.Model) bool {
			return m.License != "proprietary" && slices.Contains(m.Features, model.FeatureReasoning)
		},
		"free vision model for photos": func(m *model.Model) bool {
			return slices.Contains(m.Features, model.FeatureVision) && *m.Pricing.Input == 0
		},
	} {
		res := search(t, r, registry.Query{Similar: wish, Limit: 3})
		if res.Method != registry.MethodFeatures {
			t.Errorf("%q: ranked by %s", wish, res.Method)
		}
		for _, h := range res.Hits {
			if !holds(h.Model) {
				t.Errorf("%q finds %s (score %.3f)", wish, h.Model.ID, h.Score)
			}
		}
	}
}

// bagOfLetters embeds a text as the counts of its letters; it fails on demand.
type bagOfLetters struct {
	calls int
	fail  error
}

func (b *bagOfLetters) Name() string { return "letters" }

func (b *bagOfLetters) Embed(_ context.Context, texts []string) ([][]float32, error) {
	b.calls++
	if b.fail != nil {
		return nil, b.fail
	}
	out := make([][]float32, len(texts))
	for i, t := range texts {
		out[i] = make([]float32, 26)
		for _, c := range strings.ToLower(t) {
			if c >= 'a' && c <= 'z' {
				out[i][c-'a']++
			}
		}
	}
	return out, nil
}

func TestSearchByEmbeddings(t *testing.T) {
	e := &bagOfLetters{}
	r := registry.New(registry.Config{Catalogue: noCatalogue})
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e.calls != 0 {
		t.Error("the embedder is called at start-up")
	}
	if _, err := r.Apply(t.Context(), registry.Change{Models: []model.Model{
		record("a/zzz", func(m *model.Model) { m.Name = "zzzzzzzz zzzzzzzz zzzzzzzz zzzzzzzz zzzzzzzz zzzzzzzz" }), record("a/plain"),
	}}); err != nil {
		t.Fatal(err)
	}
	res := search(t, r, registry.Query{Similar: "zzz", Embedder: e})
	if res.Method != registry.MethodEmbeddings || res.Hits[0].Model.ID != "a/zzz" {
		t.Errorf("%+v", res)
	}
	calls := e.calls
	search(t, r, registry.Query{Similar: "zzz", Embedder: e})
	if e.calls != calls+1 {
		t.Errorf("a second search calls the embedder %d times: want once, for the wish", e.calls-calls)
	}
	if _, err := r.Retire(t.Context(), "a/zzz", "ann"); err != nil {
		t.Fatal(err)
	}
	if res := search(t, r, registry.Query{Similar: "zzz", Embedder: e}); res.Total != 1 || res.Hits[0].Model.ID != "a/plain" {
		t.Errorf("a retired model is suggested: %+v", res)
	}
	e.fail = errors.New("no answer")
	if res := search(t, r, registry.Query{Similar: "zzz", Embedder: e}); res.Method != registry.MethodFeatures || !strings.HasSuffix(res.Note, ": internal_error") || res.Total != 1 {
		t.Errorf("with a failing embedder: %+v: want features and a note", res)
	}
}

// TestSearchIsStable: any query gives the same result twice, its hits are
// ordered, within [0,1], and no more than the limit.
func TestSearchIsStable(t *testing.T) {
	r := loaded(t)
	vocabulary := []string{"small", "cheap", "gpt", "claude", "vision", "french", "4.1", "xyzzy", "fast", "код"}
	rapid.Check(t, func(t *rapid.T) {
		words := func(label string) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(vocabulary), 0, 3).Draw(t, label), " ")
		}
		q := registry.Query{Text: words("text"), Similar: words("similar"), Limit: rapid.IntRange(1, 30).Draw(t, "limit")}
		a, err := r.Search(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := r.Search(context.Background(), q)
		if len(a.Hits) > q.Limit || len(a.Hits) > a.Total {
			t.Fatalf("%+v: %d hits of %d", q, len(a.Hits), a.Total)
		}
		for i, h := range a.Hits {
			if h.Model != b.Hits[i].Model || h.Score < 0 || h.Score > 1 || i > 0 && h.Score > a.Hits[i-1].Score {
				t.Fatalf("%+v: hit %d is %s with %v, then %s", q, i, h.Model.ID, h.Score, b.Hits[i].Model.ID)
			}
		}
	})
}

func FuzzParseFilter(f *testing.F) {
	r := loaded(f)
	f.Add("context_length>=128000")
	f.Add("quality_metrics.x ~ 1")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := registry.ParseFilter(text); err != nil {
			return
		}
		if _, err := r.Search(context.Background(), registry.Query{Filters: []string{text}, Limit: 1}); err != nil {
			t.Errorf("%q parses and does not search: %v", text, err)
		}
	})
}

func ExampleRegistry_Search() {
	ctx := context.Background()
	r := registry.New(registry.Config{})
	if err := r.Load(ctx); err != nil {
		fmt.Println(err)
		return
	}
	res, err := r.Search(ctx, registry.Query{Filters: []string{"provider=openai", "task_types=embeddings"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range res.Hits {
		fmt.Println(h.Model.ID)
	}
	// Output:
	// openai/text-embedding-3-large
	// openai/text-embedding-3-small
}
