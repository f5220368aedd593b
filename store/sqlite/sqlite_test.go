package sqlite_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/sqlite"
	"github.com/cartrita/cartrita/store/storetest"
)

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		s := open(t, filepath.Join(t.TempDir(), "cartrita.db"))
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}

func TestDatabase(t *testing.T) {
	storetest.RunDatabase(t, func(t *testing.T) (storetest.Database, func(string) [][]string) {
		path := filepath.Join(t.TempDir(), "cartrita.db")
		s := open(t, path)
		t.Cleanup(func() { _ = s.Close() })
		return s, func(statement string) [][]string {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			rows, err := db.QueryContext(t.Context(), statement)
			if err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
			return texts(t, rows)
		}
	})
}

// texts reads rows as texts, "" for NULL.
func texts(t *testing.T, rows *sql.Rows) (out [][]string) {
	t.Helper()
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		row, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var text []string
		for i := range row {
			text = append(text, row[i].String)
		}
		out = append(out, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOpenAgainKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a dir%20 with ? and #", "cartrita.db")
	s := open(t, path)
	calls := []event.Call{storetest.Sample(1), storetest.Sample(2)}
	at := event.Position{Segment: 2, Offset: 3}
	if _, err := s.Ingest(t.Context(), event.Batch{Spool: "s", Position: at, Calls: calls}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the file: %v", info.Mode())
	}
	s = open(t, path)
	defer s.Close()
	if p, err := s.Position(t.Context(), "s"); err != nil || p != at {
		t.Errorf("position is %v, %v", p, err)
	}
	// A clock that went back does not bring the order out of step.
	late := storetest.Sample(0)
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{late}}); err != nil {
		t.Fatal(err)
	}
	page, err := s.Calls(t.Context(), event.Filter{})
	if err != nil || len(page.Calls) != 3 || page.Calls[0].ID != late.ID || !page.Calls[0].Ended.Equal(late.Ended) {
		t.Errorf("the call stored last is not the first, or has another time: %+v, %v", page.Calls, err)
	}
}

func TestSeveralProcessesOpenANewFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cartrita.db")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
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
				if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{storetest.Sample(10*n + i)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s := open(t, path)
	defer s.Close()
	if got, err := s.LoadModels(t.Context()); err != nil || len(got) != 6 {
		t.Errorf("%d records, %v", len(got), err)
	}
	page, err := s.Calls(t.Context(), event.Filter{})
	if err != nil || len(page.Calls) != 30 {
		t.Errorf("%d calls, %v", len(page.Calls), err)
	}
	if report, err := s.Costs(t.Context(), event.CostQuery{}); err != nil || report.Total.Calls != 30 {
		t.Errorf("%d calls are counted, %v", report.Total.Calls, err)
	}
}

func TestAFileOfANewerVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cartrita.db")
	open(t, path).Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`PRAGMA user_version = 999`); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Config{Path: path}); model.KindOf(err) != model.KindConflict {
		t.Errorf("got %v, want a conflict", err)
	}
}

func TestWhatIsNotADatabaseIsUnavailable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cartrita.db")
	if err := os.WriteFile(path, []byte("this is a text, and quite a long one as texts in tests go"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, filepath.Join(path, "below.db")} {
		if _, err := sqlite.Open(t.Context(), sqlite.Config{Path: path}); model.KindOf(err) != model.KindUnavailable {
			t.Errorf("%s: got %v, want unavailable", path, err)
		}
	}
	for _, c := range []sqlite.Config{{}, {Path: path, Readers: -1}} {
		if _, err := sqlite.Open(t.Context(), c); model.KindOf(err) != model.KindInvalid {
			t.Errorf("%+v: got %v, want invalid", c, err)
		}
	}
}

func TestALockedFileIsUnavailableAndKeepsNothingOfTheBatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cartrita.db")
	s := open(t, path)
	defer s.Close()
	db, err := sql.Open("sqlite", path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	sqlite.SetBusyTimeout(t, s, 1)
	b := event.Batch{Spool: "s", Position: event.Position{Segment: 1}, Calls: []event.Call{storetest.Sample(1)}}
	if _, err := s.Ingest(t.Context(), b); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("got %v, want unavailable", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ingest(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if report, err := s.Costs(t.Context(), event.CostQuery{}); err != nil || report.Total.Calls != 1 {
		t.Errorf("%d calls are counted, %v", report.Total.Calls, err)
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "cartrita")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	store, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, "cartrita.db")})
	if err != nil {
		panic(err)
	}
	defer store.Close()

	// The log puts calls into the store; readers ask the store.
	log, err := event.Open(event.Config{Dir: filepath.Join(dir, "spool"), Sink: store})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- log.Run(ctx) }()
	rec := &model.Record{ID: model.NewCallID(), State: model.StateCompleted, Model: "openai/gpt-4o", Cost: model.CostBreakdown{Total: 250_000}}
	if err := log.Outcome(rec); err != nil {
		panic(err)
	}
	if err := log.Flush(ctx); err != nil { // to see our own write at once
		panic(err)
	}
	report, err := store.Costs(ctx, event.CostQuery{By: event.ByModel})
	if err != nil {
		panic(err)
	}
	for _, g := range report.Groups {
		fmt.Println(g.Key, g.Calls, g.Cost)
	}
	cancel()
	<-done
	log.Close()
	// Output: openai/gpt-4o 1 $0.00025
}
