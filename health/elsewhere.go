package health

import (
	"maps"
	"time"

	"github.com/cartrita/cartrita/model"
)

// reportKept is how long what another process said of its load is believed.
const reportKept = 3 * time.Second

// report is what another process said of its load.
type report struct {
	at   time.Time
	load map[model.EndpointID]int32
}

// Load returns how many calls of this process are in flight at the endpoints, of
// those where any are.
func (t *Tracker) Load() map[model.EndpointID]int32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := map[model.EndpointID]int32{}
	for id, e := range t.all {
		if n := e.inFlight.Load(); n > 0 {
			out[id] = n
		}
	}
	return out
}

// Elsewhere takes note of how many calls of another process are in flight, in
// place of what it said before: View adds them to our own. Reports are forgotten
// when they are old; nobody has to say that it ends. Endpoints that are not known
// here are left out.
func (t *Tracker) Elsewhere(process string, load map[model.EndpointID]int32, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reports == nil {
		t.reports = map[string]report{}
	}
	t.reports[process] = report{now, load}
	t.addReports(now)
}

// ForgetReports forgets what is too old to be believed.
func (t *Tracker) ForgetReports(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addReports(now)
}

// addReports works out what runs elsewhere. Caller holds the lock.
func (t *Tracker) addReports(now time.Time) {
	maps.DeleteFunc(t.reports, func(_ string, r report) bool { return now.Sub(r.at) > reportKept })
	sums := map[model.EndpointID]int32{}
	for _, r := range t.reports {
		for id, n := range r.load {
			sums[id] += max(n, 0)
		}
	}
	for id, e := range t.all {
		e.elsewhere.Store(sums[id])
	}
}
