package memory

import (
	"context"
	"slices"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

var _ cluster.ConfigStore = (*Store)(nil)

// ConfigVersion implements cluster.ConfigStore.
func (s *Store) ConfigVersion(context.Context) (int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return int64(len(s.configs)), nil
}

// LoadConfig implements cluster.ConfigStore.
func (s *Store) LoadConfig(_ context.Context, version int64) (cluster.Configuration, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if version < 1 || version > int64(len(s.configs)) {
		return cluster.Configuration{}, model.Errorf("memory.LoadConfig", model.KindNotFound, "there is no version %d of the shared configuration", version)
	}
	return s.configs[version-1], nil
}

// ListConfigs implements cluster.ConfigStore.
func (s *Store) ListConfigs(context.Context) (out []cluster.Configuration, _ error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range slices.Backward(s.configs) {
		c.Document = ""
		out = append(out, c)
	}
	return out, nil
}

// SaveConfig implements cluster.ConfigStore.
func (s *Store) SaveConfig(ctx context.Context, c cluster.Configuration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Version != int64(len(s.configs))+1 {
		return model.Errorf("memory.SaveConfig", model.KindConflict, "version %d of the shared configuration cannot follow the latest", c.Version)
	}
	s.configs = append(s.configs, c)
	s.record(ctx, c.By, database.ConfigChange(&c))
	return nil
}
