package gateway

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/schema"
)

// Service is the part of *cartrita.Service that decides and carries calls.
type Service interface {
	Serve(ctx context.Context, call *model.Call, w cartrita.Writer) (*model.Record, error)
	Select(ctx context.Context, c model.Criteria) (*cartrita.Selection, error)
	Estimate(ctx context.Context, req cartrita.EstimateRequest) ([]cartrita.EndpointEstimate, error)
	EstimateCall(ctx context.Context, call *model.Call, level float64) (*cartrita.CallEstimate, error)
	Calibration() []cartrita.Calibration
	Decision(ctx context.Context, id model.CallID) (*cartrita.Decision, error)
}

// Events is the part of *event.Log that readers need.
type Events interface {
	// Subscribe returns events as they happen until ctx is done.
	Subscribe(ctx context.Context, f event.Filter) iter.Seq[event.Event]
	// Flush returns when everything recorded so far can be read. KindUnavailable.
	Flush(ctx context.Context) error
}

// Config says what the gateway serves and within which limits.
type Config struct {
	Service  Service      // required
	Registry Registry     // required
	Events   Events       // required
	Reader   event.Reader // required

	// Notices are what happened and is not about one call. Default: none.
	Notices event.NoticeStore

	// Endpoints returns every endpoint with its live state, sorted by id. Required.
	Endpoints func() []cartrita.EndpointState
	// Strategies returns the routing strategies that GET /api/v1/strategies and
	// GET /v1/models show. Default: none.
	Strategies func() []Strategy

	// Embeddings says by which model the registry, and calls, are searched for
	// likeness. Default: the registry by built-in features, no calls.
	Embeddings Embeddings
	// Prompts are the vectors of what calls were asked, for
	// /api/v1/calls/similar. Default: none, and no such path.
	Prompts event.PromptStore

	// Budgets are what limits spending, for the paths under /api/v1/budgets.
	// Default: none, and no such paths.
	Budgets Budgets
	// SharedConfig is what gateways on one database are configured with, for the
	// paths under /api/v1/config. Nil: there are no such paths.
	SharedConfig SharedConfig
	// Trail is who changed what, for the paths under /api/v1/audit. Default: no such
	// paths.
	Trail audit.Store
	// Cluster knows the gateways on one store, for the API; default: no such routes.
	Cluster Cluster

	// Alerts are what people are told of, for the paths under /api/v1/alerts.
	// Default: none, and no such paths.
	Alerts Alerts

	// Replays look back over many calls, for /api/v1/replay and
	// /api/v1/costs/suggest. Default: none, and no such paths.
	Replays Replays

	// APIKeys are the keys that callers may present. Without any, the gateway
	// serves loopback names only; it must then listen on loopback only.
	APIKeys []APIKey
	// Keys are the virtual keys, for callers and for the paths under
	// /api/v1/keys. Nil: there are none.
	Keys Keys
	// RequireKeys wants a key of every caller even while there is none.
	RequireKeys bool
	// LocalToken is a bearer token, at least MinKeyBytes, whose holder is an
	// administrator: for commands of who may read the data directory anyway.
	// Empty: there is none.
	LocalToken string
	// Limiter counts what callers take by the limits of their keys and its own. Its
	// Run is its owner's. Default: one of this process, without limits of its own.
	Limiter *limit.Limiter
	// AllowedHosts are names that Host and Origin may carry besides loopback
	// when there are no keys, such as "gateway.local". Without port.
	AllowedHosts []string

	Limits Limits

	// Ready reports why calls cannot be served, nil when they can. Default: always ready.
	Ready func(ctx context.Context) error
	// Schemas are the JSON Schemas of GET /api/v1/schema/{name}, by name.
	Schemas map[string]json.RawMessage
	// Version is what GET /api/v1/version answers, and the build metric shows.
	Version Version

	// Metrics collects what /metrics shows. Default: a new registry with Go's
	// runtime and process collectors.
	Metrics *prometheus.Registry
	// Collectors are further ones that /metrics shows. Default: none.
	Collectors []prometheus.Collector
	// Tracer makes the spans. Nil: no spans, at no cost.
	Tracer trace.Tracer
	// Logger default: discard.
	Logger *slog.Logger
	// Clock default: time.Now. It must carry the monotonic reading.
	Clock func() time.Time
}

// Embeddings names a model as a call would. The zero value names none.
type Embeddings struct {
	Model   string
	Timeout time.Duration // of one call; 0: none but the caller's
	Sample  float64       // share of the calls whose prompts are embedded, 0 to 1; that is done by Run
}

// Version says which build is running.
type Version struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go,omitempty"`
}

// Strategy describes one routing strategy.
type Strategy struct {
	Name     string        `json:"name"`
	Default  bool          `json:"default,omitempty"`
	Weights  model.Weights `json:"weights"`
	Limits   any           `json:"limits,omitempty"`   // its hard conditions, as configured
	Fallback any           `json:"fallback,omitempty"` // what may follow a failure, as configured
}

// FromService returns a Config over everything that the Service holds. The
// rest of it has defaults, and may be set.
func FromService(s *cartrita.Service) Config {
	return Config{
		Service: s, Registry: s.Registry(), Events: s.Events(), Reader: s.Reader(), Endpoints: s.Endpoints,
		Ready: s.Ready, Replays: s,
		Strategies: func() []Strategy {
			var out []Strategy
			for i, st := range s.Strategies().List() { // the default is the first
				out = append(out, Strategy{st.Name, i == 0, st.Weights, st.Limits, st.Fallback})
			}
			return out
		},
		Schemas: map[string]json.RawMessage{"model": schema.Model()},
	}
}

// Limits bound what callers may take. The zero value of a field takes its default.
type Limits struct {
	MaxBodyBytes   int64         // of one request; default 32 MiB
	MaxBodyMemory  int64         // of all request bodies held at once; default 512 MiB
	MaxHeaderBytes int           // default 64 KiB
	HeaderTimeout  time.Duration // for reading the request header; default 10 s
	BodyTimeout    time.Duration // for reading the request body; default 60 s
	WriteTimeout   time.Duration // that one write may wait for a slow client; default 30 s
	IdleTimeout    time.Duration // that a kept-alive connection may rest; default 120 s
	MaxConcurrent  int           // calls that run at once; default 1,024
	MaxQueue       int           // calls that wait for a place; default 1,024; negative: none
	QueueTimeout   time.Duration // longest wait for a place; default 10 s
}

// Defaults of Limits.
const (
	DefaultMaxBodyBytes   = 32 << 20
	DefaultMaxBodyMemory  = 512 << 20
	DefaultMaxHeaderBytes = 64 << 10
	DefaultHeaderTimeout  = 10 * time.Second
	DefaultBodyTimeout    = 60 * time.Second
	DefaultWriteTimeout   = 30 * time.Second
	DefaultIdleTimeout    = 120 * time.Second
	DefaultMaxConcurrent  = 1024
	DefaultMaxQueue       = 1024
	DefaultQueueTimeout   = 10 * time.Second
)

func (c Config) withDefaults() Config {
	c.Limits = c.Limits.withDefaults()
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	if c.Strategies == nil {
		c.Strategies = func() []Strategy { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Limiter == nil {
		c.Limiter = limit.New(limit.Config{Clock: c.Clock})
	}
	return c
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.MaxBodyBytes, DefaultMaxBodyBytes)
	orDefault(&l.MaxBodyMemory, max(DefaultMaxBodyMemory, l.MaxBodyBytes))
	orDefault(&l.MaxHeaderBytes, DefaultMaxHeaderBytes)
	orDefault(&l.HeaderTimeout, DefaultHeaderTimeout)
	orDefault(&l.BodyTimeout, DefaultBodyTimeout)
	orDefault(&l.WriteTimeout, DefaultWriteTimeout)
	orDefault(&l.IdleTimeout, DefaultIdleTimeout)
	orDefault(&l.MaxConcurrent, DefaultMaxConcurrent)
	orDefault(&l.MaxQueue, DefaultMaxQueue)
	orDefault(&l.QueueTimeout, DefaultQueueTimeout)
	if l.MaxQueue < 0 {
		l.MaxQueue = 0
	}
	return l
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (c Config) validate() error {
	const op = "gateway.New"
	for _, f := range []struct {
		name    string
		missing bool
	}{
		{"Service", c.Service == nil}, {"Registry", c.Registry == nil}, {"Endpoints", c.Endpoints == nil},
		{"Events", c.Events == nil}, {"Reader", c.Reader == nil},
	} {
		if f.missing {
			return model.Invalidf(op, f.name, "is required")
		}
	}
	if n := len(c.LocalToken); n > 0 && n < MinKeyBytes {
		return model.Invalidf(op, "local_token", "has %d bytes; want at least %d", n, MinKeyBytes)
	}
	if e := c.Embeddings; !(e.Sample >= 0 && e.Sample <= 1) {
		return model.Invalidf(op, "embeddings.sample", "is %v; want a share from 0 to 1", e.Sample)
	} else if e.Sample > 0 && (e.Model == "" || c.Prompts == nil) {
		return model.Invalidf(op, "embeddings.sample", "is %v; want a Model that embeds the prompts, and Prompts to keep the vectors", e.Sample)
	}
	l := c.Limits
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"max_body_bytes", l.MaxBodyBytes}, {"max_body_memory", l.MaxBodyMemory},
		{"max_header_bytes", int64(l.MaxHeaderBytes)}, {"max_concurrent", int64(l.MaxConcurrent)},
		{"header_timeout", int64(l.HeaderTimeout)}, {"body_timeout", int64(l.BodyTimeout)},
		{"write_timeout", int64(l.WriteTimeout)}, {"idle_timeout", int64(l.IdleTimeout)},
		{"queue_timeout", int64(l.QueueTimeout)},
	} {
		if f.value < 0 {
			return model.Invalidf(op, "limits."+f.name, "is negative; want a positive value, or 0 for the default")
		}
	}
	if l.MaxBodyMemory < l.MaxBodyBytes {
		return model.Invalidf(op, "limits.max_body_memory", "is below max_body_bytes (%d); want at least that", l.MaxBodyBytes)
	}
	return nil
}
