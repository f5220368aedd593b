package memory

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

var _ key.Store = (*Store)(nil)

// LoadKeys implements key.Store.
func (s *Store) LoadKeys(context.Context) ([]key.Stored, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]key.Stored, 0, len(s.keys))
	for _, k := range s.keys {
		k.Doc = bytes.Clone(k.Doc)
		out = append(out, k)
	}
	return out, nil
}

// SaveKey implements key.Store.
func (s *Store) SaveKey(ctx context.Context, k key.Stored) error {
	const op = "memory.SaveKey"
	if k.ID == "" || !json.Valid(k.Doc) {
		return model.Invalidf(op, "id", "must be set, and the key must be JSON")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.keys[k.ID]
	if k.Number != old.Number+1 {
		return model.Errorf(op, model.KindConflict, "the key %s is at version %d: version %d cannot follow", k.ID, old.Number, k.Number)
	}
	k.Doc, k.LastUsed = bytes.Clone(k.Doc), old.LastUsed
	if s.keys == nil {
		s.keys = map[model.KeyID]key.Stored{}
	}
	s.keys[k.ID] = k
	s.keySaves++
	s.record(ctx, "", database.KeyChange(&k, old.Doc))
	return nil
}

// TouchKeys implements key.Store.
func (s *Store) TouchKeys(_ context.Context, used map[model.KeyID]time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, t := range used {
		if k, ok := s.keys[id]; ok && t.After(k.LastUsed) {
			k.LastUsed = t.UTC().Truncate(time.Second)
			s.keys[id] = k
		}
	}
	return nil
}

// KeysVersion implements key.Store.
func (s *Store) KeysVersion(context.Context) (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.keySaves, nil
}
