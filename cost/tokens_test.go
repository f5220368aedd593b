package cost

import (
	"testing"

	"github.com/cartrita/cartrita/model"
)

func TestEncodingOf(t *testing.T) {
	for name, want := range map[string]encoding{
		"gpt-4o":                         encodingO200k,
		"openai/gpt-4o-2024-08-06":       encodingO200k,
		"gpt-5.1-codex":                  encodingO200k,
		"openrouter/openai/gpt-oss-120b": encodingO200k,
		"o3-mini":                        encodingO200k,
		"o1":                             encodingO200k,
		"GPT-4.1-mini":                   encodingO200k,
		"ft:gpt-4o-mini:acme::x":         encodingO200k,
		"gpt-4":                          encodingCL100k,
		"gpt-4-turbo":                    encodingCL100k,
		"gpt-3.5-turbo-0125":             encodingCL100k,
		"text-embedding-3-large":         encodingCL100k,
		"claude-sonnet-4-5":              encodingNone,
		"o1x":                            encodingNone,
		"gpt-4all":                       encodingNone,
		"qwen/qwen3":                     encodingNone,
		"":                               encodingNone,
	} {
		if got := encodingOf(name); got != want {
			t.Errorf("encodingOf(%q) = %d, want %d", name, got, want)
		}
	}
}

func TestCountTokens(t *testing.T) {
	if !exactCounts {
		t.Skip("no tokenizers under the race detector")
	}
	e := newEstimator(t, Config{})
	for _, tt := range []struct {
		model model.ModelID
		text  string
		want  int64
		exact bool
	}{
		{"openai/gpt-4o", "hello world", 2, true},
		{"openai/gpt-4o", "", 0, true},
		{"openai/gpt-4", "hello world", 2, true},
		{"openai/gpt-4o", "Die Katze saß auf der Matte.", 8, true},
		{"anthropic/claude-sonnet-4-5", "twelve bytes", 3, false},
		{"anthropic/claude-sonnet-4-5", "", 0, false},
		{"anthropic/claude-sonnet-4-5", "x", 1, false},
	} {
		n, exact := e.CountTokens(e.Profile(served(tt.model, nil)), tt.text)
		if n != tt.want || exact != tt.exact {
			t.Errorf("CountTokens(%s, %q) = %d, %v; want %d, %v", tt.model, tt.text, n, exact, tt.want, tt.exact)
		}
	}
}

func TestNeedsExact(t *testing.T) {
	e := newEstimator(t, Config{})
	known := e.Profile(served("openai/gpt-4o", nil))
	other := e.Profile(served("lab/other", nil))
	q := Request{PromptBytes: 400_000} // about 100,000 tokens, at least 66,000 and at most 152,000 or so
	for _, tt := range []struct {
		name  string
		p     *Profile
		q     Request
		limit int64
		want  bool
	}{
		{"limit inside the interval", known, q, 128_000, true},
		{"fits surely", known, q, 1_000_000, false},
		{"surely too long", known, q, 32_000, false},
		{"no tokenizer for the model", other, q, 128_000, false},
		{"already counted", known, Request{PromptBytes: 400_000, InputTokens: model.Known(127_000)}, 128_000, false},
		{"nothing to count", known, Request{}, 500, false},
	} {
		if got := e.NeedsExact(tt.p, tt.q, tt.limit); got != tt.want {
			t.Errorf("%s: NeedsExact = %v, want %v", tt.name, got, tt.want)
		}
	}
}
