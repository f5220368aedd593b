package limit

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// Status is one limit and its counters.
type Status struct {
	Limit
	WindowSeconds float64         `json:"window_seconds"`
	Refused       int64           `json:"refused"` // by this replica, since it started
	Counters      []CounterStatus `json:"counters"`
}

// CounterStatus is one counter, as this replica knows it.
type CounterStatus struct {
	Value    string `json:"value,omitempty"` // of "*" in the scope; of a key's own limits its id
	Requests *Left  `json:"requests,omitempty"`
	Tokens   *Left  `json:"tokens,omitempty"`
	Running  int64  `json:"running_here"`
	Admitted Amount `json:"admitted_here"` // in the window
	Most     int64  `json:"concurrency,omitempty"`
}

// Left is what a counter has left.
type Left struct {
	Limit        int64   `json:"limit"`
	Remaining    int64   `json:"remaining"`
	ResetSeconds float64 `json:"reset_seconds"`
}

// View is the state of all limits.
type View struct {
	Shared   bool     `json:"shared"`   // whether replicas count together; false also while the Shared is away
	Replicas int64    `json:"replicas"` // that are known to
	Limits   []Status `json:"limits"`
}

// Sharing reports whether there is a Shared, and whether it answers.
func (l *Limiter) Sharing() (configured, answers bool) {
	return l.shared != nil, l.shared != nil && !l.away.Load()
}

// View returns the state of all limits: those that were configured in their order,
// and last those of keys. It shows at most so many counters of each.
func (l *Limiter) View(counters int) View {
	_, shared := l.Sharing()
	v := View{Shared: shared, Replicas: l.replicas.Load(), Limits: []Status{}}
	rules := l.rules.Load()
	for _, list := range [][]*rule{rules.callers, rules.targets} {
		for _, r := range list {
			v.Limits = append(v.Limits, l.status(r.Limit, &r.counters, counters))
		}
	}
	if s := l.status(Limit{Name: KeyLimit, Scope: Scope{Key: Any}, Window: DefaultWindow}, &l.keys, counters); len(s.Counters) > 0 {
		v.Limits = append(v.Limits, s)
	}
	return v
}

func (l *Limiter) status(limit Limit, cs *counters, most int) Status {
	s := Status{Limit: limit, WindowSeconds: limit.Window.Seconds(), Refused: l.RefusedBy(limit.Name), Counters: []CounterStatus{}}
	for value, c := range cs.all() {
		c.mu.Lock()
		now := l.now()
		c.own.advance(now / c.width)
		r := l.read(c, now)
		s.Counters = append(s.Counters, CounterStatus{
			Value: shown(value), Requests: left(r.requests), Tokens: left(r.tokens),
			Running: c.running, Admitted: c.own.sum, Most: c.limit.Concurrency,
		})
		c.mu.Unlock()
	}
	slices.SortFunc(s.Counters, func(a, b CounterStatus) int {
		return cmp.Or(cmp.Compare(b.Admitted.Requests, a.Admitted.Requests), cmp.Compare(a.Value, b.Value))
	})
	if len(s.Counters) > most {
		s.Counters = s.Counters[:most]
	}
	return s
}

func left(g Gauge) *Left {
	if g.Limit == 0 {
		return nil
	}
	return &Left{g.Limit, g.Remaining, g.Reset.Seconds()}
}

// RefusedBy is how many calls a limit has refused here.
func (l *Limiter) RefusedBy(name string) int64 {
	if n, ok := l.refused.Load(name); ok {
		return n.(*atomic.Int64).Load()
	}
	return 0
}
