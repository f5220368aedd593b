package memory

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/nearest"
	"github.com/cartrita/cartrita/model"
)

var _ event.PromptStore = (*Store)(nil)

// SavePrompts implements event.PromptStore. A vector whose call is no longer
// kept is not either.
func (s *Store) SavePrompts(_ context.Context, ps []event.Prompt) error {
	for i := range ps {
		if err := ps[i].Check("memory.SavePrompts"); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.prompts == nil {
		s.prompts = map[model.CallID]event.Prompt{}
	}
	for _, p := range ps {
		if _, known := s.byID[p.Call]; known && s.call(p.Call) == nil {
			continue
		}
		p.At, p.Vector = p.At.UTC().Truncate(time.Microsecond), slices.Clone(p.Vector)
		s.prompts[p.Call] = p
	}
	return nil
}

// Prompt implements event.PromptStore.
func (s *Store) Prompt(_ context.Context, id model.CallID) (event.Prompt, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p, ok := s.prompts[id]; ok {
		return p, nil
	}
	return event.Prompt{}, model.Errorf("memory.Prompt", model.KindNotFound, "no vector of the prompt of call %s is stored", id)
}

// NearestPrompts implements event.PromptStore.
func (s *Store) NearestPrompts(_ context.Context, q *event.PromptQuery) ([]event.PromptNeighbour, error) {
	f := q.Filter
	f.Since, f.Until = time.Time{}, time.Time{} // of the vectors
	times := event.Filter{Since: q.Filter.Since, Until: q.Filter.Until}
	best := nearest.NewBest(q.K, func(a, b event.PromptNeighbour) int { return a.Compare(&b) })
	s.mu.RLock()
	defer s.mu.RUnlock()
	for id, p := range s.prompts {
		c := s.call(id)
		if c == nil || p.Embedder != q.Embedder || len(p.Vector) != len(q.Vector) || !times.MatchCall(&event.Call{Ended: p.At}) || !f.MatchCall(c) {
			continue
		}
		n := event.PromptNeighbour{Call: *c, Score: nearest.Cosine(q.Vector, p.Vector)}
		n.Record = withoutPlan(n.Record)
		best.Add(n)
	}
	return best.Sorted(), nil
}

// ForgetPrompts implements event.PromptStore.
func (s *Store) ForgetPrompts(_ context.Context, before time.Time) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := len(s.prompts)
	maps.DeleteFunc(s.prompts, func(_ model.CallID, p event.Prompt) bool { return p.At.Before(before) })
	return int64(had - len(s.prompts)), nil
}

// WalkPrompts implements database.Export.
func (s *Store) WalkPrompts(_ context.Context, visit func([]event.Prompt) error) error {
	s.mu.RLock()
	all := slices.SortedFunc(maps.Values(s.prompts), func(a, b event.Prompt) int { return bytes.Compare(a.Call[:], b.Call[:]) })
	s.mu.RUnlock()
	if len(all) == 0 {
		return nil
	}
	return visit(all)
}
