package database_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/database"
	"github.com/cartrita/cartrita/store/postgres"
	"github.com/cartrita/cartrita/store/sqlite"
	"github.com/cartrita/cartrita/store/storetest"
)

type target interface {
	database.Store
	storetest.Database
}

func openSQLite(t *testing.T) target {
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "cartrita.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openPostgres(t *testing.T) target {
	s, err := postgres.Open(t.Context(), postgres.Config{URL: testserver.Database(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

const calls = 2500

// full is a store with everything in it.
func full(t *testing.T) target {
	s := openSQLite(t)
	at := time.UnixMicro(1_790_000_000_000_001).UTC()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < calls; i += 250 {
		var some []event.Call
		for n := i; n < i+250; n++ {
			c := storetest.Sample(n)
			if n%9 == 0 {
				c.Started = time.Time{}
			}
			some = append(some, c)
		}
		_, err := s.Ingest(t.Context(), event.Batch{Spool: "s", Position: event.Position{Segment: 1, Offset: int64(i)}, Calls: some})
		must(err)
	}
	for n := range 600 {
		c := storetest.Sample(n)
		must(s.SavePrompts(t.Context(), []event.Prompt{{Call: c.ID, At: c.Ended, Embedder: "e", Vector: []float32{float32(n), 0.1, -3}}}))
	}
	for n := range 3 {
		v := registry.Version{ID: "a", Number: n + 1, At: at, Actor: "ada", Action: registry.ActionEdit, Doc: json.RawMessage(`{"model_id": "a"}`),
			Diff: []registry.FieldChange{{Path: "name", New: json.RawMessage(`"new"`)}}}
		must(s.SaveModels(t.Context(), []registry.Version{v}))
		must(s.SaveKey(t.Context(), key.Stored{ID: "k", Number: n + 1, Doc: json.RawMessage(`{"n": 1}`)}))
		must(s.SaveOverride(t.Context(), budget.SavedOverride{Budget: "b", At: at, Override: budget.Override{Until: at, Reason: string(rune('x' + n))}}))
		must(s.SaveConfig(t.Context(), cluster.Configuration{Version: int64(n) + 1, At: at, By: "ada", Document: "{}"}))
		must(s.SaveFleet(t.Context(), 1<<63+uint64(n), []byte(`{"models":[]}`)))
		_, err := s.AddNotice(t.Context(), event.Notice{ID: string(rune('x' + n)), Kind: event.BudgetCrossed, Key: string(rune('x' + n)), At: at, Data: json.RawMessage(`{"n": 1}`)})
		must(err)
	}
	must(s.SaveModels(t.Context(), []registry.Version{{ID: "b", Number: 1, At: at, Action: registry.ActionAdd, Doc: json.RawMessage(`{"model_id":"b"}`)}}))
	must(s.TouchKeys(t.Context(), map[model.KeyID]time.Time{"k": at}))
	limit := 5 * model.USD
	must(s.SaveBudget(t.Context(), budget.Budget{Name: "b", LimitUSD: &limit}))
	threshold := 0.5
	must(s.SaveAlertRule(t.Context(), alert.Rule{Name: "r", Type: alert.ErrorRate, Threshold: &threshold}))
	must(s.SaveOpening(t.Context(), budget.Opening{Name: "b", Counting: "daily UTC", At: at, Calls: 7}))
	return s
}

func take(t *testing.T, s database.Store) []database.Contents {
	t.Helper()
	c, err := database.Take(t.Context(), s, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// same checks that a copy holds what the original does, and counts it alike.
func same(t *testing.T, from, to target) {
	t.Helper()
	if diff := cmp.Diff(take(t, from), take(t, to)); diff != "" {
		t.Errorf("from -, to +:\n%s", diff)
	}
	for _, by := range event.Dimensions() {
		want, err := from.Costs(t.Context(), event.CostQuery{By: by})
		if err != nil {
			t.Fatal(err)
		}
		got, err := to.Costs(t.Context(), event.CostQuery{By: by})
		near := cmp.Comparer(func(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 })
		if diff := cmp.Diff(want, got, near); err != nil || diff != "" {
			t.Errorf("costs by %s: %v; from -, to +:\n%s", by, err, diff)
		}
	}
	if a, err := to.Audit(t.Context(), false, func(int) {}); err != nil || !a.Agrees() || a.Calls != calls {
		t.Errorf("the copy's sums: %+v, %v", a, err)
	}
	if r, err := audit.Verify(t.Context(), to, nil); err != nil || r.Broken != nil || r.Entries < 12 {
		t.Errorf("the copy's audit trail: %+v, %v", r, err)
	}
}

func onBoth(t *testing.T, test func(t *testing.T, from, to target)) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, full(t), openSQLite(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, full(t), openPostgres(t)) })
}

func TestACopyHoldsEverything(t *testing.T) {
	onBoth(t, func(t *testing.T, from, to target) {
		told := 0
		if err := database.Copy(t.Context(), from, to, func(n int) { told += n }); err != nil || told != calls {
			t.Fatalf("%d calls, %v", told, err)
		}
		for _, c := range take(t, to) {
			if c.Count == 0 || c.Checksum == 0 {
				t.Errorf("no %s", c.Name)
			}
		}
		same(t, from, to)
		if err := database.Copy(t.Context(), from, to, func(int) {}); err != nil { // again
			t.Fatal(err)
		}
		same(t, from, to)
	})
}

func TestACopyThatWasCutOffIsFinished(t *testing.T) {
	onBoth(t, func(t *testing.T, from, to target) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if err := database.Copy(ctx, from, to, func(int) { cancel() }); !errors.Is(err, context.Canceled) {
			t.Fatalf("%v", err)
		}
		part := take(t, to)
		if n := part[len(part)-1].Count; n == 0 || n == calls {
			t.Fatalf("%d calls are copied; want a part", n)
		}
		if err := database.Copy(t.Context(), from, to, func(int) {}); err != nil {
			t.Fatal(err)
		}
		same(t, from, to)
	})
}

func TestACopyRefusesWhatIsNotItsOwnBeginning(t *testing.T) {
	for name, other := range map[string]func(to target) error{
		"model": func(to target) error {
			return to.SaveModels(t.Context(), []registry.Version{{ID: "a", Number: 1, At: time.Now(), Action: registry.ActionAdd, Doc: json.RawMessage(`{}`)}})
		},
		"key": func(to target) error {
			for n := range 3 {
				if err := to.SaveKey(t.Context(), key.Stored{ID: "k", Number: n + 1, Doc: json.RawMessage(`{}`)}); err != nil {
					return err
				}
			}
			return nil
		},
		"override": func(to target) error {
			return to.SaveOverride(t.Context(), budget.SavedOverride{Budget: "z", At: time.Now()})
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := full(t), openSQLite(t)
			if err := other(to); err != nil {
				t.Fatal(err)
			}
			if err := database.Copy(t.Context(), from, to, func(int) {}); model.KindOf(err) != model.KindConflict {
				t.Errorf("%v, want %s", err, model.KindConflict)
			}
		})
	}
}
