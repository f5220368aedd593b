package sqlite

import (
	"context"
	"database/sql"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/batch"
	"github.com/cartrita/cartrita/store/database"
)

// Audit works the sums out anew from every stored call and compares them with
// those that are stored. With repair, what was worked out takes their place, in
// one transaction; nobody else can write until it ends. What is returned is
// what differed before. progress is told how many calls were read since the
// last time. Errors: KindUnavailable, KindConflict for a repair without all
// documents.
//
// It reads one moment of the file, which may grow by what is written meanwhile.
func (s *Store) Audit(ctx context.Context, repair bool, progress func(calls int)) (*database.Audit, error) {
	const op = "sqlite.Audit"
	if !repair {
		tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		if err != nil {
			return nil, failure(op, err)
		}
		defer tx.Rollback()
		a, err := compare(ctx, ctx, tx, progress)
		return a, failure(op, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var a *database.Audit
	err := s.write.do(func(writing context.Context) (err error) {
		if a, err = compare(ctx, writing, s.write.conn, progress); err != nil {
			return err
		}
		if err := a.Unaccounted(op); err != nil {
			return err
		}
		if err := s.repair(writing, a); err != nil {
			return err
		}
		return s.record(writing, ctx, "", database.RebuildChange(a))
	})
	if err != nil {
		return nil, failure(op, err)
	}
	return a, failure(op, s.restart(ctx)) // targets may be new
}

// compare stops when stop does; its statements run with ctx.
func compare(stop, ctx context.Context, from asker, progress func(int)) (*database.Audit, error) {
	below, err := boundary(ctx, from)
	if err != nil {
		return nil, err
	}
	c := database.NewComparison(below)
	err = eachBlock(ctx, from, 0, func(b *block) (bool, error) {
		entries, err := batch.Unpack(b.seq, b.records, b.plans)
		if err != nil {
			return false, database.Damaged(b.seq)
		}
		for i := range entries {
			call, err := database.Summarized(&entries[i])
			if err != nil {
				return false, err
			}
			if err := c.Call(call); err != nil {
				return false, err
			}
		}
		progress(len(entries))
		return true, stop.Err()
	})
	if err != nil {
		return nil, err
	}
	if err := auditRollups(ctx, from, c); err != nil {
		return nil, err
	}
	if err := auditSpending(ctx, from, c); err != nil {
		return nil, err
	}
	var rows int64
	err = each(ctx, from, `SELECT count(*) FROM calls`, func(r *sql.Rows) error { return r.Scan(&rows) })
	return c.End(rows), err
}

func auditRollups(ctx context.Context, from asker, c *database.Comparison) error {
	sums := `calls, failed, unpriced, cost, estimated, input, cached_read, cache_write, output, reasoning,
		latency_ms, latency_calls, ttft_ms, ttft_calls`
	return each(ctx, from, `SELECT '', r.dimension, r.hour, r.value, t.endpoint, t.model, t.provider, r.task, r.strategy, `+sums+`
		FROM cost_rollup r JOIN targets t ON t.id = r.target
		UNION ALL
		SELECT r.unit, r.dimension, r.start, r.value, coalesce(t.endpoint, ''), coalesce(t.model, ''), coalesce(t.provider, ''), r.task, r.strategy, `+sums+`
		FROM cost_sums r LEFT JOIN targets t ON t.id = r.target`, func(rows *sql.Rows) error {
		var row database.RollupRow
		var hour int64
		var t event.Tally
		if err := rows.Scan(&row.Unit, &row.Dimension, &hour, &row.Value, &row.Target.Endpoint, &row.Target.Model, &row.Target.Provider, &row.Task, &row.Strategy,
			&t.Calls, &t.Failed, &t.Unpriced, &t.Cost, &t.Estimated, &t.Input, &t.CachedRead, &t.CacheWrite, &t.Output, &t.Reasoning,
			&t.Latency, &t.LatencyCalls, &t.TTFT, &t.TTFTCalls); err != nil {
			return err
		}
		row.Start = batch.HourTime(hour)
		c.Rollup(row, t)
		return nil
	})
}

func auditSpending(ctx context.Context, from asker, c *database.Comparison) error {
	return each(ctx, from, `SELECT budget, period, calls, cost, assumed, tokens, requests FROM budget_spend`, func(rows *sql.Rows) error {
		b, err := scanSpend(rows)
		if err == nil {
			c.Spend(b)
		}
		return err
	})
}

func each(ctx context.Context, from asker, query string, f func(*sql.Rows) error, args ...any) error {
	rows, err := from.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// repair replaces the rows that differ.
func (s *Store) repair(ctx context.Context, a *database.Audit) error {
	sums, coarse, spend := batch.Rollups{}, batch.Sums{}, batch.Spending{}
	added := map[event.Target]int64{}
	clear(s.targets) // ask the file, whatever this process believes
	for i := range a.Rollups {
		d := &a.Rollups[i]
		var id int64
		var err error
		if d.Row.Apart() {
			if id, err = s.targetID(ctx, d.Row.Target, added); err != nil {
				return err
			}
		}
		if d.Row.Unit != "" {
			if d.Stored != nil {
				if _, err := s.write.conn.ExecContext(ctx, `DELETE FROM cost_sums
					WHERE unit = ? AND dimension = ? AND start = ? AND value = ? AND target = ? AND task = ? AND strategy = ?`,
					string(d.Row.Unit), string(d.Row.Dimension), batch.HourOf(d.Row.Start), d.Row.Value, id, d.Row.Task, d.Row.Strategy); err != nil {
					return err
				}
			}
			if k, ok := d.Row.SumKey(id); ok && d.Computed != nil {
				coarse[k] = d.Computed
			}
			continue
		}
		if d.Stored != nil {
			if _, err := s.write.conn.ExecContext(ctx, `DELETE FROM cost_rollup
				WHERE dimension = ? AND hour = ? AND value = ? AND target = ? AND task = ? AND strategy = ?`,
				string(d.Row.Dimension), batch.HourOf(d.Row.Start), d.Row.Value, id, d.Row.Task, d.Row.Strategy); err != nil {
				return err
			}
		}
		if k, ok := d.Row.RollupKey(id); ok && d.Computed != nil {
			sums[k] = d.Computed
		}
	}
	for i := range a.Spending {
		d := &a.Spending[i]
		k := batch.SpendKey{Budget: d.Budget, Period: d.Period.UnixMicro()}
		if d.Stored != nil {
			if _, err := s.write.conn.ExecContext(ctx, `DELETE FROM budget_spend WHERE budget = ? AND period = ?`, string(k.Budget), k.Period); err != nil {
				return err
			}
		}
		if d.Computed != nil {
			spend[k] = d.Computed
		}
	}
	s.write.rollups.args, s.write.sums.args = s.write.rollups.args[:0], s.write.sums.args[:0]
	if err := writeRollups(ctx, sums, &s.write.rollups); err != nil {
		return err
	}
	if err := writeSums(ctx, coarse, &s.write.sums); err != nil {
		return err
	}
	return writeSpending(ctx, spend, s.write.spend)
}
