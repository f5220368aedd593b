package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
)

var _ budget.Store = (*Store)(nil)

// budgets are what the store keeps of budgets, besides what calls are charged.
type budgets struct {
	created   []budget.Budget // by name
	overrides []budget.SavedOverride
	openings  map[string]budget.Opening // by name
}

// Budgets implements budget.Store.
func (s *Store) Budgets(context.Context) ([]budget.Budget, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.budgets.created), nil
}

// SaveBudget implements budget.Store.
func (s *Store) SaveBudget(_ context.Context, b budget.Budget) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := slices.BinarySearchFunc(s.budgets.created, b, func(x, y budget.Budget) int { return cmp.Compare(x.Name, y.Name) })
	if !known {
		s.budgets.created = slices.Insert(s.budgets.created, i, b)
	}
	s.budgets.created[i] = b
	return nil
}

// DeleteBudget implements budget.Store.
func (s *Store) DeleteBudget(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.budgets.created, func(b budget.Budget) bool { return b.Name == name })
	if i < 0 {
		return model.Errorf("memory.DeleteBudget", model.KindNotFound, "there is no budget %q", name)
	}
	s.budgets.created = slices.Delete(s.budgets.created, i, i+1)
	return nil
}

// Overrides implements budget.Store.
func (s *Store) Overrides(context.Context) ([]budget.SavedOverride, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var latest []budget.SavedOverride
	for _, o := range slices.Backward(s.budgets.overrides) {
		if !slices.ContainsFunc(latest, func(l budget.SavedOverride) bool { return l.Budget == o.Budget }) {
			latest = append(latest, o)
		}
	}
	slices.SortFunc(latest, func(x, y budget.SavedOverride) int { return cmp.Compare(x.Budget, y.Budget) })
	return latest, nil
}

// SaveOverride implements budget.Store.
func (s *Store) SaveOverride(_ context.Context, o budget.SavedOverride) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.budgets.overrides = append(s.budgets.overrides, o)
	return nil
}

// Openings implements budget.Store.
func (s *Store) Openings(context.Context) ([]budget.Opening, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.budgets.openings), func(x, y budget.Opening) int { return cmp.Compare(x.Name, y.Name) }), nil
}

// SaveOpening implements budget.Store.
func (s *Store) SaveOpening(_ context.Context, o budget.Opening) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.budgets.openings == nil {
		s.budgets.openings = map[string]budget.Opening{}
	}
	s.budgets.openings[o.Name] = o
	return nil
}
