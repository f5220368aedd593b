package registry

import (
	"context"
	"sync"

	"github.com/cartrita/cartrita/model"
)

// memory is the Store of a registry that was given none: it forgets with the process.
type memory struct {
	mu       sync.Mutex
	versions map[model.ModelID][]Version
	writes   uint64
}

func newMemory() *memory { return &memory{versions: map[model.ModelID][]Version{}} }

func (s *memory) LoadModels(context.Context) ([]Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Stored, 0, len(s.versions))
	for id, vs := range s.versions {
		last := vs[len(vs)-1]
		out = append(out, Stored{ID: id, Number: last.Number, Doc: last.Doc})
	}
	return out, nil
}

func (s *memory) SaveModels(_ context.Context, versions []Version) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range versions {
		if v.Number != len(s.versions[v.ID])+1 {
			return model.Errorf("registry.SaveModels", model.KindConflict, "%s was changed by somebody else", v.ID)
		}
	}
	for _, v := range versions {
		s.versions[v.ID] = append(s.versions[v.ID], v)
	}
	s.writes++
	return nil
}

func (s *memory) ModelHistory(_ context.Context, id model.ModelID) ([]Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Version(nil), s.versions[id]...), nil
}

func (s *memory) ModelsVersion(context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes, nil
}
