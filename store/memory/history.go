package memory

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

var _ event.History = (*Store)(nil)

// walkCalls is the number of calls shown at once.
const walkCalls = 64

// Walk implements event.History. The documents are written again from the
// records, which are what this store keeps.
func (s *Store) Walk(_ context.Context, since, until time.Time, visit func([]event.Call) error) error {
	s.mu.RLock()
	all := slices.Clone(s.calls)
	s.mu.RUnlock()
	f := event.Filter{Since: since, Until: until}
	var some []event.Call
	for i := range all {
		c := &all[i]
		if f.MatchCall(c) {
			shown := event.Call{Seq: c.Seq, Ended: c.Ended, RecordJSON: event.AppendRecord(nil, c.Record)}
			if c.Record.Plan != nil {
				shown.PlanJSON = event.AppendPlan(nil, c.Record.Plan)
			}
			some = append(some, shown)
		}
		if len(some) == walkCalls || i == len(all)-1 && len(some) > 0 {
			if err := visit(some); err != nil {
				return err
			}
			some = nil
		}
	}
	return nil
}

// SaveFleet implements event.History.
func (s *Store) SaveFleet(_ context.Context, id uint64, doc []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fleets == nil {
		s.fleets = map[uint64][]byte{}
	}
	if _, known := s.fleets[id]; !known {
		s.fleets[id] = bytes.Clone(doc)
	}
	return nil
}

// Fleet implements event.History.
func (s *Store) Fleet(_ context.Context, id uint64) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if doc, ok := s.fleets[id]; ok {
		return doc, nil
	}
	return nil, model.Errorf("memory.Fleet", model.KindNotFound, "no registry snapshot %016x is stored", id)
}
