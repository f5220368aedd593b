package health

import (
	"log/slog"
	"time"

	"github.com/cartrita/cartrita/model"
)

// breaker is what a circuit remembers between its states.
type breaker struct {
	faults   int           // in a row
	limits   int           // 429s without Retry-After since the last success
	trips    int           // openings without a calm time between them
	closedAt time.Duration // when it last closed
}

// judge moves the gates after a call that succeeded or ended in a fault.
// probe is true for a probe of the current opening. Caller holds e.mu.
func (e *Endpoint) judge(d time.Duration, probe bool, o model.Outcome) {
	open := e.openUntil.Load() != 0
	switch {
	case !o.Failed:
		e.breaker.faults, e.breaker.limits = 0, 0
		if open && (probe || e.suspectUntil.Load() > 0) {
			e.close(d)
		}
	case o.Kind == model.KindRateLimited:
		e.limit(d, o.RetryAfter)
	default:
		if o.RetryAfter > 0 {
			e.limit(d, o.RetryAfter)
		}
		e.breaker.faults++
		if open && probe || !open && e.broken(o.Kind) {
			e.open(d, o)
		}
	}
}

// broken reports whether the latest fault is one too many.
func (e *Endpoint) broken(k model.Kind) bool {
	c := &e.tracker.cfg
	recent := e.figures.recent
	return k == model.KindUpstreamAuth || e.breaker.faults >= c.Failures ||
		recent.weight >= c.MinSamples && recent.mean >= c.ErrorRate
}

func (e *Endpoint) open(d time.Duration, o model.Outcome) {
	c := &e.tracker.cfg
	b := &e.breaker
	if b.trips > 0 && e.openUntil.Load() == 0 && d-b.closedAt > c.OpenMax {
		b.trips = 0
	}
	b.trips++
	wait := c.OpenFor
	for i := 1; i < b.trips && wait < c.OpenMax; i++ {
		wait *= 2
	}
	wait = max(min(wait, c.OpenMax), min(o.RetryAfter, c.RetryAfterMax))
	recent := e.figures.recent
	e.probeUntil.Store(0)
	e.suspectUntil.Store(0)
	e.openUntil.Store(int64(d + wait))
	c.OnOpen()
	c.Logger.Warn("circuit opened",
		slog.String("endpoint", string(e.id)), slog.Duration("for", wait), slog.String("cause", o.Kind.String()),
		slog.Int("faults_in_a_row", b.faults), slog.Float64("recent_error_rate", recent.mean))
}

func (e *Endpoint) close(d time.Duration) {
	e.breaker.closedAt = d
	e.figures.recent = mean{} // what opened it must not open it again
	e.suspectUntil.Store(0)
	e.openUntil.Store(0)
	e.tracker.cfg.Logger.Info("circuit closed", slog.String("endpoint", string(e.id)))
}

// limit leaves the endpoint alone for the time asked, never shortening an
// earlier request.
func (e *Endpoint) limit(d, ask time.Duration) {
	c := &e.tracker.cfg
	if ask <= 0 {
		ask = limitFor
		for i := 0; i < e.breaker.limits && ask < c.OpenFor; i++ {
			ask *= 2
		}
		ask = min(ask, c.OpenFor)
		e.breaker.limits++
	}
	until := int64(d + min(ask, c.RetryAfterMax))
	if until > e.limitedUntil.Load() {
		e.limitedUntil.Store(until)
	}
}
