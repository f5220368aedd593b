package sqlite

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
	"github.com/cartrita/cartrita/store/storetest"
)

// A database of the first version, with calls and rollups in it, is brought
// forward without losing any.
func TestADatabaseOfTheFirstVersionIsBroughtForward(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cartrita.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := apply(t.Context(), db, 0, "migrations/0001_init.sql"); err != nil {
		t.Fatal(err)
	}
	ended := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for _, stmt := range []string{
		`INSERT INTO targets VALUES (1, 'p/m', 'm', 'p')`,
		`INSERT INTO calls (seq, id, target, state, task) VALUES (1, x'00112233445566778899aabbccddeeff', 1, 'completed', 'chat-completions')`,
		`INSERT INTO cost_rollup VALUES ('', ` + strconv.FormatInt(batch.HourOf(ended), 10) + `, '', 1, 'chat-completions', 'balanced', 2, 1, 0, 5000000000, 7, 100, 10, 0, 20, 0, 3.5, 1.5, 1)`,
		`INSERT INTO cost_rollup VALUES ('user', ` + strconv.FormatInt(batch.HourOf(ended), 10) + `, 'u', 1, 'chat-completions', 'balanced', 1, 0, 0, 3000000000, 7, 100, 10, 0, 20, 0, 3.5, 1.5, 1)`,
	} {
		if _, err := db.ExecContext(t.Context(), stmt); err != nil {
			t.Fatalf("%s: %v", stmt, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	report, err := s.Costs(t.Context(), event.CostQuery{By: event.ByUser})
	if err != nil {
		t.Fatal(err)
	}
	if report.Total.Cost != 5*model.USD || report.Total.Calls != 2 || len(report.Groups) != 2 || report.Groups[0].Key != "u" {
		t.Errorf("the costs became %+v", report)
	}
	var day string
	var usd float64
	if err := s.read.QueryRowContext(t.Context(), `SELECT day, cost_usd FROM model_daily_costs WHERE model_id = 'm'`).Scan(&day, &usd); err != nil {
		t.Fatal(err)
	}
	if day != "2026-11-24" || usd != 5 {
		t.Errorf("model_daily_costs says %v on %s, want 5 on 2026-11-24", usd, day)
	}
	var n int
	if err := s.read.QueryRowContext(t.Context(), `SELECT count(*) FROM calls`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d calls, %v", n, err)
	}
}

// What the migration to coarser sums works out is what calls are counted as.
func TestCoarseSumsOfWhatWasStoredBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cartrita.db")
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	storetest.OverMonths(t, s)
	script, err := migrations.ReadFile("migrations/0012_cost_sums.sql")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err == nil {
		_, err = db.ExecContext(t.Context(), `DROP VIEW model_daily_costs; DROP TABLE cost_sums; CREATE VIEW model_daily_costs AS SELECT 1`)
	}
	if err == nil {
		_, err = db.ExecContext(t.Context(), string(script))
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(t.Context(), Config{Path: path}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if a, err := s.Audit(t.Context(), false, func(int) {}); err != nil || !a.Agrees() || a.Sums < 1000 {
		t.Errorf("%v: %+v", err, a)
	}
}
