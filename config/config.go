package config

import (
	"github.com/cartrita/cartrita/model"
)

// Config is everything that can be set. The comments of its fields are the
// descriptions in the published JSON Schema; the default stands in brackets.
type Config struct {
	// Address to listen on, host:port. Port 0 takes a free port. Without api_keys or keys.required it must be a loopback address. [127.0.0.1:8080]
	Listen string `json:"listen"`
	// Directory of the embedded store, the event spool, learned.json (what estimates learned) and server.json. [./data]
	Data string `json:"data"`
	// Where records are kept: "sqlite" (in the data directory), "memory" (lost on exit), or a PostgreSQL database that several gateways may share, postgres://user:password@host:5432/database, itself or where the URL is: env:NAME or file:/path. [sqlite]
	Store string `json:"store"`
	// Redis server by which several gateways share what is true for a moment, redis://user:password@host:6379/0 or rediss://…, itself or where the URL is: env:NAME or file:/path. docs/REDIS.md lists its parameters. Empty: none is used.
	Redis string `json:"redis,omitempty"`

	// Host names that callers may use besides loopback ones while there are no api_keys, such as gateway.local behind a local proxy.
	AllowedHosts []string `json:"allowed_hosts,omitempty"`
	// Keys that callers must present as a bearer token. None: only loopback callers, without a key.
	APIKeys []APIKey `json:"api_keys,omitempty"`
	// Virtual keys, made with `cartrita keys create`.
	Keys Keys `json:"keys"`
	// Model servers and what they serve.
	Providers []Provider `json:"providers,omitempty"`
	// Model records of your own, added to the built-in catalogue or replacing its record of the same model_id.
	Models []model.Model `json:"models,omitempty"`

	// What calls may spend. Budgets made over the API stand beside these.
	Budgets []Budget `json:"budgets,omitempty"`
	// How budgets take a call to an endpoint without a known price: refuse, assume-max (the dearest known) or free. [assume-max]
	UnknownPrice string `json:"unknown_price"`
	// How gateways that have a PostgreSQL store in common share the budgets.
	BudgetSharing BudgetSharing `json:"budget_sharing"`

	// How much calls may take within a short time, and how many may run at once. Those that a key has itself stand beside these.
	RateLimits []RateLimit `json:"rate_limits,omitempty"`

	// How an endpoint is chosen.
	Router Router `json:"router"`
	// What a caller may ask of the gateway.
	Limits Limits `json:"limits"`
	// What is logged.
	Log Log `json:"log"`
	// Traces; Prometheus metrics are always served at /metrics.
	Telemetry Telemetry `json:"telemetry"`
	// How calls are recorded.
	Events Events `json:"events"`
	// How long calls stay in the store.
	Retention Retention `json:"retention"`
	// Where events are sent to, besides the store.
	Sinks []Sink `json:"sinks,omitempty"`
	// Who is told of what.
	Alerts Alerts `json:"alerts"`
	// The model by which models, and calls, are searched for likeness.
	Embeddings Embeddings `json:"embeddings"`
	// Endpoints that appear by themselves.
	Discovery Discovery `json:"discovery"`
	// The configuration that gateways on one database share.
	Shared SharedConfig `json:"shared"`
}

// APIKey lets one caller in.
type APIKey struct {
	// Who holds the key; it appears in logs, the key never does.
	Name string `json:"name"`
	// Where the key is: env:NAME or file:/path. At least 16 characters.
	Key Ref `json:"key"`
	// What the holder may do: admin, operator, viewer or caller. [admin]
	Role string `json:"role,omitempty"`
	// Who the calls are for; without one, a call may name an end user of its own.
	User string `json:"user,omitempty"`
	// Team that the calls are counted for.
	Team string `json:"team,omitempty"`
	// Project that the calls are counted for.
	Project string `json:"project,omitempty"`
	// Tags that the calls are counted for.
	Tags []string `json:"tags,omitempty"`
}

// Keys says how virtual keys are recognised.
type Keys struct {
	// Who needs a key: "auto" everybody as soon as there is any key, configured or created; "always" everybody, even before. [auto]
	Required string `json:"required"`
	// Where the secret is with which keys are digested: env:NAME or file:/path, at least 32 characters. Omit it to use key.secret in the data directory, made at the first start.
	Secret Ref `json:"secret,omitempty"`
}

// Provider is one model server, or one account at a vendor.
type Provider struct {
	// Name, the first part of its endpoints' ids. A name of the built-in catalogue (openai, anthropic, groq, ...) brings base_url and kind along.
	Name string `json:"name"`
	// Dialect that the server speaks: openai (any compatible server), anthropic or huggingface. [openai, or the catalogue's]
	Kind model.ProviderKind `json:"kind,omitempty"`
	// URL before /chat/completions, such as http://127.0.0.1:9001/v1. [the catalogue's]
	BaseURL string `json:"base_url,omitempty"`
	// Where the credential is: env:NAME or file:/path. Omit it for servers that need none.
	APIKey Ref `json:"api_key,omitempty"`
	// Headers added to every request. A value may be a reference, env:NAME or file:/path.
	Headers map[string]string `json:"headers,omitempty"`
	// Routing tags of all its endpoints.
	Tags []string `json:"tags,omitempty"`
	// Calls that each endpoint takes at once; 0 is unknown. [0]
	MaxConcurrency int `json:"max_concurrency,omitempty"`
	// How long to wait for it.
	Timeouts Timeouts `json:"timeouts,omitzero"`
	// What it serves. Omit it to offer every model that the catalogue lists for this provider's name.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
}

// Timeouts bound the wait for a provider; zero takes the default.
type Timeouts struct {
	// To establish a connection. [5s]
	Connect Duration `json:"connect,omitzero"`
	// From a streamed request sent to the headers of its answer. [1m]
	First Duration `json:"first,omitzero"`
	// Silence within a stream, after which it counts as hung. [2m]
	Idle Duration `json:"idle,omitzero"`
	// From a request sent to the last byte of an answer in one piece. [10m]
	Whole Duration `json:"whole,omitzero"`
}

// Endpoint is one model at a provider.
type Endpoint struct {
	// Model id in the registry.
	Model model.ModelID `json:"model"`
	// The model's name at the provider. [the record's upstream name]
	Upstream string `json:"upstream,omitempty"`
	// Prices here; they replace the record's.
	Pricing *model.Pricing `json:"pricing,omitempty"`
	// Hardware profile it runs on, such as 1xH100.
	Hardware string `json:"hardware,omitempty"`
	// Routing tags, added to the provider's and the model's.
	Tags []string `json:"tags,omitempty"`
	// Calls it takes at once; 0 takes the provider's. [0]
	MaxConcurrency int `json:"max_concurrency,omitempty"`
	// Describes a model that the registry does not know. model_id and provider are filled in; task_types default to chat-completions and text-generation.
	Describe *model.Model `json:"describe,omitempty"`
}

// Router says how an endpoint is chosen.
type Router struct {
	// Strategy for calls that name none: quality-first, cost-optimized, balanced, speed-first, safety-critical or one of your own. [balanced]
	DefaultStrategy string `json:"default_strategy"`
	// Attempts for one call, all endpoints together. [3]
	MaxAttempts int `json:"max_attempts"`
	// Calls that wait for a place at one endpoint with max_concurrency. [100]
	EndpointQueue int `json:"endpoint_queue"`
	// Strategies of your own, by name; one named like a built-in strategy replaces it.
	Strategies map[string]Strategy `json:"strategies,omitempty"`
}

// Strategy is a policy of the user's own.
type Strategy struct {
	// Shares of the five terms in the score. They are normalised to sum to 1.
	Weights Weights `json:"weights"`

	// What no choice may pass.
	Limits StrategyLimits `json:"limits,omitzero"`
	// Where to turn when the first endpoint fails.
	Fallback Fallback `json:"fallback,omitzero"`
}

// StrategyLimits are hard limits. What is unset does not limit; an endpoint
// whose figure is unknown does not meet a limit on it.
type StrategyLimits struct {
	// Highest cost of a call in US dollars, by the upper end of its estimate.
	MaxCost *model.Money `json:"max_cost_usd,omitempty"`
	// Highest cost per 1,000 tokens in US dollars, input and output blended.
	MaxCostPer1KTokens *model.Money `json:"max_cost_per_1k_tokens,omitempty"`
	// Highest expected time to the first token, in milliseconds.
	MaxLatencyMS *float64 `json:"max_latency_ms,omitempty"`
	// Lowest composite quality, 0 to 1.
	MinQuality *float64 `json:"min_quality_score,omitempty"`
	// Highest safety risk level: low, medium, high or critical.
	MaxRisk model.Risk `json:"max_risk_level,omitzero"`
	// Tags that an endpoint must have.
	RequiredTags []string `json:"required_tags,omitempty"`
	// Tags that an endpoint must not have.
	ExcludedTags []string `json:"excluded_tags,omitempty"`
	// Only models known to allow commercial use. [false]
	CommercialUse bool `json:"commercial_use,omitempty"`
}

// Weights are the shares of the score's terms; they may have any sum above 0.
type Weights struct {
	// Share of quality.
	Quality float64 `json:"quality,omitempty"`
	// Share of cost.
	Cost float64 `json:"cost,omitempty"`
	// Share of latency.
	Latency float64 `json:"latency,omitempty"`
	// Share of safety.
	Safety float64 `json:"safety,omitempty"`
	// Share of availability.
	Availability float64 `json:"availability,omitempty"`
}

// Fallback says where to turn when an endpoint fails.
type Fallback struct {
	// any (other endpoints of the same model, then the model's fallback chain, then the next best), same-model, or none. [any]
	Scope string `json:"scope,omitempty"`
	// Never turn to a model with a higher risk level than the first one's. [false]
	NoLessSafe bool `json:"no_less_safe,omitempty"`
	// Let another model try what one refused for its content. [false]
	ContentPolicy bool `json:"content_policy,omitempty"`
}

// Limits protect the gateway from its callers.
type Limits struct {
	// Largest request body. [32MiB]
	Body Size `json:"body"`
	// All request bodies held at once. [512MiB]
	BodyMemory Size `json:"body_memory"`
	// Largest request header. [64KiB]
	Header Size `json:"header"`
	// Time to send the header. [10s]
	HeaderTimeout Duration `json:"header_timeout"`
	// Time to send the body. [1m]
	BodyTimeout Duration `json:"body_timeout"`
	// Time a caller may take to accept one part of a stream. [30s]
	WriteTimeout Duration `json:"write_timeout"`
	// Time an idle connection is kept. [2m]
	IdleTimeout Duration `json:"idle_timeout"`
	// Calls in progress at once. [1024]
	Concurrency int `json:"concurrency"`
	// Calls that wait for a place; more are refused with 429. [1024]
	Queue int `json:"queue"`
	// Longest wait for a place. [10s]
	QueueTimeout Duration `json:"queue_timeout"`
	// Time at shutdown during which /readyz answers 503 and connections are still accepted, for load balancers to notice; 5s suits most. [0s]
	DrainDelay Duration `json:"drain_delay"`
	// Time that calls in progress get to finish at shutdown, after drain_delay. [30s]
	ShutdownTimeout Duration `json:"shutdown_timeout"`
}

// Log says what is logged, to standard error.
type Log struct {
	// debug, info, warn or error. [info]
	Level string `json:"level"`
	// text, json, or auto: text on a terminal, else json. [auto]
	Format string `json:"format"`
}

// Telemetry says what others can observe.
type Telemetry struct {
	// Where to send traces by OTLP over HTTP, such as http://127.0.0.1:4318. Empty: no traces.
	OTLPEndpoint string `json:"otlp_endpoint,omitempty"`
	// Headers sent there. A value may be a reference, env:NAME or file:/path.
	OTLPHeaders map[string]string `json:"otlp_headers,omitempty"`
	// Name of this service in traces. [cartrita]
	ServiceName string `json:"service_name"`
	// Share of calls that are traced, 0 to 1, unless the caller decided. [1]
	SampleRatio float64 `json:"sample_ratio"`
}

// Events says how calls are recorded.
type Events struct {
	// When a record reaches the disk: "off" leaves it to the operating system (survives a crash of the process), "batch" syncs before the answer ends (survives power loss). [off]
	Fsync string `json:"fsync"`
	// Size at which a spool file is closed. [32MiB]
	Segment Size `json:"segment"`
	// Most disk space of the spool while the store cannot take records. [1GiB]
	MaxSpool Size `json:"max_spool"`
	// Most ended calls that lie in Redis, where PostgreSQL and Redis are shared, until they are stored: every gateway shows them live, and stores them should the one that recorded them be lost with its disk. 0: none. [10000]
	SharedBuffer int `json:"shared_buffer"`
}

// Discovery says which endpoints appear by themselves.
type Discovery struct {
	// Providers of the built-in catalogue whose key is in the environment. [true]
	Env bool `json:"env"`
	// Models of an Ollama server that answers at ollama_url. [true]
	Ollama bool `json:"ollama"`
	// Where to look for Ollama. [http://127.0.0.1:11434]
	OllamaURL string `json:"ollama_url"`
}

// SharedConfig says what a shared configuration may do here.
type SharedConfig struct {
	// References to secrets that it may use, such as env:OPENAI_API_KEY or env:CARTRITA_SHARED_*; an asterisk stands for any text. None: it can use no secret, because who may write it could have any secret sent to a server of theirs.
	Secrets []string `json:"secrets,omitempty"`
}
