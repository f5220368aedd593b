package database_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
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

// A target that holds anything of its own, or that a gateway runs on, is left as
// it is: keys and calls that come in would lock its callers out.
func TestACopyWritesNothingIntoADatabaseInUse(t *testing.T) {
	from := full(t)
	version := func(id model.ModelID, doc string) []registry.Version {
		return []registry.Version{{ID: id, Number: 1, At: time.Now(), Action: registry.ActionAdd, Doc: json.RawMessage(doc)}}
	}
	copying := func(t *testing.T) context.Context { return audit.Copying(t.Context()) } // so that the trail stays empty
	for name, use := range map[string]struct {
		how  func(t *testing.T, to target) error
		want string
	}{
		"trail":         {func(t *testing.T, to target) error { return to.SaveModels(t.Context(), version("a", `{}`)) }, "audit trail"},
		"model":         {func(t *testing.T, to target) error { return to.SaveModels(copying(t), version("z", `{}`)) }, "a model of its own, z"},
		"model version": {func(t *testing.T, to target) error { return to.SaveModels(copying(t), version("a", `{}`)) }, "versions of the model a"},
		"key": {func(t *testing.T, to target) error {
			return to.SaveKey(copying(t), key.Stored{ID: "z", Number: 1, Doc: json.RawMessage(`{}`)})
		}, "a key of its own, z"},
		"budget":     {func(t *testing.T, to target) error { return to.SaveBudget(copying(t), budget.Budget{Name: "b"}) }, "a budget of its own, b"},
		"alert rule": {func(t *testing.T, to target) error { return to.SaveAlertRule(copying(t), alert.Rule{Name: "z"}) }, "an alert rule of its own, z"},
		"opening":    {func(t *testing.T, to target) error { return to.SaveOpening(t.Context(), budget.Opening{Name: "z"}) }, "an opening of a budget of its own, z"},
		"override": {func(t *testing.T, to target) error {
			return to.SaveOverride(copying(t), budget.SavedOverride{Budget: "z", At: time.Now()})
		}, "overrides"},
		"configuration": {func(t *testing.T, to target) error {
			return to.SaveConfig(copying(t), cluster.Configuration{Version: 1, At: time.Now(), Document: "{}"})
		}, "shared configuration"},
		"snapshot": {func(t *testing.T, to target) error { return to.SaveFleet(t.Context(), 7, []byte(`{}`)) }, "snapshots"},
		"notice": {func(t *testing.T, to target) error {
			_, err := to.AddNotice(t.Context(), event.Notice{ID: "zz", Kind: event.BudgetCrossed, Key: "zz", At: time.Now(), Data: json.RawMessage(`{}`)})
			return err
		}, "an event of its own"},
		"call": {func(t *testing.T, to target) error {
			_, err := to.Ingest(t.Context(), event.Batch{Calls: []event.Call{storetest.Sample(0), storetest.Sample(calls)}})
			return err
		}, "calls of its own"},
		"gateway": {func(t *testing.T, to target) error {
			_, err := to.(*postgres.Store).Beat(t.Context(), cluster.Member{ID: "g", Name: "host", Address: "10.0.0.7:8080", Started: time.Now()}, cluster.LeadTTL)
			return err
		}, "a gateway runs on the target, host at 10.0.0.7:8080, heard "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := openPostgres(t)
			if err := use.how(t, to); err != nil {
				t.Fatal(err)
			}
			before := take(t, to)
			err := database.Copy(t.Context(), from, to, func(int) {})
			if model.KindOf(err) != model.KindConflict || !strings.Contains(err.Error(), use.want) || !strings.Contains(err.Error(), "Nothing was written") {
				t.Errorf("%v, want %s: %s", err, model.KindConflict, use.want)
			}
			if diff := cmp.Diff(before, take(t, to)); diff != "" {
				t.Errorf("the target was changed:\n%s", diff)
			}
		})
	}
}

// What changed in the source since an earlier copy is no reason to refuse the
// target, and neither is a gateway that ended.
func TestACopyGoesOnWhenTheSourceChanged(t *testing.T) {
	onBoth(t, func(t *testing.T, from, to target) {
		if err := database.Copy(t.Context(), from, to, func(int) {}); err != nil {
			t.Fatal(err)
		}
		if p, ok := to.(*postgres.Store); ok {
			if _, err := p.Beat(t.Context(), cluster.Member{ID: "g", Started: time.Now()}, cluster.LeadTTL); err != nil {
				t.Fatal(err)
			}
			if err := p.Depart(t.Context(), "g"); err != nil {
				t.Fatal(err)
			}
		}
		limit := 9 * model.USD
		_, stored := from.Ingest(t.Context(), event.Batch{Calls: []event.Call{storetest.Sample(calls)}})
		for _, err := range []error{
			from.SaveBudget(t.Context(), budget.Budget{Name: "c", LimitUSD: &limit}),
			from.DeleteBudget(t.Context(), "b"),
			from.DeleteAlertRule(t.Context(), "r"),
			from.SaveKey(t.Context(), key.Stored{ID: "k", Number: 4, Doc: json.RawMessage(`{"n": 2}`)}),
			stored,
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := database.Copy(t.Context(), from, to, func(int) {}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(take(t, from), take(t, to)); diff != "" {
			t.Errorf("from -, to +:\n%s", diff)
		}
	})
}
