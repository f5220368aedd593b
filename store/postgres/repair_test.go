package postgres_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
	"github.com/cartrita/cartrita/store/postgres"
)

// TestARebuildUnderLoad: calls are stored while it reads and while it replaces
// rows, and the sums are those of all calls in the end.
func TestARebuildUnderLoad(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	s := open(t, url)
	stored := 0
	store := func(n int) {
		t.Helper()
		b := event.Batch{Spool: fmt.Sprint("s", stored%2), Position: event.Position{Segment: 1, Offset: int64(stored)}, Calls: samples(stored, stored+n)}
		if _, err := s.Ingest(t.Context(), b); err != nil {
			t.Error(err)
		}
		stored += n
	}
	for range 20 {
		store(33)
	}
	sql(t, url, `UPDATE cost_rollup SET calls = calls + 3, cost = cost + 7, latency_ms = 'NaN' WHERE abs(hashtext(value || hour::text || target)) % 3 = 0;
		DELETE FROM cost_rollup WHERE abs(hashtext(value || hour::text || target)) % 3 > 0;
		UPDATE cost_sums SET output = output + 5 WHERE calls % 2 = 0;
		UPDATE budget_spend SET cost = cost + 11, tokens = tokens / 2`)
	postgres.SetAnswerTimeout(s, 5*time.Second)

	var load sync.WaitGroup
	read, during := 0, 0
	stop := make(chan struct{})
	a, err := s.Audit(t.Context(), true, func(n int) {
		before := stored
		if read += n; read < 660 {
			store(33)
		} else { // the rest beside what is replaced
			load.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						store(7)
					}
				}
			})
			return
		}
		during += stored - before
	})
	close(stop)
	load.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if a.Differ() < 300 || a.Calls != 660 {
		t.Fatalf("%d rows differ from those of %d calls", a.Differ(), a.Calls)
	}
	if during == 0 || stored == 660+during {
		t.Errorf("%d calls were stored while calls were read, %d in all", during, stored)
	}
	// A number that was none stays none where calls came meanwhile.
	if a, err = s.Audit(t.Context(), true, func(int) {}); err != nil {
		t.Fatal(err)
	}
	for i := range a.Rollups {
		for _, c := range a.Rollups[i].Columns() {
			if c.Name != "latency_ms" {
				t.Errorf("%+v: %+v", a.Rollups[i].Row, c)
			}
		}
	}
	if len(a.Spending) > 0 {
		t.Errorf("%+v", a.Spending)
	}
	if a, err = s.Audit(t.Context(), false, func(int) {}); err != nil || !a.Agrees() || a.Calls != int64(stored) {
		t.Errorf("in the end: %d of %d calls, %+v, %+v, %v", a.Calls, stored, a.Rollups, a.Spending, err)
	}
}

// TestARebuildOfMoreThanIsListed replaces what no list holds.
func TestARebuildOfMoreThanIsListed(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	s := open(t, url)
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: samples(0, 100)}); err != nil {
		t.Fatal(err)
	}
	sql(t, url, fmt.Sprintf(`INSERT INTO cost_sums SELECT unit, 'user', start, 'nobody ' || n, target, task, strategy, calls, failed, unpriced, cost, estimated, input, cached_read, cache_write,
		output, reasoning, latency_ms, latency_calls, ttft_ms, ttft_calls FROM (SELECT * FROM cost_sums WHERE unit = 'month' LIMIT 1) x, generate_series(1, %d) n`, database.MaxDifferences+300))
	a, err := s.Audit(t.Context(), true, func(int) {})
	if err != nil || a.SumsDiffer != database.MaxDifferences+300 {
		t.Fatalf("%+v, %v", a, err)
	}
	if a, err = s.Audit(t.Context(), false, func(int) {}); err != nil || !a.Agrees() {
		t.Errorf("afterwards %d rows differ, %v", a.Differ(), err)
	}
}

// TestARebuildBesideGateways: a gateway that runs learns what is different, and
// what it and others recorded themselves stays theirs: nobody counts it twice.
func TestARebuildBesideGateways(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	s := open(t, url)
	for i, spool := range []string{"a", "b"} {
		if _, err := s.Join(t.Context(), spool, spool); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Ingest(t.Context(), event.Batch{Spool: spool, Position: event.Position{Segment: 1}, Calls: samples(100*i, 100*i+100)}); err != nil {
			t.Fatal(err)
		}
	}
	look := func(after int64) (*budget.Sight, map[string]budget.Spent) {
		t.Helper()
		sight, err := s.Look(t.Context(), budget.Query{Spool: "a", After: after})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]budget.Spent{}
		for _, r := range sight.Spent {
			out[fmt.Sprintf("%s %s %d", r.Spool, r.Budget, r.Period.Unix())] = r.Spent
		}
		return sight, out
	}
	_, right := look(0)
	sql(t, url, `INSERT INTO budget_spend (budget, period, calls, cost, assumed, tokens, requests) SELECT DISTINCT ON (budget, period) budget, period, 3, 1000, 0, 5, 3 FROM budget_spend`)
	sight, wrong := look(0)
	if len(wrong) <= len(right) {
		t.Fatalf("%d rows, before the damage %d", len(wrong), len(right))
	}
	if a, err := s.Audit(t.Context(), true, func(int) {}); err != nil || a.SpendsDiffer == 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	_, after := look(0)
	if fmt.Sprint(after) != fmt.Sprint(right) {
		t.Errorf("recorded are %v\nwant %v", after, right)
	}

	// What is missing is nobody's, and those that run learn of it.
	sql(t, url, `DELETE FROM budget_spend WHERE spool = 'b'`)
	if a, err := s.Audit(t.Context(), true, func(int) {}); err != nil || a.SpendsDiffer == 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	_, learned := look(sight.Clock)
	_, all := look(0)
	for k, want := range right {
		if k[0] == 'a' {
			if all[k] != want {
				t.Errorf("%s: %+v, want %+v", k, all[k], want)
			}
		} else if nobody := k[1:]; learned[nobody].USD != want.USD || learned[nobody].Requests != want.Requests {
			t.Errorf("%s: learned %+v, want %+v", k, learned[nobody], want)
		}
	}
}

// One connection is not enough: a rebuild says so before it reads anything.
func TestARebuildWantsTwoConnections(t *testing.T) {
	t.Parallel()
	s, err := postgres.Open(t.Context(), postgres.Config{URL: testserver.Database(t), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	postgres.SetAnswerTimeout(s, 100*time.Millisecond)
	if _, err := s.Audit(t.Context(), false, func(int) {}); err != nil {
		t.Errorf("a comparison: %v", err)
	}
	if _, err := s.Audit(t.Context(), true, func(int) {}); model.KindOf(err) != model.KindInvalid || !strings.Contains(err.Error(), "pool_max_conns") {
		t.Errorf("a rebuild: %v", err)
	}
}
