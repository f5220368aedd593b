package mock

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Defaults of Profile.
const (
	DefaultAnswerTokens  = 120
	DefaultBytesPerToken = 4.0
	DefaultDimensions    = 256
	DefaultErrorStatus   = 500
	DefaultRetryAfter    = time.Second
	DefaultHangLimit     = 10 * time.Minute
	DefaultToolCalls     = 1
)

// Profile says how one model behaves. Only Name is required: by default a
// model answers at once, without failing.
type Profile struct {
	Name  string `yaml:"name"`
	Owner string `yaml:"owned_by"` // default "cartrita-demo"

	// Speed.
	TTFT            time.Duration `yaml:"ttft"`              // until the first token; default 0
	TokensPerSecond float64       `yaml:"tokens_per_second"` // after it; default 0, no limit
	Jitter          float64       `yaml:"jitter"`            // of both, as a share of them, [0,1]; default 0
	MaxConcurrency  int           `yaml:"max_concurrency"`   // answers 429 beyond; default 0, no limit

	// Answers.
	AnswerTokens    int     `yaml:"answer_tokens"`     // typical length in tokens; default 120
	AnswerSpread    float64 `yaml:"answer_spread"`     // standard deviation of the length's logarithm; default 0, always the same
	ReasoningTokens int     `yaml:"reasoning_tokens"`  // before the answer; default 0, the model does not reason
	HideReasoning   bool    `yaml:"hide_reasoning"`    // reasoning is counted but not shown
	ToolCalls       int     `yaml:"tool_calls"`        // made at once where tools are offered; default 1
	BytesPerToken   float64 `yaml:"bytes_per_token"`   // of prompts; default 4
	ContextLength   int64   `yaml:"context_length"`    // tokens, prompt and answer; default 0, no limit
	MaxOutputTokens int64   `yaml:"max_output_tokens"` // default 0, no limit
	Dimensions      int     `yaml:"dimensions"`        // of embeddings; default 256
	PromptCache     bool    `yaml:"prompt_cache"`      // prompts whose beginning was seen before are reported as cached
	NoUsage         bool    `yaml:"no_usage"`          // usage is never reported
	// Unsupported lists what is refused with 400: tools, json_schema, vision, streaming, chat, completions, embeddings.
	Unsupported []string `yaml:"unsupported"`
	// RefuseWords lists words that a prompt may not hold; it is refused as against the content policy.
	RefuseWords []string `yaml:"refuse_words"`

	// Failures, as shares of requests in [0,1]; their sum is at most 1.
	ErrorRate       float64       `yaml:"error_rate"`
	ErrorStatus     int           `yaml:"error_status"`      // 400 to 599; default 500
	RateLimitRate   float64       `yaml:"rate_limit_rate"`   //
	RetryAfter      time.Duration `yaml:"retry_after"`       // told with 429, and with 503 errors; default 1s
	HangRate        float64       `yaml:"hang_rate"`         // says nothing
	HangLimit       time.Duration `yaml:"hang_limit"`        // until it gives up; default 10m
	CutRate         float64       `yaml:"cut_rate"`          // closes the connection in the middle
	StallRate       float64       `yaml:"stall_rate"`        // stops in the middle
	StreamErrorRate float64       `yaml:"stream_error_rate"` // an error event in the middle
	// BreakAfter is the number of tokens sent before a cut, stall or stream
	// error; 0 draws it at random.
	BreakAfter int `yaml:"break_after_tokens"`

	// Facts describe the model to a registry; see Record.
	Facts Facts `yaml:"facts"`
}

// Facts are what a registry should know of a mock model. They have no effect
// on how it behaves.
type Facts struct {
	Name              string             `yaml:"name"` // for people
	Family            string             `yaml:"family"`
	ParametersBillion float64            `yaml:"parameters_billion"` // 0 unknown
	Architecture      model.Architecture `yaml:"architectural_type"`
	License           string             `yaml:"license"`
	CommercialAllowed *bool              `yaml:"commercial_allowed"`
	Risk              model.Risk         `yaml:"safety_risk_level"`
	RiskNotes         string             `yaml:"risk_notes"`
	Quality           map[string]float64 `yaml:"quality_metrics"` // by metric name
	Pricing           *model.Pricing     `yaml:"cost_profile"`
	Tasks             []model.Task       `yaml:"task_types"` // default chat and what goes with it
	Features          []model.Feature    `yaml:"features"`
	Tags              []string           `yaml:"routing_tags"`
	Fallbacks         []string           `yaml:"fallback_chain"`
}

// abilities are what Unsupported may list.
var abilities = []string{"tools", "json_schema", "vision", "streaming", "chat", "completions", "embeddings"}

// withDefaults fills in what is not set.
func (p Profile) withDefaults() Profile {
	setDefault(&p.Owner, "cartrita-demo")
	setDefault(&p.AnswerTokens, DefaultAnswerTokens)
	setDefault(&p.ToolCalls, DefaultToolCalls)
	setDefault(&p.BytesPerToken, DefaultBytesPerToken)
	setDefault(&p.Dimensions, DefaultDimensions)
	setDefault(&p.ErrorStatus, DefaultErrorStatus)
	setDefault(&p.RetryAfter, DefaultRetryAfter)
	setDefault(&p.HangLimit, DefaultHangLimit)
	return p
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// validate checks a profile with its defaults filled in.
func (p *Profile) validate() error {
	bad := func(field, format string, args ...any) error {
		return model.Invalidf("mock.Profile", field, format, args...)
	}
	if p.Name == "" || strings.ContainsFunc(p.Name, func(r rune) bool { return r <= ' ' }) {
		return bad("name", "is %q: want a name without spaces", p.Name)
	}
	for _, r := range p.rates() {
		if !(r.value >= 0 && r.value <= 1) {
			return bad(r.field, "is %v: want a share from 0 to 1", r.value)
		}
	}
	sum := p.ErrorRate + p.RateLimitRate + p.HangRate + p.CutRate + p.StallRate + p.StreamErrorRate
	if sum > 1+1e-9 {
		return bad("error_rate", "and the other rates sum to %.3g: want at most 1", sum)
	}
	for _, n := range []struct {
		field string
		value float64
	}{
		{"ttft", float64(p.TTFT)}, {"tokens_per_second", p.TokensPerSecond},
		{"max_concurrency", float64(p.MaxConcurrency)}, {"answer_tokens", float64(p.AnswerTokens)},
		{"answer_spread", p.AnswerSpread}, {"reasoning_tokens", float64(p.ReasoningTokens)},
		{"tool_calls", float64(p.ToolCalls)}, {"bytes_per_token", p.BytesPerToken},
		{"context_length", float64(p.ContextLength)}, {"max_output_tokens", float64(p.MaxOutputTokens)},
		{"dimensions", float64(p.Dimensions)}, {"retry_after", float64(p.RetryAfter)},
		{"hang_limit", float64(p.HangLimit)}, {"break_after_tokens", float64(p.BreakAfter)},
	} {
		if !(n.value >= 0) || math.IsInf(n.value, 0) {
			return bad(n.field, "is negative or no number: want 0 or more")
		}
	}
	if p.AnswerTokens > maxAnswerTokens || p.ReasoningTokens > maxAnswerTokens {
		return bad("answer_tokens", "and reasoning_tokens: want at most %d", maxAnswerTokens)
	}
	if p.Dimensions > maxDimensions {
		return bad("dimensions", "is %d: want at most %d", p.Dimensions, maxDimensions)
	}
	if p.ErrorStatus < 400 || p.ErrorStatus > 599 {
		return bad("error_status", "is %d: want 400 to 599", p.ErrorStatus)
	}
	for i, a := range p.Unsupported {
		if !slices.Contains(abilities, a) {
			return bad(fmt.Sprintf("unsupported[%d]", i), "is %q: want one of %s", a, strings.Join(abilities, ", "))
		}
	}
	return nil
}

type namedRate struct {
	field string
	value float64
}

func (p *Profile) rates() []namedRate {
	return []namedRate{
		{"jitter", p.Jitter}, {"error_rate", p.ErrorRate}, {"rate_limit_rate", p.RateLimitRate},
		{"hang_rate", p.HangRate}, {"cut_rate", p.CutRate}, {"stall_rate", p.StallRate},
		{"stream_error_rate", p.StreamErrorRate},
	}
}

// supports reports whether the model has an ability.
func (p *Profile) supports(ability string) bool { return !slices.Contains(p.Unsupported, ability) }
