package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// SetBusyTimeout sets how long the writer waits for another process.
func SetBusyTimeout(t *testing.T, s *Store, ms int) {
	t.Helper()
	if _, err := s.write.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA busy_timeout = %d", ms)); err != nil {
		t.Fatal(err)
	}
}

// TestNoQueryLooksAtEverything asks SQLite how it would answer: every question
// has to go through an index or stop after a page.
func TestNoQueryLooksAtEverything(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "cartrita.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 3 {
		c := event.Call{Summary: event.Summary{ID: model.NewCallID(), State: model.StateCompleted, Model: "m", Endpoint: model.EndpointID(fmt.Sprint("p/", i)), Provider: "p"}, RecordJSON: []byte(`{}`)}
		if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{c}}); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range map[string]event.Filter{
		"all": {}, "page": {Cursor: "zzz"}, "span": {Since: time.Unix(1, 0), Until: time.Unix(2, 0)},
		"one endpoint": {Endpoint: "p/1"}, "a model at three": {Model: "m"}, "a page of a model": {Model: "m", Cursor: "zzz"},
		"failed": {State: model.StateFailed}, "user": {User: "u"}, "workflow": {Workflow: "w"}, "session": {Session: "s"}, "stage": {Stage: "s"}, "stage and model": {Stage: "s", Model: "m"}, "supervisor": {Supervisor: "s"},
		"decisions": {State: model.StatePlanned}, "strategy": {Strategy: "s"}, "strategy and model": {Strategy: "s", Model: "m"}, "user and model": {User: "u", Model: "m"},
	} {
		q, err := s.selectCalls(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		plan := explain(t, s, q.text.String(), q.args)
		if strings.Contains(plan, "TEMP B-TREE") && !strings.Contains(plan, "MERGE") && !strings.Contains(plan, "COMPOUND") {
			t.Errorf("%s is sorted whole:\n%s", name, plan)
		}
		if f.User != "" && !strings.Contains(plan, "calls_user") || f.Workflow != "" && !strings.Contains(plan, "calls_workflow") ||
			f.Session != "" && !strings.Contains(plan, "calls_session") || f.State == model.StateFailed && !strings.Contains(plan, "calls_failed") ||
			f.Stage != "" && !strings.Contains(plan, "calls_stage") || f.Supervisor != "" && !strings.Contains(plan, "calls_supervisor") ||
			f.State == model.StatePlanned && !strings.Contains(plan, "calls_planned") || f.Strategy != "" && f.Model == "" && !strings.Contains(plan, "calls_strategy") {
			t.Errorf("%s does not use its index:\n%s", name, plan)
		}
	}
	plan := explain(t, s, `SELECT sum(calls) FROM cost_rollup r JOIN targets t ON t.id = r.target WHERE r.dimension = ? AND r.hour >= ?`, []any{"", 5})
	if !strings.Contains(plan, "(dimension=? AND hour>?)") {
		t.Errorf("costs look at all hours:\n%s", plan)
	}
}

func explain(t *testing.T, s *Store, query string, args []any) string {
	t.Helper()
	rows, err := s.read.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatalf("%v in %s", err, query)
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestConnectionsAreSetUp(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "cartrita.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "1", "foreign_keys": "1", "cache_size": "-2048"} {
		var write, read string
		if err := s.write.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&write); err != nil {
			t.Fatal(err)
		}
		if err := s.read.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&read); err != nil {
			t.Fatal(err)
		}
		if write != want || read != want {
			t.Errorf("%s is %s for writing, %s for reading, want %s", pragma, write, read, want)
		}
	}
	if _, err := s.read.ExecContext(t.Context(), "DELETE FROM calls"); err == nil {
		t.Error("a connection for reading can write")
	}
}

// TestAMigrationThatAnotherProcessDidIsSkipped starts one that was seen as
// missing before another process applied it.
func TestAMigrationThatAnotherProcessDidIsSkipped(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "cartrita.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.write.close(); err != nil { // it has the one connection
		t.Fatal(err)
	}
	if _, err := apply(t.Context(), s.db, 0, "migrations/0001_init.sql"); err != nil {
		t.Error(err)
	}
}
