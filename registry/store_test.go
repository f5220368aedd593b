package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

// shared is a store that two registries write to; it can be made to fail.
type shared struct {
	mu       sync.Mutex
	versions map[model.ModelID][]registry.Version
	writes   uint64
	fail     error
	race     func() // runs once inside the next SaveModels, before it looks
}

func (s *shared) LoadModels(context.Context) ([]registry.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []registry.Stored
	for id, vs := range s.versions {
		out = append(out, registry.Stored{ID: id, Number: len(vs), Doc: vs[len(vs)-1].Doc})
	}
	return out, s.fail
}

func (s *shared) SaveModels(_ context.Context, versions []registry.Version) error {
	if race := s.race; race != nil {
		s.race = nil
		race()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	for _, v := range versions {
		if v.Number != len(s.versions[v.ID])+1 {
			return model.Errorf("shared", model.KindConflict, "%s: number %d is taken", v.ID, v.Number)
		}
	}
	if s.versions == nil {
		s.versions = map[model.ModelID][]registry.Version{}
	}
	for _, v := range versions {
		s.versions[v.ID] = append(s.versions[v.ID], v)
	}
	s.writes++
	return nil
}

func (s *shared) ModelHistory(_ context.Context, id model.ModelID) ([]registry.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.versions[id]), s.fail
}

func (s *shared) ModelsVersion(context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes, s.fail
}

// TestTwoWriters lets another process write the same record in between: the
// change is planned again on top of it and nothing is lost.
func TestTwoWriters(t *testing.T) {
	ctx := t.Context()
	store := &shared{}
	here, there := small(t, store), small(t, store)
	store.race = func() {
		if _, err := there.Apply(ctx, registry.Change{Actor: "there", Models: []model.Model{record("acme/one")}}); err != nil {
			t.Error(err)
		}
	}
	diff, err := here.Apply(ctx, registry.Change{Actor: "here", Models: []model.Model{record("acme/one", func(m *model.Model) { m.Tags = []string{"x"} })}})
	if err != nil || len(diff.Changed) != 1 {
		t.Fatalf("got %+v, %v: want a change of the other's record", diff, err)
	}
	history, err := here.History(ctx, "acme/one")
	if err != nil || len(history) != 2 || history[0].Actor != "there" || history[1].Actor != "here" {
		t.Errorf("history %+v, %v", history, err)
	}
}

// TestANudgeIsAskedAtOnce: one registry tells of its write, the other one does
// not wait for the next time to ask.
func TestANudgeIsAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shared{}
		ctx, cancel := context.WithCancel(t.Context())
		here := small(t, store)
		there := registry.New(registry.Config{Store: store, Catalogue: noCatalogue, OnWrite: here.Nudge})
		if err := there.Load(ctx); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- here.Run(ctx) }()
		for _, id := range []string{"acme/one", "acme/two"} {
			begin := time.Now()
			if _, err := there.Apply(ctx, registry.Change{Models: []model.Model{record(id)}}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if _, ok := here.Snapshot().Model(model.ModelID(id)); !ok || time.Since(begin) > 0 {
				t.Errorf("%s is not there at once", id)
			}
		}
		cancel()
		<-done
	})
}

func TestRunNoticesOtherWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var log lines
		store := &shared{}
		here := registry.New(registry.Config{
			Store: store, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Catalogue: noCatalogue,
		})
		if err := here.Load(ctx); err != nil {
			t.Fatal(err)
		}
		there := small(t, store)
		done := make(chan error, 1)
		go func() { done <- here.Run(ctx) }()
		if _, err := there.Apply(ctx, registry.Change{Models: []model.Model{record("acme/one")}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(registry.DefaultPoll + time.Millisecond)
		synctest.Wait()
		if _, ok := here.Snapshot().Model("acme/one"); !ok {
			t.Error("a record that another process wrote did not arrive")
		}
		store.mu.Lock()
		store.fail = errors.New("disk gone")
		store.mu.Unlock()
		time.Sleep(5 * registry.DefaultPoll)
		synctest.Wait()
		if n := strings.Count(log.String(), "disk gone"); n != 1 {
			t.Errorf("a failing store is logged %d times: want once", n)
		}
		if _, ok := here.Snapshot().Model("acme/one"); !ok {
			t.Error("a failing store took records away")
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v: want nil", err)
		}
	})
}

type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestStoreFailure refuses the change whole when the store does.
func TestStoreFailure(t *testing.T) {
	store := &shared{}
	r := small(t, store)
	store.fail = model.Errorf("store", model.KindUnavailable, "no space")
	if _, err := r.Apply(t.Context(), registry.Change{Models: []model.Model{record("acme/one")}}); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("got %v: want the store's KindUnavailable", err)
	}
	if len(r.Snapshot().Models) != 0 {
		t.Error("what was not stored was published")
	}
	if err := registry.New(registry.Config{Store: store}).Load(t.Context()); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("Load with a failing store: %v", err)
	}
}

// TestUnreadableStoredRecord leaves out a record of a newer version, keeps the
// others, and does not reuse its version number.
func TestUnreadableStoredRecord(t *testing.T) {
	store := &shared{versions: map[model.ModelID][]registry.Version{
		"acme/new":  {{ID: "acme/new", Number: 1, Doc: json.RawMessage(`{"model_id":"acme/new","task_types":["telepathy"]}`)}},
		"acme/good": {{ID: "acme/good", Number: 1, Doc: json.RawMessage(`{"model_id":"acme/good","provider":"acme","task_types":["embeddings"]}`)}},
	}}
	r := small(t, store)
	if _, ok := r.Snapshot().Model("acme/good"); !ok || len(r.Snapshot().Models) != 1 {
		t.Errorf("got %d records: want the readable one", len(r.Snapshot().Models))
	}
	if _, err := r.Apply(t.Context(), registry.Change{Models: []model.Model{record("acme/new")}}); err != nil {
		t.Errorf("writing over the unreadable record: %v", err)
	}
}
