package catalogue

import (
	"slices"
	"strings"
	"testing"

	"charm.land/catwalk/pkg/catwalk"
	"charm.land/catwalk/pkg/embedded"

	"github.com/cartrita/cartrita/model"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ provider, upstream, want string }{
		{"openai", "gpt-4o", "gpt-4o"},
		{"openrouter", "meta-llama/Llama-3.3-70B-Instruct", "llama-3.3-70b-instruct"},
		{"nebius", "meta-llama/Meta-Llama-3.1-8B-Instruct", "llama-3.1-8b-instruct"},
		{"fireworks", "accounts/fireworks/models/glm-5p2", "glm-5.2"},
		{"fireworks", "accounts/fireworks/models/kimi-k2p7-code", "kimi-k2.7-code"},
		{"synthetic", "hf:openai/gpt-oss-120b", "gpt-oss-120b"},
		{"synthetic", "syn:large:text", "syn:large:text"},
		{"huggingface", "openai/gpt-oss-120b:groq", "gpt-oss-120b"},
		{"openrouter", "z-ai/glm-5.2:free", "glm-5.2"},
		{"openrouter", "qwen/qwen-plus-2025-07-28:thinking", "qwen-plus-2025-07-28-thinking"},
		{"aihubmix", "glm-5.2-free", "glm-5.2"},
		{"chutes", "zai-org/GLM-5.2-TEE", "glm-5.2"},
		{"neuralwatt", "kimi-k2.7-code-fast", "kimi-k2.7-code"},
		{"neuralwatt", "glm-5.2-short-fast-flex", "glm-5.2-short"},
		{"vercel", "minimax/minimax-m2.5-highspeed", "minimax-m2.5"},
		{"xai", "grok-4-fast", "grok-4-fast"},
		{"huggingface", "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4:fireworks-ai", "nemotron-3-ultra-550b-a55b"},
		{"ionet", "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8", "llama-4-maverick-17b-128e-instruct"},
		{"bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"},
		{"bedrock-europe", "eu.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"},
		{"bedrock", "meta.llama3-1-8b-instruct-v1:0", "llama3-1-8b-instruct"},
		{"anthropic", "claude-opus-4-20250514", "claude-opus-4"},
		{"cortecs", "claude-4-5-sonnet", "claude-sonnet-4-5"},
		{"aihubmix", "claude-3-7-sonnet", "claude-3-7-sonnet"},
		{"openai", "gpt-4o-2024-08-06", "gpt-4o-2024-08-06"},
		{"venice", "openai-gpt-52-codex", "gpt-5.2-codex"},
		{"venice", "zai-org-glm-4.6", "glm-4.6"},
		{"venice", "e2ee-qwen3-6-27b", "qwen3-6-27b"},
	} {
		if got := Canonical(c.provider, c.upstream); got != c.want {
			t.Errorf("Canonical(%q, %q) = %q: want %q", c.provider, c.upstream, got, c.want)
		}
	}
}

func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"qwen2.5-72b-instruct", "qwen-2.5-72b-instruct", "Qwen2.5_72B Instruct"},
		{"claude-opus-4-5", "claude-opus-4.5", "claude-opus4-5"},
		{"kimi-k2.5", "kimi-k2-5"},
		{"GPT-4o mini", "gpt-4o-mini"},
	} {
		for _, s := range same[1:] {
			if Fold(s) != Fold(same[0]) {
				t.Errorf("%q and %q fold apart: %q, %q", s, same[0], Fold(s), Fold(same[0]))
			}
		}
	}
	for _, apart := range [][2]string{{"llama-3.1-8b", "llama-31-8b"}, {"gpt-5.2", "gpt-52"}, {"o3-mini", "o3-mini-high"}, {"glm-4.5", "glm-4.5v"}} {
		if Fold(apart[0]) == Fold(apart[1]) {
			t.Errorf("%q and %q fold alike", apart[0], apart[1])
		}
	}
}

// TestPricing holds the readings of catwalk's price fields against listings in
// each of the ways in which its sources fill them.
func TestPricing(t *testing.T) {
	type prices struct{ in, out, read, write string }
	for _, c := range []struct {
		name string
		m    catwalk.Model
		want *prices
	}{
		{"write then read", catwalk.Model{CostPer1MIn: 10, CostPer1MOut: 50, CostPer1MInCached: 12.5, CostPer1MOutCached: 1}, &prices{"$10", "$50", "$1", "$12.5"}},
		{"read then write", catwalk.Model{CostPer1MIn: 10, CostPer1MOut: 50, CostPer1MInCached: 1, CostPer1MOutCached: 12.5}, &prices{"$10", "$50", "$1", "$12.5"}},
		{"read in the first field", catwalk.Model{CostPer1MIn: 1.4, CostPer1MOut: 4.4, CostPer1MInCached: 0.26}, &prices{"$1.4", "$4.4", "$0.26", ""}},
		{"read in both fields", catwalk.Model{CostPer1MIn: 1, CostPer1MOut: 3, CostPer1MInCached: 0.2, CostPer1MOutCached: 0.2}, &prices{"$1", "$3", "$0.2", ""}},
		{"output price as filler", catwalk.Model{CostPer1MIn: 0.75, CostPer1MOut: 3.75, CostPer1MInCached: 0.075, CostPer1MOutCached: 3.75}, &prices{"$0.75", "$3.75", "$0.075", ""}},
		{"output price as filler, near the input's", catwalk.Model{CostPer1MIn: 1, CostPer1MOut: 1.5, CostPer1MInCached: 0.1, CostPer1MOutCached: 1.5}, &prices{"$1", "$1.5", "$0.1", ""}},
		{"no cache prices", catwalk.Model{CostPer1MIn: 2, CostPer1MOut: 8}, &prices{"$2", "$8", "", ""}},
		{"zero is unknown", catwalk.Model{ID: "kimi-for-coding"}, nil},
		{"zero is free where the name says so", catwalk.Model{ID: "openai/gpt-oss-20b:free"}, &prices{"$0", "$0", "", ""}},
	} {
		p := pricing(&c.m)
		if c.want == nil {
			if p != nil {
				t.Errorf("%s: got %v: want no price", c.name, p)
			}
			continue
		}
		got := prices{shown(p.Input), shown(p.Output), shown(p.CachedRead), shown(p.CacheWrite)}
		if got != *c.want {
			t.Errorf("%s: got %v: want %v", c.name, got, *c.want)
		}
	}
}

func shown(m *model.Money) string {
	if m == nil {
		return ""
	}
	return m.String()
}

func load(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoad(t *testing.T) {
	c := load(t)
	listed := 0
	for _, p := range embedded.GetAll() {
		listed += len(p.Models)
	}
	if want := listed + len(c.facts.Listings); len(c.Models) != want || want < 1500 {
		t.Errorf("the catalogue has %d records: want %d, more than 1500", len(c.Models), want)
	}
	if !slices.IsSortedFunc(c.Models, func(a, b *model.Model) int { return strings.Compare(string(a.ID), string(b.ID)) }) {
		t.Error("records are not sorted by id")
	}
	groups := map[string]int{}
	for _, m := range c.Models {
		groups[m.Canonical]++
		if string(m.ID) != m.Provider+"/"+m.Upstream {
			t.Errorf("%s: id is not provider/upstream", m.ID)
		}
		if p := m.Pricing; p != nil && p.CachedRead != nil && *p.CachedRead > *p.Input {
			t.Errorf("%s: reading from the cache costs more than fresh input", m.ID)
		}
	}
	for _, m := range c.Models {
		if m.Canonical == "gpt-oss-120b" && *m.ParametersBillion != 116.8 {
			t.Errorf("%s has %v billion parameters: want the published count, not the nominal one", m.ID, *m.ParametersBillion)
		}
		if m.Canonical == "qwen3-235b-a22b" && (*m.ParametersBillion != 235 || m.Architecture != model.ArchMoE) {
			t.Errorf("%s: %v billion, %s: want the nominal size and the experts", m.ID, *m.ParametersBillion, m.Architecture)
		}
	}
	if groups["gpt-oss-120b"] < 10 || groups["claude-sonnet-4-5"] < 8 {
		t.Errorf("listings of the same weights are apart: gpt-oss-120b %d, claude-sonnet-4-5 %d", groups["gpt-oss-120b"], groups["claude-sonnet-4-5"])
	}
}

// TestCacheReadIsBelowInput sweeps the real data: a cached read that costs more
// than input would mean that the two fields were told apart wrongly.
func TestCacheReadIsBelowInput(t *testing.T) {
	read, write := 0, 0
	for _, m := range load(t).Models {
		p := m.Pricing
		if p == nil {
			continue
		}
		if p.CachedRead != nil {
			read++
			if *p.CachedRead >= *p.Input {
				t.Errorf("%s: cached read %s, input %s", m.ID, p.CachedRead, p.Input)
			}
		}
		if p.CacheWrite != nil {
			write++
			if *p.CacheWrite < *p.Input {
				t.Errorf("%s: cache write %s, input %s", m.ID, p.CacheWrite, p.Input)
			}
		}
	}
	if read < 700 || write < 100 {
		t.Errorf("%d cached reads and %d cache writes have a price: want at least 700 and 100", read, write)
	}
}

func TestFacts(t *testing.T) {
	c := load(t)
	listed := map[string]bool{}
	for _, m := range c.Models {
		listed[m.Canonical] = true
	}
	names := map[string]string{}
	unlisted := 0
	for _, w := range c.facts.Weights {
		for _, n := range append([]string{w.ID}, w.Aliases...) {
			if other, taken := names[Fold(n)]; taken {
				t.Errorf("weights.json: %q and %q fold alike", n, other)
			}
			names[Fold(n)] = n
		}
		if !listed[w.ID] {
			unlisted++
		}
		for name, f := range w.metrics {
			if f.Source == "" || f.At.IsZero() {
				t.Errorf("weights.json: %s: %s has no source or date", w.ID, name)
			}
		}
		if (w.Risk != model.RiskUnknown) != strings.Contains(w.RiskNotes, "https://") {
			t.Errorf("weights.json: %s: a risk level needs its source, and the other way round", w.ID)
		}
	}
	if unlisted > 15 {
		t.Errorf("weights.json: %d of %d entries match no listing: misspelt?", unlisted, len(c.facts.Weights))
	}
	for id := range c.facts.listed {
		if !slices.ContainsFunc(c.Models, func(m *model.Model) bool { return m.ID == id }) {
			t.Errorf("weights.json: listed_as %s: no such listing", id)
		}
	}
	for _, f := range c.facts.Families {
		if !strings.HasPrefix(f.Source, "https://") {
			t.Errorf("weights.json: family %s has no source", f.Family)
		}
	}
}

func TestFill(t *testing.T) {
	c := load(t)
	m := model.Model{Canonical: "llama-3.1-8b-instruct", License: "my-own"}
	c.Fill(&m)
	if m.License != "my-own" || m.CommercialAllowed != nil {
		t.Errorf("Fill replaced what the record says: licence %q", m.License)
	}
	if m.Family != "llama" || m.Architecture != model.ArchDecoder || m.Quality[model.MetricMMLU].Value != 73 || m.ContextLength == nil || m.Risk != model.RiskMedium {
		t.Errorf("Fill left out what is published: %+v", m)
	}
	var unknown model.Model
	unknown.Canonical = "my-secret-model"
	c.Fill(&unknown)
	if unknown.License != "" || unknown.Quality != nil || unknown.Risk != model.RiskUnknown {
		t.Errorf("Fill made something up: %+v", unknown)
	}
}

func TestRiskIsInferredWithinReviewedFamiliesOnly(t *testing.T) {
	c := load(t)
	for canonical, want := range map[string]model.Risk{
		"claude-3-5-haiku":         model.RiskLow,     // graded
		"claude-opus-4-5":          model.RiskMedium,  // its family is graded low, but it is not itself
		"gpt-4.1":                  model.RiskMedium,  // inferred
		"llama-3.3-70b-instruct":   model.RiskMedium,  // open, but reviewed
		"llama-3.3-70b-uncensored": model.RiskUnknown, // somebody else's work on open weights
		"grok-4":                   model.RiskUnknown, // nobody graded the family
	} {
		m := model.Model{Canonical: canonical}
		c.Fill(&m)
		if m.Risk != want || (want != model.RiskUnknown) != (m.RiskNotes != "") {
			t.Errorf("%s: risk %q (%s), want %q", canonical, m.Risk, m.RiskNotes, want)
		}
	}
}

func TestSizeOf(t *testing.T) {
	for _, c := range []struct {
		name string
		size float64
		moe  bool
	}{
		{"llama-3.3-70b-instruct", 70, false},
		{"qwen3-235b-a22b-instruct-2507", 235, true},
		{"qwen3.8-2.4t-a95b", 2400, true},
		{"lfm-2.5-2.6b", 2.6, false},
		{"gpt-4o", 0, false},
		{"mixtral-8x7b-instruct", 0, false},
		{"mistral-large-2512", 0, false},
		{"nemotron-3-nano-30b-a3b", 30, true},
		{"model-a3b", 0, false},
		{"x--a", 0, false},
		{"", 0, false},
	} {
		if size, moe := sizeOf(c.name); size != c.size || moe != c.moe {
			t.Errorf("sizeOf(%q) = %v, %v: want %v, %v", c.name, size, moe, c.size, c.moe)
		}
	}
}

func TestDiscover(t *testing.T) {
	c := load(t)
	if eps := c.Discover(func(string) string { return "" }); len(eps) != 0 {
		t.Fatalf("without keys %d endpoints appear", len(eps))
	}
	keys := map[string]string{"OPENAI_API_KEY": "sk-secret", "ANTHROPIC_API_KEY": "x", "GEMINI_API_KEY": "x", "HF_TOKEN": "x", "MINIMAX_API_KEY": "x"}
	eps := c.Discover(func(name string) string { return keys[name] })
	of := map[string]model.Endpoint{}
	for _, e := range eps {
		of[e.Provider] = e
		if e.Credential == "" || !e.Ready || strings.Contains(e.Credential, "secret") || strings.HasSuffix(e.BaseURL, "/") || strings.Contains(e.BaseURL, "$") {
			t.Errorf("%+v: want a reference, an address and readiness", e)
		}
	}
	if _, twice := of["minimax-china"]; twice || len(of) != 5 {
		t.Errorf("endpoints of %v: want each key used for one provider", slices.Sorted(func(yield func(string) bool) {
			for p := range of {
				if !yield(p) {
					return
				}
			}
		}))
	}
	for provider, kind := range map[string]model.ProviderKind{
		"openai": model.ProviderOpenAI, "anthropic": model.ProviderAnthropic, "gemini": model.ProviderOpenAI,
		"huggingface": model.ProviderHuggingFace, "minimax": model.ProviderAnthropic,
	} {
		if of[provider].Kind != kind {
			t.Errorf("%s speaks %q: want %q", provider, of[provider].Kind, kind)
		}
	}
	if got := of["gemini"].BaseURL; got != "https://generativelanguage.googleapis.com/v1beta/openai" {
		t.Errorf("gemini is at %q", got)
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(); err != nil {
			b.Fatal(err)
		}
	}
}
