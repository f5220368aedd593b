package health

import (
	"log/slog"
	"sync"
	"time"

	"github.com/cartrita/cartrita/model"
)

// The defaults of Config.
const (
	DefaultHalfLife      = time.Minute
	DefaultFailures      = 5
	DefaultErrorRate     = 0.5
	DefaultMinSamples    = 10
	DefaultWindow        = 10 * time.Second
	DefaultOpenFor       = 5 * time.Second
	DefaultOpenMax       = 2 * time.Minute
	DefaultProbeLease    = 30 * time.Second
	DefaultRetryAfterMax = 10 * time.Minute
)

// limitFor is the pause after a first 429 that names no Retry-After.
const limitFor = time.Second

// Config configures a Tracker. Zero fields take the defaults above.
type Config struct {
	HalfLife      time.Duration // after which a finished call counts half
	Failures      int           // faults in a row that open the circuit
	ErrorRate     float64       // share of faults that opens it, (0,1]
	MinSamples    float64       // weight of recent calls below which ErrorRate is not judged
	Window        time.Duration // half-life of "recent" for ErrorRate
	OpenFor       time.Duration // first time that the circuit stays open
	OpenMax       time.Duration // longest time, as it doubles
	ProbeLease    time.Duration // how long a probe keeps other calls out
	RetryAfterMax time.Duration // longest Retry-After that is believed

	OnOpen func()           // told when a circuit opens; returns at once; default: nothing
	Clock  func() time.Time // default time.Now; read once, by New
	Logger *slog.Logger     // told when a circuit opens or closes; default: discards
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	set(&c.HalfLife, DefaultHalfLife)
	set(&c.Window, DefaultWindow)
	set(&c.OpenFor, DefaultOpenFor)
	set(&c.OpenMax, max(DefaultOpenMax, c.OpenFor))
	set(&c.ProbeLease, DefaultProbeLease)
	set(&c.RetryAfterMax, DefaultRetryAfterMax)
	if c.Failures == 0 {
		c.Failures = DefaultFailures
	}
	if c.ErrorRate == 0 {
		c.ErrorRate = DefaultErrorRate
	}
	if c.MinSamples == 0 {
		c.MinSamples = DefaultMinSamples
	}
	if c.OnOpen == nil {
		c.OnOpen = func() {}
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	const op = "health.New"
	for _, f := range []struct {
		name string
		d    time.Duration
	}{
		{"half_life", c.HalfLife}, {"window", c.Window}, {"open_for", c.OpenFor}, {"open_max", c.OpenMax},
		{"probe_lease", c.ProbeLease}, {"retry_after_max", c.RetryAfterMax},
	} {
		if f.d < 0 {
			return model.Invalidf(op, f.name, "want a positive duration, got %s", f.d)
		}
	}
	switch {
	case c.OpenMax < c.OpenFor:
		return model.Invalidf(op, "open_max", "want at least open_for (%s), got %s", c.OpenFor, c.OpenMax)
	case c.Failures < 0:
		return model.Invalidf(op, "failures", "want a positive number, got %d", c.Failures)
	case !(c.ErrorRate > 0 && c.ErrorRate <= 1):
		return model.Invalidf(op, "error_rate", "want a share above 0 and up to 1, got %v", c.ErrorRate)
	case !(c.MinSamples > 0):
		return model.Invalidf(op, "min_samples", "want a positive number, got %v", c.MinSamples)
	}
	return nil
}

// Tracker holds the endpoints by id. Safe for concurrent use.
type Tracker struct {
	cfg  Config
	base time.Time // zero of the times inside

	mu      sync.RWMutex
	all     map[model.EndpointID]*Endpoint
	reports map[string]report // of other processes
}

// New makes a tracker. Errors are KindInvalid with the field.
func New(c Config) (*Tracker, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Tracker{cfg: c, base: c.Clock(), all: make(map[model.EndpointID]*Endpoint)}, nil
}

// Endpoint returns the handle of an endpoint, made on first use. It stays the
// same for the life of the tracker; look it up once per snapshot, not per call.
func (t *Tracker) Endpoint(id model.EndpointID) *Endpoint {
	t.mu.RLock()
	e := t.all[id]
	t.mu.RUnlock()
	if e != nil {
		return e
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e = t.all[id]; e == nil {
		e = &Endpoint{id: id, tracker: t}
		t.all[id] = e
	}
	return e
}

// Views writes the view of each endpoint to the position of its handle in dst,
// which must be as long as es, and returns it.
func Views(dst []model.Health, es []*Endpoint, now time.Time) []model.Health {
	dst = dst[:len(es)]
	if len(es) == 0 {
		return dst
	}
	d := now.Sub(es[0].tracker.base)
	for i, e := range es {
		if e.tracker != es[0].tracker {
			dst[i] = e.View(now)
			continue
		}
		e.view(&dst[i], d)
	}
	return dst
}
