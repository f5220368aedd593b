package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/storetest"
)

// What the migrations of coarser sums work out and move is what calls are counted
// as.
func TestCoarseSumsOfWhatWasStoredBefore(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: testserver.Database(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	storetest.OverMonths(t, s)
	again := `DROP TABLE cost_sums CASCADE; DROP AGGREGATE sum_bigint (bigint);
		ALTER TABLE cost_rollup ADD CONSTRAINT cost_rollup_target_fkey FOREIGN KEY (target) REFERENCES targets (id); `
	for _, name := range []string{"0008_cost_sums", "0016_cost_sums_apart"} {
		script, err := migrations.ReadFile("migrations/" + name + ".sql")
		if err != nil {
			t.Fatal(err)
		}
		again += string(script)
	}
	if _, err = s.pool.Exec(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Audit(t.Context(), false, func(int) {}); err != nil || !a.Agrees() || a.Sums < 1000 {
		t.Errorf("%v: %+v", err, a)
	}
}

// connected returns a connection that ends with the test.
func connected(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// version makes a database of an earlier version, and connects to it.
func version(t *testing.T, number int) (url string, conn *pgx.Conn) {
	t.Helper()
	url = testserver.Database(t)
	conn = connected(t, url)
	names, err := migrationNames()
	if err != nil {
		t.Fatal(err)
	}
	err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		if _, err := startedSchema(t.Context(), tx); err != nil {
			return err
		}
		for i, name := range names[:number] {
			if err := apply(t.Context(), tx, i+1, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return url, conn
}

// People make views of the documented ones, and let others read them. Neither
// stands in the way of a migration, nor is lost by it.
func TestAMigrationLeavesWhatPeopleMadeOfViews(t *testing.T) {
	t.Parallel()
	url, conn := version(t, 15)
	role := fmt.Sprintf("analyst_%d", time.Now().UnixNano())
	for _, stmt := range []string{
		`CREATE ROLE ` + role,
		`GRANT SELECT ON model_daily_costs, cost_sums TO ` + role,
		`CREATE SCHEMA reports`,
		`CREATE VIEW reports.days AS SELECT day, sum(cost_usd) AS cost FROM model_daily_costs GROUP BY 1`,
	} {
		if _, err := conn.Exec(t.Context(), stmt); err != nil {
			t.Fatalf("%s: %v", stmt, err)
		}
	}
	defer func() {
		if _, err := conn.Exec(t.Context(), `DROP OWNED BY `+role+`; DROP ROLE `+role); err != nil {
			t.Error(err)
		}
	}()
	s, err := Open(t.Context(), Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{storetest.Sample(20)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `SET ROLE `+role+`; SELECT * FROM model_daily_costs; SELECT * FROM cost_sums; RESET ROLE`); err != nil {
		t.Errorf("who was allowed to read: %v", err)
	}
	var days int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM reports.days`).Scan(&days); err != nil || days != 1 {
		t.Errorf("the view has %d days, %v", days, err)
	}
}

// What no waiting would help is no database that is away: who starts a gateway is
// told what stands in the way.
func TestAMigrationThatCannotBeAppliedIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	url, conn := version(t, 15)
	if _, err := conn.Exec(t.Context(), `CREATE VIEW mine AS SELECT value FROM cost_sums`); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{URL: url})
	if Away(err) || model.KindOf(err) != model.KindConflict || !strings.Contains(err.Error(), "0016_cost_sums_apart") || !strings.Contains(err.Error(), "view mine depends on") {
		t.Errorf("%v", err)
	}
}

// A migration waits for others for a while only, and tells that it goes on for as
// long as it takes itself.
func TestAMigrationWaitsForLocksForAWhileOnly(t *testing.T) {
	t.Parallel()
	url, conn := version(t, 1)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var told strings.Builder
	m := newMigration(Config{Logger: slog.New(slog.NewTextHandler(&told, nil))}, pool)
	m.lockWait, m.tableWait, m.pause, m.remind = 300*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond, 20*time.Millisecond
	for _, held := range []string{`LOCK TABLE calls`, `SELECT pg_advisory_xact_lock(hashtext('cartrita ' || current_schema()), 1)`} {
		err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), held); err != nil {
				return err
			}
			_, err := m.run(t.Context())
			return err
		})
		if err = notOpened("postgres.Open", pool.Config().ConnConfig, err); !Away(err) || !strings.Contains(err.Error(), "another process holds a lock") {
			t.Errorf("%s: %v", held, err)
		}
	}
	if want := fmt.Sprintf("a table is in use; it is tried again every few seconds, so that calls are stored meanwhile\" migration=0010_views used_by=\"process %d of ", conn.PgConn().PID()); !strings.Contains(told.String(), want) {
		t.Errorf("it does not say what it waits for: %s", told.String())
	}
	told.Reset()
	m.remind = 2 * time.Millisecond
	if applied, err := m.run(t.Context()); err != nil || len(applied) == 0 {
		t.Errorf("then: %v, %v", applied, err)
	}
	if !strings.Contains(told.String(), "still being brought up to date") || strings.Contains(told.String(), "in use") {
		t.Errorf("it does not say that it goes on: %s", told.String())
	}
	// Of a schema that is up to date nobody waits for who makes an index.
	err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		if err := lock(t.Context(), tx, lockSchema); err != nil {
			return err
		}
		_, err := m.run(t.Context())
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A backup reads every table for as long as it takes. A migration that waits for
// one of them keeps nobody else waiting for long.
func TestAMigrationBehindAReaderLetsOthersStore(t *testing.T) {
	t.Parallel()
	url, backup := version(t, 1)
	gateway := connected(t, url)
	reading, err := backup.Begin(t.Context())
	if err == nil {
		_, err = reading.Exec(t.Context(), `LOCK TABLE calls, cost_rollup IN ACCESS SHARE MODE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	m := newMigration(Config{Logger: slog.New(slog.DiscardHandler)}, pool)
	m.tableWait, m.pause = 100*time.Millisecond, 200*time.Millisecond
	applied := make(chan error, 1)
	go func() { _, err := m.run(t.Context()); applied <- err }()
	var slowest time.Duration
	for began := time.Now(); time.Since(began) < 2*time.Second || slowest < m.tableWait/2 && time.Since(began) < 20*time.Second; time.Sleep(time.Millisecond) {
		asked := time.Now()
		if _, err := gateway.Exec(t.Context(), `SELECT count(*) FROM calls, cost_rollup`); err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(asked))
	}
	if slowest < m.tableWait/2 || slowest > m.lockWait/4 {
		t.Errorf("while the migration waited, a question took %v at most", slowest)
	}
	select {
	case err := <-applied:
		t.Fatalf("it is over before the backup is: %v", err)
	default:
	}
	if err := reading.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-applied; err != nil {
		t.Error(err)
	}
}

// A database of the first version, with a call and its sums in it, is brought
// forward by several processes at once: one migrates, nothing is lost.
func TestADatabaseOfTheFirstVersionIsBroughtForward(t *testing.T) {
	t.Parallel()
	url, conn := version(t, 1)
	for _, stmt := range []string{
		`INSERT INTO targets (endpoint, model, provider) VALUES ('p/m', 'm', 'p')`,
		`INSERT INTO calls (id, seq, ended, target, state, task) VALUES ('01900000-0000-7000-8000-000000000001', 1, '2026-11-24 10:00Z', 1, 'completed', 'chat-completions')`,
		`INSERT INTO cost_rollup VALUES ('', '2026-11-24 10:00Z', '', 1, 'chat-completions', 'balanced', 2, 1, 0, 5000000000, 7, 100, 10, 0, 20, 0, 3.5, 1, 1.5, 1)`,
		`INSERT INTO cost_rollup VALUES ('user', '2026-11-24 10:00Z', 'u', 1, 'chat-completions', 'balanced', 1, 0, 0, 3000000000, 7, 100, 10, 0, 20, 0, 3.5, 1, 1.5, 1)`,
		`INSERT INTO budget_spend VALUES ('all', '2026-11-24', 2, 5000000000, 0, 120, 2)`,
		`INSERT INTO notices (id, kind, key, at, data) VALUES ('n', 'price.unknown', 'k', '2026-11-24', '{}')`,
	} {
		if _, err := conn.Exec(t.Context(), stmt); err != nil {
			t.Fatalf("%s: %v", stmt, err)
		}
	}
	var wg sync.WaitGroup
	applied := make([]int, 4)
	for i := range applied {
		wg.Go(func() {
			done, err := Migrate(t.Context(), Config{URL: url})
			if err != nil {
				t.Error(err)
			}
			applied[i] = len(done)
		})
	}
	wg.Wait()
	names, err := migrationNames()
	if err != nil || applied[0]+applied[1]+applied[2]+applied[3] != len(names)-1 {
		t.Errorf("%v: applied %v of %d", err, applied, len(names)-1)
	}
	s, err := Open(t.Context(), Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, by := range []event.Dimension{event.ByUser, event.ByDay} {
		r, err := s.Costs(t.Context(), event.CostQuery{By: by})
		if err != nil || r.Total.Cost != 5*model.USD || r.Total.Calls != 2 {
			t.Errorf("by %s: %+v, %v", by, r, err)
		}
	}
	if spent, err := s.BudgetSpend(t.Context(), time.Time{}); err != nil || len(spent) != 1 || spent[0].Cost != 5*model.USD {
		t.Errorf("budgets: %+v, %v", spent, err)
	}
	if n, err := s.Notices(t.Context(), nil, time.Time{}, time.Time{}, 10); err != nil || len(n) != 1 {
		t.Errorf("notices: %+v, %v", n, err)
	}
}
