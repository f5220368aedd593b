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
		a, err := compare(ctx, auditSource{asker: tx}, database.Options{Progress: progress})
		return a, failure(op, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var a *database.Audit
	err := s.write.do(func(writing context.Context) (err error) {
		repair := func(_ context.Context, f *database.Found) error { return s.repair(writing, f) }
		if a, err = compare(ctx, auditSource{s.write.conn, true}, database.Options{Progress: progress, Repair: repair}); err != nil {
			return err
		}
		if err := a.Unaccounted(op); err != nil {
			return err
		}
		return s.record(writing, ctx, "", database.RebuildChange(a))
	})
	if err != nil {
		return nil, failure(op, err)
	}
	return a, failure(op, s.restart(ctx)) // targets may be new
}

func compare(ctx context.Context, from auditSource, o database.Options) (a *database.Audit, err error) {
	if o.Boundary, err = boundary(from.asking(ctx), from.asker); err != nil {
		return nil, err
	}
	if o.Past, err = pastOf(from.asking(ctx), from.asker); err != nil {
		return nil, err
	}
	if a, err = database.Compare(ctx, from, o); err != nil {
		return nil, err
	}
	if err := each(from.asking(ctx), from, `SELECT count(*) FROM calls`, func(r *sql.Rows) error { return r.Scan(&a.Rows) }); err != nil {
		return nil, err
	}
	return a, a.Match(ctx, from, from.numbers)
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
func (s *Store) repair(ctx context.Context, a *database.Found) error {
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
				const where = ` WHERE unit = ? AND dimension = ? AND start = ? AND value = ? AND target = ? AND task = ? AND strategy = ?`
				if _, err := s.write.conn.ExecContext(ctx, `DELETE FROM `+d.Row.Unit.Table()+where, //nolint:gosec // the table is one of ours
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
	s.write.rollups.args, s.write.sums.args, s.write.past.args = s.write.rollups.args[:0], s.write.sums.args[:0], s.write.past.args[:0]
	if err := writeRollups(ctx, sums, &s.write.rollups); err != nil {
		return err
	}
	if err := s.write.writeSums(ctx, coarse); err != nil {
		return err
	}
	return writeSpending(ctx, spend, s.write.spend)
}
