package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/cartrita/cartrita/store/batch"
)

// askPast asks for the boundary of cost_past, an hour since the epoch.
const askPast = `SELECT below FROM cost_past_boundary`

// pastOf returns before which time there are sums of cost_past; zero for none.
func pastOf(ctx context.Context, from asker) (past time.Time, err error) {
	var hour int64
	err = each(ctx, from, askPast, func(r *sql.Rows) error { return r.Scan(&hour) })
	return batch.HourTime(hour), err
}

var makeDay, addDay = batch.MakeDay("sum", "?1", "?2", "?3"), batch.AddDay("?1", "?2", "?3")

// SumDay makes the sums of cost_past of the first day that has none, has calls and
// was over at a time. It returns that day, or the zero time where there is no such
// day. Nobody else can write meanwhile. Errors: KindUnavailable.
func (s *Store) SumDay(ctx context.Context, over time.Time) (day time.Time, err error) {
	const op = "sqlite.SumDay"
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return day, unavailable(op, "the sums of a day were given up", err)
	}
	err = s.write.do(func(ctx context.Context) error {
		past, err := pastOf(ctx, s.write.conn)
		if err != nil {
			return err
		}
		var first sql.NullInt64
		if err := s.write.conn.QueryRowContext(ctx, `SELECT min(start) FROM cost_sums WHERE unit = 'hour' AND dimension = '' AND start >= ?`, batch.HourOf(past)).Scan(&first); err != nil || !first.Valid {
			return err
		}
		begin := batch.Day.Floor(batch.HourTime(first.Int64))
		end := begin.AddDate(0, 0, 1)
		if end.After(over) {
			return nil
		}
		if err := sumDay(ctx, s.write.conn, begin, end); err != nil {
			return err
		}
		day = begin
		return nil
	})
	if err != nil {
		return time.Time{}, failure(op, err)
	}
	return day, nil
}

// sumDay makes the sums of one day, and moves the boundary behind it.
func sumDay(ctx context.Context, conn *sql.Conn, begin, end time.Time) error {
	from, to, month := batch.HourOf(begin), batch.HourOf(end), batch.HourOf(batch.Month.Floor(begin))
	for _, d := range batch.PastDimensions() { // rows are sorted in memory, those of one at a time
		for _, statement := range makeDay {
			if _, err := conn.ExecContext(ctx, statement, string(d), from, to); err != nil {
				return err
			}
		}
		if _, err := conn.ExecContext(ctx, addDay, string(d), from, month); err != nil {
			return err
		}
	}
	_, err := conn.ExecContext(ctx, `UPDATE cost_past_boundary SET below = ?`, to)
	return err
}
