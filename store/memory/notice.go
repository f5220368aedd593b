package memory

import (
	"context"
	"slices"
	"time"

	"github.com/cartrita/cartrita/event"
)

// AddNotice implements event.NoticeStore.
func (s *Store) AddNotice(_ context.Context, n event.Notice) (added bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.notices, func(o event.Notice) bool { return o.Kind == n.Kind && o.Key == n.Key }) {
		return false, nil
	}
	s.notices = append(s.notices, n)
	return true, nil
}

// Notices implements event.NoticeStore.
func (s *Store) Notices(_ context.Context, kinds []event.Kind, since, until time.Time, limit int) ([]event.Notice, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []event.Notice
	for _, n := range slices.Backward(s.notices) {
		if (kinds == nil || slices.Contains(kinds, n.Kind)) &&
			(since.IsZero() || !n.At.Before(since)) && (until.IsZero() || n.At.Before(until)) {
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(a, b event.Notice) int { return b.At.Compare(a.At) })
	return out[:min(len(out), limit)], nil
}
