package budget

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cartrita/cartrita/model"
)

var errAway = &model.Error{Op: "fake", Kind: model.KindUnavailable, Message: "away", Err: errors.New("away")}

// sharedStore is a database of leases in memory. Everything happens at once and
// takes as long as the test says.
type sharedStore struct {
	mu       sync.Mutex
	now      func() time.Time
	epoch    int64
	clock    int64
	replicas map[string]*fakeReplica
	leases   map[Account]map[string]*fakeLease
	spent    map[spoolKey]Spent
	changed  map[spoolKey]int64
	openings map[string]Opening
}

type fakeReplica struct {
	name  string
	epoch int64
	seen  time.Time
}

type fakeLease struct {
	Quantities
	asked, answered time.Time
}

func newSharedStore(now func() time.Time) *sharedStore {
	return &sharedStore{
		now: now, replicas: map[string]*fakeReplica{}, leases: map[Account]map[string]*fakeLease{},
		spent: map[spoolKey]Spent{}, changed: map[spoolKey]int64{}, openings: map[string]Opening{},
	}
}

// record stores the charges of a call, as a spool does.
func (s *sharedStore) record(spool string, charges []model.Charge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	for _, c := range charges {
		k := spoolKey{spool, c.Budget, c.Period.UnixNano()}
		e := s.spent[k]
		e.Budget, e.Period = c.Budget, c.Period
		e.USD += c.Cost
		e.Tokens += c.Tokens
		e.Requests += c.Requests
		s.spent[k] = e
		s.changed[k] = s.clock
	}
}

func (s *sharedStore) Join(_ context.Context, spool, name string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	s.drop(spool)
	s.replicas[spool] = &fakeReplica{name, s.epoch, s.now()}
	return s.epoch, nil
}

func (s *sharedStore) drop(spool string) {
	delete(s.replicas, spool)
	for _, of := range s.leases {
		delete(of, spool)
	}
}

func (s *sharedStore) Look(_ context.Context, q Query) (*Sight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sight := &Sight{Clock: s.clock}
	if r := s.replicas[q.Spool]; r != nil {
		r.seen = s.now()
		sight.Epoch = r.epoch
	}
	for _, r := range s.replicas {
		if s.now().Sub(r.seen) < 3*time.Second {
			sight.Replicas++
		}
	}
	for k, e := range s.spent {
		if s.changed[k] > q.After && !e.Period.Before(q.Since) {
			sight.Spent = append(sight.Spent, SpoolSpent{k.spool, e})
		}
	}
	for a, of := range s.leases {
		own := of[q.Spool]
		for spool, l := range of {
			if own != nil && spool != q.Spool && s.now().Sub(l.asked) < 2*time.Second && own.answered.Before(l.asked) {
				sight.Wanted = append(sight.Wanted, a)
				break
			}
		}
	}
	return sight, nil
}

func (s *sharedStore) recorded(spool string, a *Ask) (sum amounts) {
	for k, e := range s.spent {
		if k.spool == spool && k.id == a.Budget && !e.Period.Before(a.From) && !e.Period.After(a.To) {
			for u, n := range e.amounts() {
				sum[u] += n
			}
		}
	}
	return sum
}

func (s *sharedStore) Lease(_ context.Context, spool string, epoch int64, asks []Ask) ([]Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.replicas[spool]; r == nil || r.epoch != epoch {
		return nil, model.Errorf("fake", model.KindConflict, "epoch")
	}
	grants := make([]Grant, len(asks))
	for i := range asks {
		a := &asks[i]
		of := s.leases[a.Account]
		if of == nil {
			of = map[string]*fakeLease{}
			s.leases[a.Account] = of
		}
		own := of[spool]
		if own == nil {
			own = &fakeLease{}
		}
		var opening Quantities
		for _, o := range s.openings {
			opening = a.Opened(&o, opening)
		}
		grants[i] = a.Decide(spool, opening, s.holders(a, own))
		own.Quantities = grants[i].Quantities
		switch now := s.now(); {
		case !grants[i].Open:
			own.asked = time.Time{}
		case now.Sub(own.asked) > 2*time.Second:
			own.asked = now
		}
		if a.Answer {
			own.answered = s.now()
		}
		of[spool] = own
	}
	return grants, nil
}

func (s *sharedStore) holders(a *Ask, own *fakeLease) []Holder {
	spools := map[string]bool{}
	for spool := range s.leases[a.Account] {
		spools[spool] = true
	}
	for k := range s.spent {
		spools[k.spool] = true
	}
	var out []Holder
	for spool := range spools {
		h := Holder{Spool: spool, Recorded: s.recorded(spool, a).quantities()}
		if l := s.leases[a.Account][spool]; l != nil {
			h.Granted = l.Quantities
			r := s.replicas[spool]
			h.Answers = s.now().Sub(r.seen) < 3*time.Second && (own.asked.IsZero() || l.answered.Before(own.asked))
		}
		out = append(out, h)
	}
	return out
}

func (s *sharedStore) Forget(_ context.Context, spool string, keep []Account) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a, of := range s.leases {
		if !slices.Contains(keep, a) {
			delete(of, spool)
		}
	}
	return nil
}

func (s *sharedStore) Leave(_ context.Context, spool string, epoch int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.replicas[spool]; r != nil && r.epoch == epoch {
		s.drop(spool)
	}
	return nil
}

func (s *sharedStore) Leases(context.Context) ([]Replica, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Replica
	for _, spool := range slices.Sorted(maps.Keys(s.replicas)) {
		r := Replica{Spool: spool, Name: s.replicas[spool].name, Seen: s.replicas[spool].seen}
		for a, of := range s.leases {
			if l := of[spool]; l != nil {
				r.Leases = append(r.Leases, Lease{Account: a, Granted: l.Quantities})
			}
		}
		out = append(out, r)
	}
	return out, nil
}

func (s *sharedStore) Release(_ context.Context, spool string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(spool)
	return nil
}

func (s *sharedStore) ReleaseUnseen(_ context.Context, age time.Duration) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gone []string
	for spool, r := range s.replicas {
		if s.now().Sub(r.seen) > age {
			gone = append(gone, spool)
		}
	}
	for _, spool := range gone {
		s.drop(spool)
	}
	return gone, nil
}
