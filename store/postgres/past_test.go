package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/storetest"
)

func opened(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// A day is not summed up when, meanwhile, calls are stored that it or a day before
// it would lack: one that had no calls is behind the boundary afterwards, too.
func TestDaysWaitForCallsThatAreStoredMeanwhile(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	s := opened(t, url)
	storetest.OverMonths(t, s)
	var first time.Time
	other := connected(t, url)
	if err := other.QueryRow(t.Context(), `SELECT min(start) FROM cost_sums WHERE unit = 'hour'`).Scan(&first); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		hour     time.Time // in which a call is stored meanwhile
		conflict bool
	}{
		{"of the day", first, true},
		{"of before", first.AddDate(0, -1, 0), true},
		{"of later", first.AddDate(0, 0, 9), false},
	} {
		done := make(chan error, 1)
		tx, err := other.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), `SELECT last FROM call_clock FOR UPDATE`); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := s.SumDay(t.Context(), time.Now())
			done <- err
		}()
		awaitWaiting(t, tx, done)
		_, err = tx.Exec(t.Context(), `INSERT INTO cost_sums VALUES ('hour', '', $1, '', 0, '', '', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
			ON CONFLICT (unit, dimension, start, value, target, task, strategy) DO UPDATE SET calls = cost_sums.calls + 1`, c.hour)
		if err == nil {
			err = tx.Commit(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := <-done; (err != nil) != c.conflict || err != nil && model.KindOf(err) != model.KindConflict {
			t.Errorf("a call %s is stored meanwhile: %v, want a conflict: %v", c.name, err, c.conflict)
		}
	}
}

// awaitWaiting waits until another process waits for what the transaction holds; it
// must not be done before.
func awaitWaiting(t *testing.T, tx pgx.Tx, done <-chan error) {
	t.Helper()
	for waiting := false; !waiting; {
		select {
		case err := <-done:
			t.Fatalf("nobody waited: %v", err)
		default:
		}
		if err := tx.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDaysThatCannotBeSummedUp(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	s := opened(t, url)
	c := storetest.Sample(0)
	c.Ended = time.Now().UTC().Truncate(time.Microsecond)
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{c}}); err != nil {
		t.Fatal(err)
	}
	if day, err := s.SumDay(t.Context(), time.Now().AddDate(0, 0, 3)); err != nil || !day.IsZero() {
		t.Errorf("with a clock that is ahead: %s, which is not over by the server's; %v", day, err)
	}
	tx, err := connected(t, url).Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), `LOCK TABLE archive_boundary IN SHARE UPDATE EXCLUSIVE MODE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SumDay(t.Context(), time.Now()); err == nil || model.KindOf(err) != model.KindConflict {
		t.Errorf("while sums are rebuilt: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := opened(t, url+"&pool_max_conns=1").SumDay(t.Context(), time.Now()); err == nil || model.KindOf(err) != model.KindInvalid {
		t.Errorf("with one connection: %v", err)
	}
}
