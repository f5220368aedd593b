package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/postgres"
	"github.com/cartrita/cartrita/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// sql runs statements past the store.
func sql(t testing.TB, url, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}

// query runs one statement past the store and returns its rows as texts, "" for NULL.
func query(t testing.TB, url, statement string) (out [][]string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), statement, pgx.QueryExecModeSimpleProtocol) // answers in texts
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var row []string
		for _, text := range rows.RawValues() {
			row = append(row, string(text))
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return out
}

func samples(from, to int) []event.Call {
	var out []event.Call
	for n := from; n < to; n++ {
		out = append(out, storetest.Sample(n))
	}
	return out
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Store { return open(t, testserver.Database(t)) })
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	storetest.RunDatabase(t, func(t *testing.T) (storetest.Database, func(string) [][]string) {
		url := testserver.Database(t)
		return open(t, url), func(statement string) [][]string { return query(t, url, statement) }
	})
}

func TestSeveralProcessesOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 2})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			v := registry.Version{ID: model.ModelID(fmt.Sprint(i)), Number: 1, At: time.Now(), Action: registry.ActionAdd, Doc: json.RawMessage(`{}`)}
			if err := s.SaveModels(t.Context(), []registry.Version{v}); err != nil {
				t.Error(err)
			}
			for n := range 5 {
				if _, err := s.Ingest(t.Context(), event.Batch{Calls: samples(10*n+i, 10*n+i+1)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s := open(t, url)
	if got, err := s.LoadModels(t.Context()); err != nil || len(got) != 8 {
		t.Errorf("%d records, %v", len(got), err)
	}
	stored(t, s, 40)
}

// stored checks that so many calls are stored and counted, each once.
func stored(t *testing.T, s *postgres.Store, want int) {
	t.Helper()
	seen := map[model.CallID]bool{}
	seqs := map[int64]bool{}
	for f := (event.Filter{Limit: 500}); ; {
		page, err := s.Calls(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Calls {
			if seen[c.ID] || seqs[c.Seq] {
				t.Fatalf("call %s, number %d, is there twice", c.ID, c.Seq)
			}
			seen[c.ID], seqs[c.Seq] = true, true
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	report, err := s.Costs(t.Context(), event.CostQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != want || report.Total.Calls != int64(want) {
		t.Errorf("%d calls are stored, %d counted; want %d", len(seen), report.Total.Calls, want)
	}
}

// Two processes store the same calls, cut into other batches, while a third
// follows by the calls' numbers and must see each.
func TestTwoProcessesStoreTheSameCalls(t *testing.T) {
	t.Parallel()
	const calls = 600
	url := testserver.Database(t)
	reader := open(t, url)
	var writers sync.WaitGroup
	for i, size := range []int{70, 110} {
		s := open(t, url)
		writers.Go(func() {
			for from := 0; from < calls; from += size - 20 { // overlaps with its own as well
				b := event.Batch{Spool: fmt.Sprint(i), Position: event.Position{Segment: 1, Offset: int64(from + 1)}, Calls: samples(from, min(from+size, calls))}
				if _, err := s.Ingest(t.Context(), b); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	followed := map[model.CallID]bool{}
	last, writing := int64(0), true
	for writing {
		select {
		case <-done:
			writing = false // one more look
		default:
		}
		upTo := last
		for f := (event.Filter{Limit: 50}); ; {
			page, err := reader.Calls(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page.Calls {
				if c.Seq > upTo {
					followed[c.ID] = true
					last = max(last, c.Seq)
				}
			}
			if f.Cursor = page.Next; f.Cursor == "" || page.Calls[len(page.Calls)-1].Seq <= upTo {
				break
			}
		}
	}
	if len(followed) != calls {
		t.Errorf("who followed saw %d of %d calls", len(followed), calls)
	}
	stored(t, reader, calls)
	single := open(t, testserver.Database(t))
	if _, err := single.Ingest(t.Context(), event.Batch{Calls: samples(0, calls)}); err != nil {
		t.Fatal(err)
	}
	want, err := single.BudgetSpend(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := reader.BudgetSpend(t.Context(), time.Time{}); err != nil || !slices.Equal(got, want) {
		t.Errorf("budgets are charged %v, want %v, %v", got, want, err)
	}
}

func TestADatabaseOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	open(t, url)
	sql(t, url, `INSERT INTO cartrita_schema (number) VALUES (999)`)
	if _, err := postgres.Open(t.Context(), postgres.Config{URL: url}); model.KindOf(err) != model.KindConflict {
		t.Errorf("got %v, want a conflict", err)
	}
}

func TestAServerThatStopsIsUnavailableAndComesBack(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t)
	s := open(t, server.URL())
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: samples(0, 20)}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	failed := 0
	wg.Go(func() { // goes on as the log does: the same batch until it is stored
		for n := 20; ; n += 10 {
			b := event.Batch{Spool: "s", Position: event.Position{Segment: 1, Offset: int64(n + 10)}, Calls: samples(n, n+10)}
			for {
				_, err := s.Ingest(t.Context(), b)
				if err == nil {
					break
				}
				if model.KindOf(err) != model.KindUnavailable {
					t.Errorf("got %v, want unavailable", err)
					return
				}
				failed++
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range 3 {
		time.Sleep(50 * time.Millisecond) // in the middle of whatever it does
		server.Stop(t)
		if _, err := s.Costs(t.Context(), event.CostQuery{}); model.KindOf(err) != model.KindUnavailable {
			t.Errorf("got %v, want unavailable", err)
		}
		server.Start(t)
	}
	close(stop)
	wg.Wait()
	if failed == 0 {
		t.Error("no batch met a stopped server")
	}
	p, err := s.Position(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	stored(t, s, int(p.Offset))
}

func TestWhoWaitsTooLongGivesUp(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	s := open(t, url)
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: samples(0, 1)}); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT last FROM call_clock FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	postgres.SetAnswerTimeout(s, 50*time.Millisecond)
	b := event.Batch{Spool: "s", Position: event.Position{Segment: 1}, Calls: samples(1, 2)}
	if _, err := s.Ingest(t.Context(), b); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("got %v, want unavailable", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	postgres.SetAnswerTimeout(s, time.Minute)
	if _, err := s.Ingest(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	stored(t, s, 2)
}

// A log tells which database is away; a caller learns only that one is.
func TestAnErrorSaysWhichDatabase(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	s := open(t, url)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	postgres.SetAnswerTimeout(s, time.Nanosecond)
	_, err = s.LoadKeys(t.Context())
	where := config.Database + " at " + net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
	if model.KindOf(err) != model.KindUnavailable || !strings.Contains(err.Error(), "the database cannot be reached: "+where+": ") {
		t.Errorf("%v; want it to name %s", err, where)
	}
	if e := model.AsError(err); e.Message != "the database cannot be reached" {
		t.Errorf("a caller reads %q", e.Message)
	}
}

// A server that takes connections and never answers.
func TestASilentServerIsUnavailable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = postgres.Open(t.Context(), postgres.Config{URL: "postgres://ada:hunter2@" + l.Addr().String() + "/db?connect_timeout=1"})
	if model.KindOf(err) != model.KindUnavailable {
		t.Errorf("got %v, want unavailable", err)
	}
}

func TestErrorsDoNotRepeatThePassword(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]model.Kind{
		"":                                                         model.KindInvalid,
		"mysql://ada:hunter2@h/d":                                  model.KindInvalid,
		"postgres://ada:hunter2@h:port/d":                          model.KindInvalid,
		"postgres://ada:hunter2%zz@h/d":                            model.KindInvalid,
		"postgres://ada:hunter2@h/d?x=%zz":                         model.KindInvalid,
		"postgres://ada:hunter2@127.0.0.1:1/d":                     model.KindUnavailable,
		"postgres://h/d?sslmode=hunter2":                           model.KindInvalid,
		"postgres://127.0.0.1:1/d?user=ada&password=hunter2":       model.KindUnavailable,
		"postgres://ada:hunter2@127.0.0.1:1,127.0.0.1:2/d":         model.KindUnavailable,
		"postgres://ada:hunter2@localhost:1/d?sslmode=verify-full": model.KindUnavailable,
	} {
		_, err := postgres.Open(t.Context(), postgres.Config{URL: url})
		if model.KindOf(err) != want {
			t.Errorf("%q gives %v, want %v", url, err, want)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(fmt.Sprintf("%+v", err), "hunter2") {
				t.Errorf("%q: the error holds the password: %v", url, err)
			}
		}
	}
	if _, err := postgres.Open(t.Context(), postgres.Config{URL: "postgres://h/d", MaxConns: -1}); model.KindOf(err) != model.KindInvalid {
		t.Errorf("-1 connections give %v", err)
	}
}

// What a caller names itself may be any bytes; the call is counted all the same.
func TestAnyTextIsCounted(t *testing.T) {
	t.Parallel()
	s := open(t, testserver.Database(t))
	users := []string{"a\x00", "a\x00b", "\xff", strings.Repeat("x", 10_000) + "1", strings.Repeat("x", 10_000) + "2", strings.Repeat("ä", 5_000)}
	var calls []event.Call
	for i, user := range users {
		c := storetest.Sample(i)
		c.User, c.Tags = user, []string{user, "plain"}
		c.Charges = []model.Charge{{Budget: model.BudgetID("users/" + user), Period: c.Ended, Cost: 1}}
		calls = append(calls, c)
	}
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: calls}); err != nil {
		t.Fatal(err)
	}
	stored(t, s, len(users))
	for i, user := range users {
		if calls[i].Tags[0] != user {
			t.Error("a call of the batch was changed")
		}
		page, err := s.Calls(t.Context(), event.Filter{User: user})
		if err != nil || len(page.Calls) != 1 || page.Calls[0].ID != calls[i].ID {
			t.Errorf("user %d has %d calls, %v", i, len(page.Calls), err)
		}
		if page, err = s.Calls(t.Context(), event.Filter{Tag: user}); err != nil || len(page.Calls) != 1 {
			t.Errorf("tag %d has %d calls, %v", i, len(page.Calls), err)
		}
		if report, err := s.Costs(t.Context(), event.CostQuery{User: user}); err != nil || report.Total.Calls != 1 {
			t.Errorf("user %d is counted %d calls, %v", i, report.Total.Calls, err)
		}
	}
	if spend, err := s.BudgetSpend(t.Context(), time.Time{}); err != nil || len(spend) != len(users) {
		t.Errorf("%d budgets are charged, %v", len(spend), err)
	}
}

// The spool of a process that could not reach the database for a while comes
// late: its calls are found by when they ended.
func TestLateCallsAreFoundByTheirTime(t *testing.T) {
	t.Parallel()
	s := open(t, testserver.Database(t))
	for _, calls := range [][]event.Call{samples(100, 200), samples(0, 50), samples(200, 300)} {
		if _, err := s.Ingest(t.Context(), event.Batch{Calls: calls}); err != nil {
			t.Fatal(err)
		}
	}
	since, until := storetest.Sample(20).Ended, storetest.Sample(120).Ended
	page, err := s.Calls(t.Context(), event.Filter{Since: since, Until: until, Limit: 500})
	if err != nil || len(page.Calls) != 30+20 {
		t.Errorf("%d calls are listed, want 50, %v", len(page.Calls), err)
	}
	walked := 0
	if err := s.Walk(t.Context(), since, until, func(calls []event.Call) error { walked += len(calls); return nil }); err != nil || walked != 50 {
		t.Errorf("%d calls are walked, want 50, %v", walked, err)
	}
	if page, err = s.Calls(t.Context(), event.Filter{Until: storetest.Sample(0).Ended}); err != nil || len(page.Calls) != 0 {
		t.Errorf("%d calls ended before the first, %v", len(page.Calls), err)
	}
}

// Numbers of targets are remembered; a database restored to before they were
// given gives them anew.
func TestARestoredDatabaseIsNotTakenForBadCalls(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	s := open(t, url)
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: samples(0, 20)}); err != nil {
		t.Fatal(err)
	}
	sql(t, url, `TRUNCATE calls, call_blocks, cost_rollup, cost_sums, targets`)
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: samples(10, 30)}); err != nil {
		t.Fatal(err)
	}
	stored(t, s, 20)
}
