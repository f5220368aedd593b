package cartrita

import (
	"math"

	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/health"
	"github.com/cartrita/cartrita/internal/gate"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/route"
)

// view is a registry snapshot with what the other domains hold on each of its
// endpoints, resolved once so that a request does no look-ups. Immutable; the
// handles in it are live.
type view struct {
	snap       *registry.Snapshot
	health     []*health.Endpoint // parallel to snap.Served, like the rest
	profiles   []*cost.Profile
	gates      []*gate.Gate // nil: no concurrency limit
	trusts     []*trust
	table      *route.Table
	chainOf    func(served int) [][]int32
	fleet      *fleet // nil: nothing keeps a history
	minContext int64  // smallest known context length
}

// scratch is the memory that one decision needs per endpoint; pooled, and
// given back before the first content is relayed. It holds figures of
// endpoints, never data of a call.
type scratch struct {
	health    []model.Health
	estimates []model.Estimate
	route     route.Scratch
	trace     []byte
}

func (sc *scratch) size(n int) {
	if cap(sc.health) < n {
		sc.health = make([]model.Health, n)
		sc.estimates = make([]model.Estimate, n)
	}
	sc.health, sc.estimates = sc.health[:n], sc.estimates[:n]
}

// current returns the view of the latest registry snapshot, building it when
// the snapshot is new.
func (s *Service) current() *view {
	snap := s.registry.Snapshot()
	if v := s.views.Load(); v != nil && v.snap == snap {
		return v
	}
	s.building.Lock()
	defer s.building.Unlock()
	old := s.views.Load()
	if old != nil && old.snap == snap {
		return old
	}
	v := s.build(snap, old)
	if s.history != nil {
		var err error
		if v.fleet, err = newFleet(snap); err != nil {
			s.log.Error("the registry snapshot cannot be written down; calls decided on it cannot be replayed", "err", err)
		} else if old != nil && old.fleet != nil && old.fleet.id == v.fleet.id {
			v.fleet = old.fleet
		} else {
			s.keepFleet(v.fleet)
		}
	}
	s.views.Store(v)
	return v
}

func (s *Service) build(snap *registry.Snapshot, old *view) *view {
	n := len(snap.Served)
	v := &view{
		snap: snap, minContext: math.MaxInt64, table: route.NewTable(snap.Served), chainOf: snap.ChainOf,
		health: make([]*health.Endpoint, n), profiles: make([]*cost.Profile, n), gates: make([]*gate.Gate, n),
		trusts: make([]*trust, n),
	}
	for i := range snap.Served {
		served := &snap.Served[i]
		v.health[i] = s.health.Endpoint(served.ID)
		v.profiles[i] = s.cost.Profile(served)
		v.gates[i], v.trusts[i] = s.gateOf(served, old), trustOf(served, old)
		if served.Context > 0 {
			v.minContext = min(v.minContext, served.Context)
		}
	}
	return v
}

// gateOf keeps the gate of an endpoint over snapshots while its limit stays,
// so that the calls inside are not forgotten.
func (s *Service) gateOf(served *model.Served, old *view) *gate.Gate {
	if served.MaxConcurrency <= 0 {
		return nil
	}
	if old != nil {
		if i, ok := old.snap.Endpoint(served.ID); ok && old.snap.Served[i].MaxConcurrency == served.MaxConcurrency {
			return old.gates[i]
		}
	}
	return gate.New(served.MaxConcurrency, s.settings.Load().MaxQueue)
}
