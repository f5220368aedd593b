package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/postgres"
	"github.com/cartrita/cartrita/store/sqlite"
	"github.com/cartrita/cartrita/store/storetest"
)

// dbBench is a bench with a database.
type dbBench struct {
	*bench
	open func() store               // as a gateway does
	exec func(statements ...string) // past the store
	next string                     // statement that makes the schema newer than the program
}

// onBothDatabases runs a test with SQLite and with PostgreSQL.
func onBothDatabases(t *testing.T, test func(t *testing.T, b *dbBench)) {
	t.Run("sqlite", func(t *testing.T) { test(t, sqliteBench(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, postgresBench(t)) })
}

func sqliteBench(t *testing.T) *dbBench {
	b := &dbBench{bench: newBench(t, ""), next: `PRAGMA user_version = 99`}
	file := filepath.Join(b.data, "cartrita.db")
	b.open = func() store { return mustOpen(t)(opened(sqlite.Open(t.Context(), sqlite.Config{Path: file}))) }
	b.exec = func(statements ...string) {
		t.Helper()
		db, err := sql.Open("sqlite", "file:"+file)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, s := range statements {
			if _, err := db.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	return b
}

func postgresBench(t *testing.T) *dbBench {
	url := testserver.Database(t)
	b := &dbBench{bench: newBench(t, "store: env:DATABASE_URL\n"), next: `INSERT INTO cartrita_schema (number) VALUES (99)`}
	b.environ = []string{"DATABASE_URL=" + url}
	b.open = func() store { return mustOpen(t)(opened(postgres.Open(t.Context(), postgres.Config{URL: url}))) }
	b.exec = func(statements ...string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
		for _, s := range statements {
			if _, err := conn.Exec(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	return b
}

func mustOpen(t *testing.T) func(store, error) store {
	return func(s store, err error) store {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
}

// fill stores calls, a model record in two versions, a key and a budget.
func (b *dbBench) fill(s store, calls int) {
	b.t.Helper()
	for i := 0; i < calls; i += 100 {
		var batch []event.Call
		for n := i; n < min(i+100, calls); n++ {
			batch = append(batch, storetest.Sample(n))
		}
		if _, err := s.Ingest(b.t.Context(), event.Batch{Calls: batch}); err != nil {
			b.t.Fatal(err)
		}
	}
	for n := range 2 {
		v := registry.Version{ID: "m", Number: n + 1, At: time.Now(), Action: registry.ActionAdd, Doc: json.RawMessage(`{"model_id":"m"}`)}
		if err := s.SaveModels(b.t.Context(), []registry.Version{v}); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := s.SaveKey(b.t.Context(), key.Stored{ID: "k", Number: 1, Doc: json.RawMessage(`{}`)}); err != nil {
		b.t.Fatal(err)
	}
	if err := s.SaveBudget(b.t.Context(), budget.Budget{Name: "b"}); err != nil {
		b.t.Fatal(err)
	}
}

func TestDBMigrateMakesTheSchemaAndStatusSaysWhatIsThere(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, b *dbBench) {
		if out := b.ok("db", "migrate"); !strings.HasPrefix(out, "applied 0001_init\n") {
			t.Errorf("the first time:\n%s", out)
		}
		var again struct {
			Schema  int      `json:"schema_version"`
			Applied []string `json:"applied"`
		}
		b.json(&again, "db", "migrate")
		if again.Schema < 1 || again.Applied == nil || len(again.Applied) != 0 {
			t.Errorf("the second time: %+v", again)
		}
		if out := b.ok("db", "migrate"); !strings.HasPrefix(out, "nothing to do") {
			t.Errorf("the third time:\n%s", out)
		}
		var empty databaseStatus
		b.json(&empty, "db", "status")
		if empty.Calls != 0 || empty.Oldest != nil || !empty.Reachable || empty.Schema != again.Schema || empty.Known != again.Schema {
			t.Errorf("an empty one: %+v", empty)
		}

		s := b.open() // and it stays open, as by a gateway
		b.fill(s, 130)
		decision := storetest.Sample(129)
		decision.ID[0]++
		decision.State = model.StatePlanned
		if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{decision}}); err != nil {
			t.Fatal(err)
		}
		var st databaseStatus
		b.json(&st, "db", "status")
		first, last := storetest.Sample(0), storetest.Sample(129)
		if st.Calls != 130 || st.Decisions != 1 || st.Versions != 2 || st.Keys != 1 || st.Budgets != 1 || st.Bytes < 10_000 ||
			!st.Oldest.Equal(first.Ended) || !st.Newest.Equal(last.Ended) {
			t.Errorf("a full one: %+v", st)
		}
		if out := b.ok("db", "status"); !strings.Contains(out, "calls\t130\ndecisions without a call\t1\n") || !strings.Contains(out, "model versions\t2\n") {
			t.Errorf("in words:\n%s", out)
		}
	})
}

func TestDBRefusesANewerSchema(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, b *dbBench) {
		b.ok("db", "migrate")
		b.exec(b.next)
		if r := b.run("db", "migrate"); r.code != exitInvalid || !strings.Contains(r.err, "use a newer one") {
			t.Errorf("migrate: exit code %d\n%s", r.code, r.err)
		}
		if out := b.ok("db", "status"); !strings.Contains(out, "version 99, this program knows") {
			t.Errorf("status:\n%s", out)
		}
	})
}

func TestDBStatusOfAnOlderSchemaChangesNothing(t *testing.T) {
	b := sqliteBench(t)
	b.ok("db", "migrate")
	b.exec(`DROP TABLE api_keys`, `PRAGMA user_version = 3`)
	for range 2 {
		var st databaseStatus
		b.json(&st, "db", "status")
		if st.Schema != 3 || st.Known <= 3 || st.Keys != 0 {
			t.Errorf("%+v", st)
		}
	}
}

func TestDBStatusOfWhatIsNotThere(t *testing.T) {
	b := sqliteBench(t)
	r := b.run("db", "status")
	if r.code != exitNotFound || !strings.Contains(r.out, "reachable\tno") || !strings.Contains(r.err, "there is no file") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
	away := &dbBench{bench: newBench(t, "store: postgres://ada:s3cret@127.0.0.1:1/calls\n")}
	r = away.run("db", "status", "--json")
	if r.code != exitUnavailable || !strings.Contains(r.out, `"reachable": false`) || !strings.Contains(r.out, "ada:xxxxx@") || strings.Contains(r.out+r.err, "s3cret") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if r := newBench(t, "store: memory\n").run("db", "status"); r.code != exitInvalid || !strings.Contains(r.err, "memory") {
		t.Errorf("exit code %d\n%s", r.code, r.err)
	}
	if r := b.run("db", "status", "--server", "http://127.0.0.1:1"); r.code != exitInvalid || !strings.Contains(r.err, "--server") {
		t.Errorf("exit code %d\n%s", r.code, r.err)
	}
}
