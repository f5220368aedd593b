package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/archive"
	"github.com/cartrita/cartrita/store/batch"
	"github.com/cartrita/cartrita/store/database"
)

// Database is what a store does that keeps its sums in tables beside the calls.
type Database interface {
	Store
	archive.Store
	SumDay(ctx context.Context, over time.Time) (day time.Time, err error)
	Audit(ctx context.Context, repair bool, progress func(calls int)) (*database.Audit, error)
}

// RunDatabase runs the part of the suite that is for databases. open also
// returns what runs a statement past the store, to look and to do damage; the
// rows that it gives are texts, "" for NULL.
func RunDatabase(t *testing.T, open func(t *testing.T) (s Database, exec func(statement string) [][]string)) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Database, func(string) [][]string)
	}{
		{"audit/agrees", auditAgrees},
		{"audit/finds and repairs", auditRepairs},
		{"audit/anywhere", auditAnywhere},
		{"audit/while others write", auditConcurrent},
		{"past/questions", pastQuestions},
		{"past/late calls", pastLate},
		{"past/while others write", pastConcurrent},
		{"past/damage", pastDamage},
		{"archive/calls leave", archiveLeaves},
		{"archive/crashes", archiveCrashes},
		{"archive/late calls", archiveLate},
		{"archive/calls that come again", archiveAgain},
		{"archive/clock ahead", archiveAhead},
		{"archive/waits for sinks", archiveWaits},
		{"archive/drops", archiveDrops},
		{"archive/vectors of prompts", archivePrompts},
		{"views", views},
		{"trail/tampering", trailTampered},
		{"trail/rebuilt sums", trailOfRebuild},
		{"trail/strays", trailStrays},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, exec := open(t)
			c.test(t, s, exec)
		})
	}
}

// audited returns what an audit finds, which is of so many calls.
func audited(t *testing.T, s Database, repair bool, calls int) *database.Audit {
	t.Helper()
	read := 0
	a, err := s.Audit(t.Context(), repair, func(n int) { read += n })
	if err != nil {
		t.Fatal(err)
	}
	if a.Calls != int64(calls) || a.Rows != int64(calls) || read != calls {
		t.Errorf("%d calls in %d rows, %d of them told; want %d", a.Calls, a.Rows, read, calls)
	}
	return a
}

func auditAgrees(t *testing.T, s Database, _ func(string) [][]string) {
	if a := audited(t, s, false, 0); !a.Agrees() || a.Sums != 0 {
		t.Errorf("an empty store: %+v", a)
	}
	ingest(t, s, 130, append(samples(1500), decision(1500), refused(1501), unpaid(1502))...)
	for _, repair := range []bool{false, true} {
		a := audited(t, s, repair, 1503)
		if !a.Agrees() || a.Sums < 100 || a.Spends < 3 {
			t.Errorf("repair %v: %d and %d rows, %+v, %+v", repair, a.Sums, a.Spends, a.Rollups, a.Spending)
		}
	}
}

func auditRepairs(t *testing.T, s Database, exec func(string) [][]string) {
	ingest(t, s, 130, samples(600)...)
	before, err := s.Costs(t.Context(), event.CostQuery{By: event.ByTag})
	if err != nil {
		t.Fatal(err)
	}
	exec(`UPDATE cost_rollup SET cost = cost + 1, latency_ms = latency_ms + 0.5 WHERE dimension = '' AND task = 'embeddings' AND strategy = 'speed-first'`)
	exec(`DELETE FROM cost_rollup WHERE dimension = 'stage'`)
	exec(`UPDATE cost_rollup SET value = 'nobody' WHERE dimension = 'tag' AND value = 'batch'`)
	exec(`UPDATE cost_sums SET calls = calls + 1 WHERE unit = 'hour' AND dimension = ''`)
	exec(`DELETE FROM cost_sums WHERE unit = 'month' AND dimension = 'user'`)
	exec(`UPDATE cost_sums SET strategy = 'never' WHERE unit = 'day' AND dimension = '' AND strategy = 'balanced'`)
	exec(`UPDATE budget_spend SET tokens = tokens + 1 WHERE budget = 'all'`)
	exec(`UPDATE budget_spend SET budget = 'teams/team-9' WHERE budget = 'teams/team-1'`)

	found := audited(t, s, false, 600)
	kinds := map[string]int{}
	for i := range found.Rollups {
		d := &found.Rollups[i]
		kind := string(d.Row.Dimension) + " " + d.Row.Value
		if d.Row.Unit != "" {
			kind = string(d.Row.Unit) + " " + kind
			if d.Row.Unit == batch.Day {
				kind += d.Row.Strategy
			} else if d.Row.Dimension == event.ByUser {
				kind = string(d.Row.Unit) + " user"
			}
		}
		switch {
		case d.Stored == nil:
			kind += " is missing"
		case d.Computed == nil:
			kind += " is too many"
		default:
			for _, c := range d.Columns() {
				kind += " " + c.Name
			}
		}
		kinds[kind]++
	}
	for _, want := range []string{"  cost latency_ms", "stage draft is missing", "tag batch is missing", "tag nobody is too many",
		"hour   calls", "month user is missing", "day  balanced is missing", "day  never is too many"} {
		if kinds[want] == 0 {
			t.Errorf("%q is not found", want)
		}
		delete(kinds, want)
	}
	if len(kinds) > 0 {
		t.Errorf("found as well: %v", kinds)
	}
	var spent []string
	for i := range found.Spending {
		d := &found.Spending[i]
		for _, c := range d.Columns() {
			if c.Name == "tokens" {
				spent = append(spent, string(d.Budget)+" "+c.Stored+" "+c.Computed)
			}
		}
	}
	// 480 of 600 calls are charged, 10 tokens each; half of them to team 1.
	if want := []string{"all 4801 4800", "teams/team-1  2400", "teams/team-9 2400 "}; !slices.Equal(spent, want) {
		t.Errorf("spent: %q, want %q", spent, want)
	}

	if diff := cmp.Diff(found, audited(t, s, true, 600)); diff != "" {
		t.Errorf("the repair found something else:\n%s", diff)
	}
	if a := audited(t, s, false, 600); !a.Agrees() {
		t.Errorf("after the repair: %+v, %+v", a.Rollups, a.Spending)
	}
	after, err := s.Costs(t.Context(), event.CostQuery{By: event.ByTag})
	if diff := cmp.Diff(before, after, near); err != nil || diff != "" {
		t.Errorf("%v; before -, after +:\n%s", err, diff)
	}
	ingest(t, s, 100, samples(700)...) // goes on as before
	if a := audited(t, s, false, 700); !a.Agrees() {
		t.Errorf("after more calls: %+v, %+v", a.Rollups, a.Spending)
	}
}

// auditConcurrent sees whole batches only, and takes nothing from calls that are
// stored while it repairs.
func auditConcurrent(t *testing.T, s Database, _ func(string) [][]string) {
	const calls = 900
	var writing sync.WaitGroup
	done := make(chan struct{})
	writing.Go(func() {
		defer close(done)
		for i := 0; i < calls; i += 15 {
			if _, err := s.Ingest(t.Context(), event.Batch{Calls: samples(calls)[i : i+15]}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for repair, going := false, true; going; repair = !repair {
		a, err := s.Audit(t.Context(), repair, func(int) {})
		if err != nil || !a.Agrees() {
			t.Errorf("repair %v: %+v, %v", repair, a, err)
		}
		select {
		case <-done:
			going = false
		default:
		}
	}
	writing.Wait()
	if a := audited(t, s, false, calls); !a.Agrees() {
		t.Errorf("in the end: %+v, %+v", a.Rollups, a.Spending)
	}
}
