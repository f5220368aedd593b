package limit

import (
	"context"
	"sync"
	"time"
)

// Local is a Shared within one process, by the process's clock: for tests, and the
// reference of what others do.
type Local struct {
	Clock func() time.Duration // required

	mu       sync.Mutex
	counters map[string]*State
	seen     map[string]time.Duration
}

// Exchange implements Shared.
func (s *Local) Exchange(_ context.Context, replica string, demands []Demand) ([]Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	grants := make([]Grant, len(demands))
	for i := range demands {
		c := s.counters[demands[i].Counter]
		if c == nil {
			c = new(State)
			if s.counters == nil {
				s.counters = map[string]*State{}
			}
			s.counters[demands[i].Counter] = c
		}
		grants[i] = c.Exchange(s.Clock(), replica, &demands[i])
	}
	return grants, nil
}

// Beat implements Shared.
func (s *Local) Beat(_ context.Context, replica string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]time.Duration{}
	}
	now := s.Clock()
	s.seen[replica] = now
	for name, at := range s.seen {
		if now-at > BeatTTL {
			delete(s.seen, name)
		}
	}
	return len(s.seen), nil
}

// Forget loses everything, as a Redis that is emptied does.
func (s *Local) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counters = nil
}
