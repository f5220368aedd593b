package health

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cartrita/cartrita/model"
)

const (
	// suspectFor is how long at most an endpoint is avoided on the word of another
	// process, and half of it how long at least.
	suspectFor = 4 * time.Second
	// trustFor is how long a success of one's own outweighs what others say.
	trustFor = 10 * time.Second
)

// Opening is a circuit that own calls opened.
type Opening struct {
	Endpoint model.EndpointID
	Left     time.Duration // until it is tried again
}

// Openings returns the circuits that are open by what calls of this process met.
func (t *Tracker) Openings(now time.Time) (open []Opening) {
	d := int64(now.Sub(t.base))
	t.mu.RLock()
	defer t.mu.RUnlock()
	for id, e := range t.all {
		if until := e.openUntil.Load(); until > d {
			open = append(open, Opening{id, time.Duration(until - d)})
		}
	}
	return open
}

// Suspect takes note that another process found the endpoint broken. Unless own
// calls say otherwise, View shows its circuit as open for a few seconds; whoever
// has no other endpoint may try it all the same, one call at a time (Begin). A
// call that succeeds ends the suspicion, one that fails opens the circuit.
func (e *Endpoint) Suspect(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := now.Sub(e.tracker.base)
	if e.openUntil.Load() != 0 || e.succeeded > 0 && d-e.succeeded < trustFor {
		return
	}
	d = max(d, 1)
	// Not all processes try it again at the same instant.
	e.suspectUntil.Store(int64(d + suspectFor/2 + rand.N(suspectFor/2)))
	e.probeUntil.Store(0)
	e.openUntil.Store(int64(d))
	e.tracker.cfg.Logger.Info("an endpoint is avoided, because another gateway found it broken", slog.String("endpoint", string(e.id)))
}

// Suspected reports whether View shows the circuit as open on the word of others
// alone.
func (e *Endpoint) Suspected(now time.Time) bool {
	return e.suspectUntil.Load() > int64(now.Sub(e.tracker.base))
}
