package cartrita

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/health"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/route"
)

// Config wires a Service. Registry, Events and Reader are required.
type Config struct {
	Registry *registry.Registry // loaded
	Events   *event.Log         // open; the Service does not close it
	Reader   event.Reader
	History  event.History   // default: Reader, if it is one; without one nothing can be replayed
	Health   *health.Tracker // default: a new one
	Cost     *cost.Estimator // default: a new one
	Budgets  *budget.Ledger  // loaded; default: none, nothing is limited
	Limits   *limit.Limiter  // asked for limits by model and provider; default: none
	Settings Settings        // may be replaced later by Configure
	// PromptSeed makes the fingerprints by which equal prompts are recognised
	// those of this installation. They are not secrets.
	PromptSeed uint64
	Clock      func() time.Time // default time.Now; must carry the monotonic reading
	Logger     *slog.Logger     // default: discard
}

// Settings are what a reload of the configuration may change. Immutable once given.
type Settings struct {
	Providers   map[string]provider.Client // by the name of the configured provider
	Strategies  *route.Strategies          // default: the built-in ones
	MaxAttempts int                        // calls sent upstream per request; default route.DefaultMaxAttempts
	MaxQueue    int                        // calls waiting per endpoint with a concurrency limit; default DefaultMaxQueue
}

// DefaultMaxQueue is the number of calls that wait for a place at one endpoint.
const DefaultMaxQueue = 100

// Service is the orchestrator: the one place where a request meets every
// domain. Use New; safe for concurrent use.
type Service struct {
	registry   *registry.Registry
	events     *event.Log
	reader     event.Reader
	history    event.History // nil: none
	promptSeed uint64
	health     *health.Tracker
	cost       *cost.Estimator
	budgets    *budget.Ledger // nil: none
	limiter    *limit.Limiter // nil: none
	now        func() time.Time
	log        *slog.Logger

	settings atomic.Pointer[Settings]
	views    atomic.Pointer[view]
	building sync.Mutex // held while a view is built
	scratch  sync.Pool  // *scratch

	unpricedSeen sync.Map // model.EndpointID → the day of its latest price.unknown event
}

// New makes a Service. It does no I/O. The error is KindInvalid and names the field.
func New(cfg Config) (*Service, error) {
	const op = "cartrita.New"
	switch {
	case cfg.Registry == nil:
		return nil, model.Invalidf(op, "registry", "is required")
	case cfg.Events == nil:
		return nil, model.Invalidf(op, "events", "is required")
	case cfg.Reader == nil:
		return nil, model.Invalidf(op, "reader", "is required")
	}
	s := &Service{
		registry: cfg.Registry, events: cfg.Events, reader: cfg.Reader,
		health: cfg.Health, cost: cfg.Cost, budgets: cfg.Budgets, limiter: cfg.Limits, promptSeed: cfg.PromptSeed, now: cfg.Clock, log: cfg.Logger,
	}
	if s.history = cfg.History; s.history == nil {
		s.history, _ = cfg.Reader.(event.History)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.health == nil {
		if s.health, err = health.New(health.Config{Clock: s.now, Logger: s.log}); err != nil {
			return nil, err
		}
	}
	if s.cost == nil {
		if s.cost, err = cost.New(cost.Config{}); err != nil {
			return nil, err
		}
	}
	s.scratch.New = func() any { return new(scratch) }
	return s, s.Configure(cfg.Settings)
}

// Configure replaces the settings for calls that arrive from now on.
func (s *Service) Configure(set Settings) error {
	if set.Strategies == nil {
		var err error
		if set.Strategies, err = route.NewStrategies(""); err != nil {
			return err
		}
	}
	if set.MaxAttempts == 0 {
		set.MaxAttempts = route.DefaultMaxAttempts
	}
	if set.MaxQueue == 0 {
		set.MaxQueue = DefaultMaxQueue
	}
	if set.MaxAttempts < 0 {
		return model.Invalidf("cartrita.Configure", "max_attempts", "is %d: want at least 1", set.MaxAttempts)
	}
	s.settings.Store(&set)
	return nil
}

// Registry returns the registry that the Service routes by.
func (s *Service) Registry() *registry.Registry { return s.registry }

// Events returns the log of what happens.
func (s *Service) Events() *event.Log { return s.events }

// Budgets returns the ledger of budgets; nil when nothing is limited.
func (s *Service) Budgets() *budget.Ledger { return s.budgets }

// Reader answers questions about what happened; call Events().Flush first to
// see the calls that just ended.
func (s *Service) Reader() event.Reader { return s.reader }

// Strategies returns the strategies that a call may name.
func (s *Service) Strategies() *route.Strategies { return s.settings.Load().Strategies }

// EndpointState is an endpoint and how it is doing.
type EndpointState struct {
	model.Endpoint
	Health model.Health `json:"health"`
}

// Endpoints returns every endpoint with its live state, sorted by id.
func (s *Service) Endpoints() []EndpointState {
	v := s.current()
	now := s.now()
	out := make([]EndpointState, len(v.snap.Served))
	for i := range out {
		out[i] = EndpointState{Endpoint: *v.snap.Served[i].Endpoint, Health: v.health[i].View(now)}
	}
	return out
}

// Decision returns the record of a call with its explanation. Errors:
// KindNotFound, KindUnavailable.
func (s *Service) Decision(ctx context.Context, id model.CallID) (*Decision, error) {
	rec, ok := s.events.Pending(id)
	if !ok {
		if err := s.events.Flush(ctx); err != nil {
			return nil, err
		}
		var err error
		if rec, err = s.reader.Call(ctx, id); err != nil {
			return nil, err
		}
	}
	d := &Decision{Record: rec, Explanation: "No plan was made for this call."}
	if rec.Plan != nil {
		d.Explanation = route.Explain(rec.Plan) + degradedWords(rec.Degraded)
		d.Excluded = worded(rec.Plan.Excluded)
	}
	if rec.Error != nil && (rec.Plan == nil || len(rec.Plan.Attempts) == 0) {
		d.Explanation = "The call was refused: " + rec.Error.Message + "."
	}
	return d, nil
}

// Ready reports whether calls can be served: nil when they can be recorded and
// at least one endpoint has what it needs to be called, else KindUnavailable.
func (s *Service) Ready(context.Context) error {
	if err := s.events.Ready(); err != nil {
		return err
	}
	snap := s.registry.Snapshot()
	for i := range snap.Served {
		if snap.Served[i].Ready {
			return nil
		}
	}
	return model.Errorf("cartrita.Ready", model.KindUnavailable,
		"none of the %d configured endpoints has its credentials; calls cannot be served", len(snap.Served))
}
