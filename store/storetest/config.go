package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/model"
)

func configVersion(n int64, document string) cluster.Configuration {
	return cluster.Configuration{Version: n, At: time.UnixMicro(1_790_000_000_000_001 + n).UTC(), By: "ada", Document: document}
}

func configVersions(t *testing.T, s Store) {
	if n, err := s.ConfigVersion(t.Context()); err != nil || n != 0 {
		t.Fatalf("an empty store has version %d, %v", n, err)
	}
	if _, err := s.LoadConfig(t.Context(), 1); model.KindOf(err) != model.KindNotFound {
		t.Errorf("a version that is not there: %v, want %s", err, model.KindNotFound)
	}
	first, second := configVersion(1, "router:\n  max_attempts: 5\n# ü\n"), configVersion(2, "{}")
	for _, c := range []cluster.Configuration{first, second} {
		if err := s.SaveConfig(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int64{0, 1, 2, 4} {
		if err := s.SaveConfig(t.Context(), configVersion(n, "")); model.KindOf(err) != model.KindConflict {
			t.Errorf("version %d after 2: %v, want %s", n, err, model.KindConflict)
		}
	}
	if n, err := s.ConfigVersion(t.Context()); err != nil || n != 2 {
		t.Errorf("version %d, %v; want 2", n, err)
	}
	for _, want := range []cluster.Configuration{first, second} {
		got, err := s.LoadConfig(t.Context(), want.Version)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v; want -, got +:\n%s", err, diff)
		}
	}
	first.Document, second.Document = "", ""
	got, err := s.ListConfigs(t.Context())
	if diff := cmp.Diff([]cluster.Configuration{second, first}, got); err != nil || diff != "" {
		t.Errorf("%v; want -, got +:\n%s", err, diff)
	}
}

func configRace(t *testing.T, s Store) {
	var wg sync.WaitGroup
	var saved atomic.Int64
	for range 8 {
		wg.Go(func() {
			switch err := s.SaveConfig(t.Context(), configVersion(1, "{}")); {
			case err == nil:
				saved.Add(1)
			case model.KindOf(err) != model.KindConflict:
				t.Errorf("%v, want %s", err, model.KindConflict)
			}
		})
	}
	wg.Wait()
	if saved.Load() != 1 {
		t.Errorf("version 1 was saved %d times", saved.Load())
	}
}
