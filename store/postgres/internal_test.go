package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{URL: testserver.Database(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// callAt makes a call with the id of one time that ended at another.
func callAt(received, ended time.Time) event.Call {
	id := model.NewCallID()
	at := firstIDAt(received.UnixMilli())
	copy(id[:6], at[:6])
	return event.Call{
		Ended:      ended,
		Summary:    event.Summary{ID: id, State: model.StateCompleted, Model: "m", Endpoint: "p/m", Provider: "p"},
		RecordJSON: []byte(`{"call_id":"` + id.String() + `"}`),
	}
}

// tables counts the calls in each partition.
func tables(t *testing.T, s *Store, parent string) map[string]int {
	t.Helper()
	rows, err := s.pool.Query(t.Context(), `SELECT tableoid::regclass::text, count(*) FROM `+parent+` GROUP BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	var name string
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&name, &n}, func() error { out[name] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPartitionsAreThereBeforeTheyAreNeeded(t *testing.T) {
	t.Parallel()
	s := open(t)
	partitions := func() (out []string) {
		rows, err := s.pool.Query(t.Context(), `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'calls'::regclass ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		out, err = pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := []string{"calls_default"}
	next := func(n month) string { return "calls" + (monthOf(time.Now()) + n).begin().Format("_2006_01") }
	for n := range month(monthsAhead + 1) {
		want = append(want, next(n))
	}
	slices.Sort(want)
	if got := partitions(); !slices.Equal(got, want) {
		t.Errorf("a new database has %v, want %v", got, want)
	}
	s.now = func() time.Time { return (monthOf(time.Now()) + 1).begin() } // a month passes
	if _, err := s.Ingest(t.Context(), event.Batch{}); err != nil {
		t.Fatal(err)
	}
	if got := partitions(); !slices.Contains(got, next(monthsAhead+1)) {
		t.Errorf("a month later it has %v", got)
	}
}

// A call of a date for which there is no partition is kept, found, known when it
// comes again, and moves when its month gets a partition.
func TestCallsOfOddDatesAreKept(t *testing.T) {
	t.Parallel()
	s := open(t)
	now := time.Now()
	ahead := (monthOf(now) + 8).begin().Add(time.Hour)
	calls := []event.Call{
		callAt(now, now), callAt(now.AddDate(-2, 0, 0), now.AddDate(-2, 0, 0)), callAt(time.UnixMilli(0), time.UnixMilli(1)), callAt(ahead, ahead),
	}
	for range 2 {
		if _, err := s.Ingest(t.Context(), event.Batch{Calls: calls}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(inDefault int) {
		t.Helper()
		if got := tables(t, s, "calls"); got["calls_default"] != inDefault || got["calls"+monthOf(now.AddDate(-2, 0, 0)).begin().Format("_2006_01")] != 1 {
			t.Errorf("calls are in %v, want %d in the default partition", got, inDefault)
		}
		for _, c := range calls {
			if rec, err := s.Call(t.Context(), c.ID); err != nil || rec.ID != c.ID {
				t.Errorf("a call comes back as %+v, %v", rec, err)
			}
		}
		if page, err := s.Calls(t.Context(), event.Filter{}); err != nil || len(page.Calls) != len(calls) {
			t.Errorf("%d calls are listed, %v", len(page.Calls), err)
		}
	}
	check(2)
	s.now = func() time.Time { return ahead.AddDate(0, -1, 0) }
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: calls}); err != nil {
		t.Fatal(err)
	}
	check(1)
	if got := tables(t, s, "call_blocks"); got["call_blocks_default"] != 0 && len(got) < 2 {
		t.Errorf("blocks are in %v", got)
	}
}

// A reader that holds the default partition keeps it from changing; calls are
// stored nevertheless, and the partition is made later.
func TestAPartitionThatCannotBeMadeIsMadeLater(t *testing.T) {
	t.Parallel()
	s := open(t)
	old := time.Now().AddDate(-1, 0, 0)
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT * FROM calls_default`); err != nil {
		t.Fatal(err)
	}
	first := callAt(old, old)
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{first}}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	own := "calls" + monthOf(old).begin().Format("_2006_01")
	if got := tables(t, s, "calls"); got["calls_default"] != 1 {
		t.Errorf("the call is in %v", got)
	}
	s.now = func() time.Time { return time.Now().Add(2 * partitionRetry) }
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{first, callAt(old, old)}}); err != nil {
		t.Fatal(err)
	}
	if got := tables(t, s, "calls"); got[own] != 2 || got["calls_default"] != 0 {
		t.Errorf("the calls are in %v, want both in %s", got, own)
	}
}

func TestMonths(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 31, 23, 59, 59, 999, time.UTC), time.Date(1969, 7, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 6, 30, 23, 0, 0, 0, time.FixedZone("west", -5*3600)), // July in UTC
	} {
		m := monthOf(at)
		if m.begin().After(at) || !(m + 1).begin().After(at) || m.begin().Day() != 1 {
			t.Errorf("%v is in the month of %v", at, m.begin())
		}
		if at.Year() < 1970 {
			continue // no id has such a time
		}
		if low := firstIDAt(m.begin().UnixMilli()); !idTime(low).Equal(m.begin()) {
			t.Errorf("the first id of %v is of %v", m.begin(), idTime(low))
		}
	}
	if id := model.NewCallID(); time.Since(idTime(id)).Abs() > time.Minute {
		t.Errorf("a new id is of %v", idTime(id))
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{"": "", "ä": "ä", "a\x00b": "a\uFFFDb", "a\xffb": "a\uFFFDb"} {
		if got := text(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	long := strings.Repeat("€", 3000)
	if a, b := text(long+"a"), text(long+"b"); len(a) > maxText || a == b || !strings.HasPrefix(a, "€€") {
		t.Errorf("long texts become %d bytes, %q and %q", len(a), a[len(a)-20:], b[len(b)-20:])
	}
}

// TestNoQueryLooksAtEverything asks PostgreSQL how it would answer over a few
// thousand calls: every question has to go through an index.
func TestNoQueryLooksAtEverything(t *testing.T) {
	t.Parallel()
	s := open(t)
	at := monthOf(time.Now()).begin()
	for n := range 3 {
		var calls []event.Call
		for i := range 2000 {
			at = at.Add(time.Second)
			c := callAt(at, at)
			c.Endpoint = model.EndpointID(fmt.Sprint("p/", i%3))
			switch i % 200 {
			case n:
				c.User = "u"
			case n + 10:
				c.Workflow, c.Session = "w", "s"
			case n + 20:
				c.Key, c.Team, c.Project = "k", "t", "p"
			case n + 30:
				c.State = model.StateFailed
			}
			calls = append(calls, c)
		}
		if _, err := s.Ingest(t.Context(), event.Batch{Calls: calls}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.pool.Exec(t.Context(), `ANALYZE`); err != nil {
		t.Fatal(err)
	}
	month := monthOf(at).begin().Format("_2006_01")
	for name, c := range map[string]struct {
		f     event.Filter
		index string
	}{
		"all":                {event.Filter{}, "seq_idx"},
		"page":               {event.Filter{Cursor: "zzz"}, "seq_idx"},
		"since":              {event.Filter{Since: at.Add(-time.Minute)}, "seq_idx"},
		"until":              {event.Filter{Until: at.Add(-time.Hour)}, "seq_idx"},
		"one endpoint":       {event.Filter{Endpoint: "p/1"}, "target_expr_idx"},
		"a model at three":   {event.Filter{Model: "m"}, "target_expr_idx"},
		"a page of a model":  {event.Filter{Model: "m", Cursor: "zzz"}, "target_expr_idx"},
		"failed":             {event.Filter{State: model.StateFailed}, "expr_idx"},
		"user":               {event.Filter{User: "u"}, "user_id_expr_idx"},
		"workflow":           {event.Filter{Workflow: "w"}, "workflow_id_expr_idx"},
		"session":            {event.Filter{Session: "s"}, "session_id_expr_idx"},
		"key":                {event.Filter{Key: "k"}, "key_id_expr_idx"},
		"team":               {event.Filter{Team: "t"}, "team_expr_idx"},
		"project and a time": {event.Filter{Project: "p", Until: at}, "project_expr_idx"},
		"user and model":     {event.Filter{User: "u", Model: "m"}, "user_id_expr_idx"},
		"stage":              {event.Filter{Stage: "s"}, "stage_expr_idx"},
		"stage and model":    {event.Filter{Stage: "s", Model: "m"}, "stage_expr_idx"},
		"supervisor":         {event.Filter{Supervisor: "s"}, "supervisor_expr_idx"},
		"strategy":           {event.Filter{Strategy: "s"}, "strategy_expr_idx"},
		"decisions":          {event.Filter{State: model.StatePlanned}, "expr_idx1"},
		"of no such tag":     {event.Filter{Tag: "t"}, "expr_idx1"},
	} {
		q, err := s.selectCalls(t.Context(), c.f)
		if err != nil {
			t.Fatal(err)
		}
		if plan := explain(t, s, q.text, q.args); !strings.Contains(plan, "calls"+month+"_"+c.index+" ") || strings.Contains(plan, "Seq Scan on calls"+month) {
			t.Errorf("%s does not use its index:\n%s", name, plan)
		}
	}
}

func explain(t *testing.T, s *Store, query string, args []any) string {
	t.Helper()
	rows, err := s.pool.Query(t.Context(), "EXPLAIN "+query, args...)
	if err != nil {
		t.Fatalf("%v in %s", err, query)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%v in %s", err, query)
	}
	return strings.Join(lines, "\n")
}

// A process that freezes while it stores calls does not keep others from it.
func TestAFrozenWriterIsCutOff(t *testing.T) {
	t.Parallel()
	s := open(t)
	err := s.update(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		var limit, isolation string
		if err := tx.QueryRow(ctx, `SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('transaction_isolation')`).Scan(&limit, &isolation); err != nil {
			return err
		}
		if limit != "15s" || isolation != "read committed" {
			t.Errorf("the transaction may be idle for %s and is %s", limit, isolation)
		}
		if _, err := tx.Exec(ctx, `SET LOCAL idle_in_transaction_session_timeout = '1ms'; SELECT last FROM call_clock FOR UPDATE`); err != nil {
			return err
		}
		_, err := s.Ingest(ctx, event.Batch{Calls: []event.Call{callAt(time.Now(), time.Now())}}) // another connection
		return err
	})
	if model.KindOf(failure("", err)) != model.KindUnavailable {
		t.Errorf("the frozen transaction ends with %v", err)
	}
	if report, err := s.Costs(t.Context(), event.CostQuery{}); err != nil || report.Total.Calls != 1 {
		t.Errorf("%d calls are counted, %v", report.Total.Calls, err)
	}
}

// Numbers that are ahead already stay ascending, and the log says what that does.
func TestNumbersOfATimeToCome(t *testing.T) {
	t.Parallel()
	var told strings.Builder
	s, err := Open(t.Context(), Config{URL: testserver.Database(t), Logger: slog.New(slog.NewTextHandler(&told, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ahead := time.Now().AddDate(2, 0, 0).UnixMicro()
	if _, err := s.pool.Exec(t.Context(), `UPDATE call_clock SET last = $1`, ahead); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{callAt(time.Now(), time.Now())}}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Span(t.Context(), 0, ahead+3); err != nil || got.First != ahead+1 || got.Last != ahead+2 {
		t.Errorf("the calls have the numbers %+v, %v", got, err)
	}
	if n := strings.Count(told.String(), "numbers of a time to come"); n != 1 {
		t.Errorf("told %d times:\n%s", n, told.String())
	}
}
