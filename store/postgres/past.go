package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

// askPast asks for the boundary of cost_past.
const askPast = `SELECT below FROM cost_past_boundary`

// pastOf returns before which time there are sums of cost_past; zero for none.
func pastOf(ctx context.Context, tx pgx.Tx) (past time.Time, err error) {
	err = tx.QueryRow(ctx, askPast).Scan(&past)
	return past.UTC(), err
}

var makeDay, addDay = batch.MakeDay(sum, `$1::text`, `$2::timestamptz`, `$3::timestamptz`), batch.AddDay(`$1::text`, `$2::timestamptz`, `$3::timestamptz`)

// SumDay makes the sums of cost_past of the first day that has none, has calls and
// was over at a time. It returns that day, or the zero time where there is no such
// day. Calls are stored meanwhile, except while the sums of the month are written.
// Errors: KindConflict when one of the day was stored meanwhile, or while sums are
// rebuilt; nothing has changed then. KindInvalid with a single connection, which
// nobody else could use; KindUnavailable.
func (s *Store) SumDay(ctx context.Context, over time.Time) (day time.Time, err error) {
	const op = "postgres.SumDay"
	if s.pool.Config().MaxConns < 2 {
		return day, model.Invalidf(op, "pool_max_conns", "the sums of past days take a connection for themselves: set it to 2 or more in the database's URL")
	}
	// A day may have more calls than can be added up within the time for one answer.
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) (err error) {
		day, err = sumDay(ctx, tx, over)
		return err
	})
	if err != nil {
		return time.Time{}, s.failure(op, err)
	}
	return day, nil
}

func sumDay(ctx context.Context, tx pgx.Tx, over time.Time) (day time.Time, err error) {
	// Who rebuilds sums holds the lock from before he reads them until all are right.
	if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; LOCK TABLE archive_boundary IN SHARE UPDATE EXCLUSIVE MODE NOWAIT`); err != nil {
		if lockTimedOut(err) {
			return day, model.Errorf("", model.KindConflict, "another process rebuilds sums or does the same, or the server looks after a table")
		}
		return day, err
	}
	var past, now time.Time
	var first *time.Time
	if err := tx.QueryRow(ctx, `SELECT below, clock_timestamp() FROM cost_past_boundary`).Scan(&past, &now); err != nil {
		return day, err
	}
	if err := tx.QueryRow(ctx, `SELECT min(start) FROM cost_sums WHERE unit = 'hour' AND dimension = '' AND start >= $1`, past).Scan(&first); err != nil || first == nil {
		return day, err
	}
	start := batch.Day.Floor(*first)
	end := start.AddDate(0, 0, 1)
	if end.After(over) || end.After(now) { // our clock may be ahead
		return day, nil
	}
	calls, err := callsOf(ctx, tx, start, end)
	if err != nil {
		return day, err
	}
	for _, d := range batch.PastDimensions() {
		for _, statement := range makeDay {
			if _, err := tx.Exec(ctx, statement, string(d), start, end); err != nil {
				return day, err
			}
		}
	}
	if _, _, err := takeClock(ctx, tx, nil); err != nil {
		return day, err
	}
	// Since the boundary: a day without calls that has one now is before the next.
	if again, err := callsOf(ctx, tx, past, end); err != nil {
		return day, err
	} else if again != calls {
		return day, model.Errorf("", model.KindConflict, "calls from before %s were stored meanwhile", end.Format(time.DateOnly))
	}
	for _, d := range batch.PastDimensions() {
		if _, err := tx.Exec(ctx, addDay, string(d), start, batch.Month.Floor(start)); err != nil {
			return day, err
		}
	}
	_, err = tx.Exec(ctx, `UPDATE cost_past_boundary SET below = $1`, end)
	return start, err
}

// callsOf counts the calls that ended in a stretch of whole hours.
func callsOf(ctx context.Context, tx pgx.Tx, since, until time.Time) (n int64, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce(sum_bigint(calls), 0) FROM cost_sums WHERE unit = 'hour' AND dimension = '' AND start >= $1 AND start < $2`, since, until).Scan(&n)
	return n, err
}
