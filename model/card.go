package model

import (
	"encoding/json"
	"time"
)

// Figure is a measured or published number with its origin. Figures are
// optional everywhere: a nil figure is unknown, never a default.
type Figure struct {
	Value       float64   `json:"value"`
	Source      string    `json:"source,omitempty"`      // who says so: a URL, "benchmark", "user"
	At          time.Time `json:"at,omitzero"`           // when it was measured or published
	Uncertainty *float64  `json:"uncertainty,omitempty"` // half-width of the 95 % interval, in the unit of Value
}

// The names of the quality metrics of the mission; others are custom. Units:
// mmlu, truthfulqa and hellaswag are accuracies in percent, mt_bench is 1–10,
// arena_elo is an Elo rating, composite is in [0,1].
const (
	MetricMMLU       = "mmlu"
	MetricMTBench    = "mt_bench"
	MetricTruthfulQA = "truthfulqa"
	MetricHellaSwag  = "hellaswag"
	MetricArenaElo   = "arena_elo"
	MetricComposite  = "composite"
)

// Model is one record of the registry: a set of weights as one provider
// lists it. Records of the same weights at different providers share Canonical.
type Model struct {
	ID        ModelID  `json:"model_id"`
	Canonical string   `json:"canonical_id,omitempty"` // same weights at any provider: "gpt-4o"; defaults to ID
	Name      string   `json:"name,omitempty"`
	Aliases   []string `json:"aliases,omitempty"`
	Provider  string   `json:"provider"`           // who offers it: "openai", "openrouter", "self-hosted"
	Upstream  string   `json:"upstream,omitempty"` // its name at the provider; defaults to the part of ID after the provider

	Tasks             []Task       `json:"task_types"`
	Family            string       `json:"family,omitempty"`
	ParametersBillion *float64     `json:"parameters_billion,omitempty"`
	Architecture      Architecture `json:"architectural_type,omitzero"`
	License           string       `json:"license,omitempty"` // SPDX id where there is one
	CommercialAllowed *bool        `json:"commercial_allowed,omitempty"`

	ContextLength    *int64    `json:"context_length,omitempty"`    // tokens, prompt and answer together
	MaxOutputTokens  *int64    `json:"max_output_tokens,omitempty"` // tokens
	InputModalities  []string  `json:"input_modalities,omitempty"`  // text, image, audio, video, file
	OutputModalities []string  `json:"output_modalities,omitempty"` // text, image, audio, video, embedding
	Features         []Feature `json:"features,omitempty"`          // what it can do; see MissingFeatures
	MissingFeatures  []Feature `json:"missing_features,omitempty"`  // what it is known not to do; neither list = unknown
	Quantizations    []string  `json:"quantizations,omitempty"`

	Throughput map[string]Figure `json:"throughput_tokens_per_second,omitempty"` // by hardware profile: "1xH100"
	LatencyMS  *Figure           `json:"average_latency_ms,omitempty"`           // to the first token
	Quality    map[string]Figure `json:"quality_metrics,omitempty"`              // by metric name, in the metric's own unit

	Risk               Risk            `json:"safety_risk_level,omitzero"`
	DefaultTemperature *float64        `json:"default_temperature,omitempty"`
	Pricing            *Pricing        `json:"cost_profile,omitempty"`
	Tags               []string        `json:"routing_tags,omitempty"`
	Fallbacks          []string        `json:"fallback_chain,omitempty"` // ids, canonical ids or aliases, in order
	Status             Status          `json:"status"`
	LastBenchmark      time.Time       `json:"last_benchmark,omitzero"`
	RiskNotes          string          `json:"risk_notes,omitempty"`
	Metadata           json.RawMessage `json:"metadata,omitempty"` // any JSON object of the user's
	Source             string          `json:"source,omitempty"`   // where the record came from: "catwalk", "litellm", "user"
}

// ProviderKind is a dialect that an upstream speaks.
type ProviderKind string

// The kinds.
const (
	ProviderOpenAI      ProviderKind = "openai"
	ProviderAnthropic   ProviderKind = "anthropic"
	ProviderHuggingFace ProviderKind = "huggingface"
)

// Endpoint is one place where a model can be called. Routing chooses endpoints.
type Endpoint struct {
	ID         EndpointID   `json:"endpoint_id"`
	Provider   string       `json:"provider"` // name of the configured provider
	Kind       ProviderKind `json:"kind"`
	BaseURL    string       `json:"base_url"`             // from configuration only, without trailing slash
	Credential string       `json:"credential,omitempty"` // a reference, "env:NAME" or "file:/path"; never the secret
	Ready      bool         `json:"credentials_present"`  // the reference resolves, or none is needed
	Model      ModelID      `json:"model_id"`
	Upstream   string       `json:"upstream"`               // the model's name there
	Hardware   string       `json:"hardware,omitempty"`     // profile: "1xH100"
	Pricing    *Pricing     `json:"cost_profile,omitempty"` // overrides the model's
	Tags       []string     `json:"routing_tags,omitempty"` // added to the model's
	// MaxConcurrency is the number of calls the endpoint takes at once; 0 unknown.
	MaxConcurrency int `json:"max_concurrency,omitempty"`
}

// Served is an endpoint joined with its model, with what routing needs worked
// out once per snapshot. Immutable.
type Served struct {
	*Endpoint
	Model *Model

	Tasks      TaskSet
	Features   FeatureSet // known abilities
	Lacks      FeatureSet // known inabilities; in neither set = unknown
	Context    int64      // tokens; 0 unknown
	MaxOutput  int64      // tokens; 0 unknown
	Quality    float64    // composite in [0,1]; meaningful if QualityKnown
	Commercial bool       // meaningful if CommercialKnown
	Tags       []string   // sorted, model's and endpoint's
	Pricing    *Pricing   // effective; nil unknown

	QualityKnown    bool
	CommercialKnown bool
}
