package memory

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/store/database"
)

var _ database.Store = (*Store)(nil)

// AllOverrides implements database.Export.
func (s *Store) AllOverrides(context.Context) ([]budget.SavedOverride, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.budgets.overrides), nil
}

// FleetIDs implements database.Export.
func (s *Store) FleetIDs(context.Context) ([]uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.fleets)), nil
}

// CallStarts implements database.Export.
func (s *Store) CallStarts(_ context.Context, first, last int64) (map[int64]time.Time, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := map[int64]time.Time{}
	for i := range s.calls {
		if c := &s.calls[i]; c.Seq >= first && c.Seq <= last && !c.Started.IsZero() {
			out[c.Seq] = c.Started
		}
	}
	return out, nil
}

// Boundary implements database.Export. Calls beyond those kept are forgotten, not
// archived.
func (s *Store) Boundary(context.Context) (int64, error) { return 0, nil }
