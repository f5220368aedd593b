package health

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Endpoint is the live state of one endpoint. Safe for concurrent use.
type Endpoint struct {
	id      model.EndpointID
	tracker *Tracker

	inFlight  atomic.Int32
	queued    atomic.Int32
	elsewhere atomic.Int32 // in flight of other processes, as they said last

	// Gates, as durations after tracker.base; 0 is none.
	openUntil    atomic.Int64 // circuit open until then, half-open after
	probeUntil   atomic.Int64 // a probe is under way and keeps others out until then
	limitedUntil atomic.Int64 // the upstream asked to be left alone until then
	suspectUntil atomic.Int64 // avoided until then on the word of others; the circuit is half-open

	// Figures for View, written under mu by Done.
	at      atomic.Int64 // when samples held
	samples atomicFloat
	ttft    atomicFloat
	latency atomicFloat
	speed   atomicFloat
	errors  atomicFloat

	mu      sync.Mutex
	figures figures
	breaker breaker

	succeeded time.Duration // the latest call that did; 0: none
}

// Ticket is the permission to send one call. It goes back with Done, once.
type Ticket struct {
	opening int64 // Endpoint.openUntil that this probe tries; 0 for an ordinary call
	lease   int64 // Endpoint.probeUntil as this probe set it
}

// Probe reports whether the call is the one that tries a half-open circuit.
func (t Ticket) Probe() bool { return t.opening != 0 }

// Begin asks to send one call now. When ok, the call counts as in flight until
// Done; when not, the endpoint takes no calls (circuit open, another probe
// under way, or rate limited) and Done must not be called.
func (e *Endpoint) Begin(now time.Time) (t Ticket, ok bool) {
	d := int64(now.Sub(e.tracker.base))
	if e.limitedUntil.Load() > d {
		return Ticket{}, false
	}
	if open := e.openUntil.Load(); open != 0 {
		probe := e.probeUntil.Load()
		lease := d + int64(e.tracker.cfg.ProbeLease)
		if open > d || probe > d || !e.probeUntil.CompareAndSwap(probe, lease) {
			return Ticket{}, false
		}
		if e.openUntil.Load() != open { // decided by another probe in between
			e.probeUntil.CompareAndSwap(lease, 0)
			return Ticket{}, false
		}
		t = Ticket{opening: open, lease: lease}
	}
	e.inFlight.Add(1)
	return t, true
}

// Done reports how a call ended. Kinds that are no fault of the endpoint
// (model.Kind.EndpointFault) end the call and change nothing else.
func (e *Endpoint) Done(now time.Time, t Ticket, o model.Outcome) {
	e.inFlight.Add(-1)
	neutral := o.Failed && !o.Kind.EndpointFault()
	if neutral && !t.Probe() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d := max(now.Sub(e.tracker.base), time.Duration(e.at.Load()))
	if !o.Failed {
		e.succeeded = max(d, 1)
	}
	if !neutral {
		e.figures.decay(d-time.Duration(e.at.Load()), &e.tracker.cfg)
		e.figures.add(o)
		e.publish(d)
	}
	if !neutral {
		// A probe that outlived its lease is heard too, as long as the circuit has
		// not closed or opened again: otherwise slow calls could never close it.
		e.judge(d, t.Probe() && e.openUntil.Load() == t.opening, o)
	}
	// The lease ends after the verdict, so that no second probe slips between.
	if t.Probe() {
		e.probeUntil.CompareAndSwap(t.lease, 0)
	}
}

// Queue changes the number of calls waiting for a place by n.
func (e *Endpoint) Queue(n int32) { e.queued.Add(n) }

// ID returns the id of the endpoint.
func (e *Endpoint) ID() model.EndpointID { return e.id }

// View returns the state at that moment. Half-open is told only while a probe
// may be sent; while one is under way the circuit reads as open.
func (e *Endpoint) View(now time.Time) (h model.Health) {
	e.view(&h, now.Sub(e.tracker.base))
	return h
}

func (e *Endpoint) view(h *model.Health, d time.Duration) {
	others := e.elsewhere.Load()
	*h = model.Health{InFlight: e.inFlight.Load() + others, Elsewhere: others, Queued: e.queued.Load()}
	if n := e.samples.load(); n > 0 {
		h.Samples = n * halved(float64(int64(d)-e.at.Load())/float64(e.tracker.cfg.HalfLife))
		h.TTFTMS = e.ttft.load()
		h.LatencyMS = e.latency.load()
		h.TokensPerSecond = e.speed.load()
		h.ErrorRate = e.errors.load()
	}
	until := e.limitedUntil.Load()
	if open := e.openUntil.Load(); open != 0 {
		h.Circuit = model.CircuitOpen
		if open <= int64(d) {
			if open = e.probeUntil.Load(); open <= int64(d) {
				h.Circuit = model.CircuitHalfOpen
			}
			if suspect := e.suspectUntil.Load(); suspect > int64(d) {
				h.Circuit, open = model.CircuitOpen, max(open, suspect)
			}
		}
		until = max(until, open)
	}
	if until > int64(d) {
		h.RetryAt = e.tracker.base.Add(time.Duration(until))
	}
}

// publish shows the figures to View. Caller holds mu.
func (e *Endpoint) publish(d time.Duration) {
	f := &e.figures
	e.at.Store(int64(d))
	e.samples.store(f.errors.weight)
	e.ttft.store(f.ttft.mean)
	e.latency.store(f.latency.mean)
	e.speed.store(f.speed.mean)
	e.errors.store(f.errors.mean)
}

type atomicFloat struct{ bits atomic.Uint64 }

func (f *atomicFloat) load() float64   { return math.Float64frombits(f.bits.Load()) }
func (f *atomicFloat) store(v float64) { f.bits.Store(math.Float64bits(v)) }
