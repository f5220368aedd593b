package memory

import (
	"context"
	"slices"
	"time"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/model"
)

var _ audit.Store = (*Store)(nil)

// record appends changes to the audit trail. The caller holds mu. name is who
// did it where the context does not say.
func (s *Store) record(ctx context.Context, name string, changes ...audit.Change) {
	if audit.IsCopy(ctx) {
		return
	}
	who := audit.Who(ctx)
	if who.Name == "" {
		who.Name = name
	}
	for _, c := range changes {
		last := s.lastEntry()
		s.trail = append(s.trail, audit.Next(&last, time.Now(), who, c))
	}
}

func (s *Store) lastEntry() audit.Entry {
	if n := len(s.trail); n > 0 {
		return s.trail[n-1]
	}
	return audit.Entry{}
}

// Trail implements audit.Store.
func (s *Store) Trail(_ context.Context, f audit.Filter) (out []audit.Entry, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range slices.Backward(s.trail) {
		if f.Match(&e) && len(out) < f.PageSize() {
			out = append(out, e)
		}
	}
	return out, nil
}

// WalkTrail implements audit.Store.
func (s *Store) WalkTrail(_ context.Context, visit func([]audit.Entry) error) error {
	s.mu.RLock()
	all := slices.Clip(s.trail) // what is there does not change
	s.mu.RUnlock()
	if len(all) == 0 {
		return nil
	}
	return visit(all)
}

// CopyTrail implements audit.Store.
func (s *Store) CopyTrail(_ context.Context, entries []audit.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := s.lastEntry(); entries[0].Seq != last.Seq+1 || entries[0].Prev != last.Hash {
		return model.Errorf("memory.CopyTrail", model.KindConflict, "entry %d does not follow the audit trail, which ends at %d", entries[0].Seq, last.Seq)
	}
	s.trail = append(s.trail, entries...)
	return nil
}
