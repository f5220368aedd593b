package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
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
func (s *Store) SaveBudget(ctx context.Context, b budget.Budget) error {
	after, err := json.Marshal(b)
	if err != nil {
		return err
	}
	var before []byte
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := slices.BinarySearchFunc(s.budgets.created, b, func(x, y budget.Budget) int { return cmp.Compare(x.Name, y.Name) })
	if !known {
		s.budgets.created = slices.Insert(s.budgets.created, i, b)
	} else if before, err = json.Marshal(s.budgets.created[i]); err != nil {
		return err
	}
	s.budgets.created[i] = b
	s.record(ctx, "", database.Budgets.Change(b.Name, before, after))
	return nil
}

// DeleteBudget implements budget.Store.
func (s *Store) DeleteBudget(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.budgets.created, func(b budget.Budget) bool { return b.Name == name })
	if i < 0 {
		return model.Errorf("memory.DeleteBudget", model.KindNotFound, "there is no budget %q", name)
	}
	before, err := json.Marshal(s.budgets.created[i])
	if err != nil {
		return err
	}
	s.budgets.created = slices.Delete(s.budgets.created, i, i+1)
	s.record(ctx, "", database.Budgets.Change(name, before, nil))
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
func (s *Store) SaveOverride(ctx context.Context, o budget.SavedOverride) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.budgets.overrides = append(s.budgets.overrides, o)
	s.record(ctx, o.Actor, database.OverrideChange(&o))
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
