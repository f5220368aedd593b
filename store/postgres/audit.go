package postgres

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/batch"
	"github.com/cartrita/cartrita/store/database"
)

// Audit works the sums out anew from every stored call and compares them with
// those that are stored. With repair, what was worked out takes their place, in
// one transaction; no process can store calls until it ends: they wait in the
// spools. What is returned is what differed before. progress is told how many
// calls were read since the last time. Errors: KindUnavailable, KindConflict for
// a repair without all documents.
func (s *Store) Audit(ctx context.Context, repair bool, progress func(calls int)) (a *database.Audit, err error) {
	const op = "postgres.Audit"
	if !repair {
		snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
		err = pgx.BeginTxFunc(ctx, s.pool, snapshot, func(tx pgx.Tx) (err error) {
			a, err = s.compare(ctx, tx, database.Options{Progress: progress})
			return err
		})
		return a, failure(op, err)
	}
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) (err error) {
		if _, _, err = takeClock(ctx, tx, nil); err != nil {
			return err
		}
		repair := func(ctx context.Context, f *database.Found) error { return repairSums(ctx, tx, f) }
		if a, err = s.compare(ctx, tx, database.Options{Progress: progress, Repair: repair}); err != nil {
			return err
		}
		if err := a.Unaccounted(op); err != nil {
			return err
		}
		return s.record(ctx, tx, "", database.RebuildChange(a))
	})
	if err != nil {
		return nil, failure(op, err)
	}
	return a, nil
}

func (s *Store) compare(ctx context.Context, tx pgx.Tx, o database.Options) (a *database.Audit, err error) {
	// In the order in which makePartitions locks them, and both before either is
	// read: whoever has one waits for nobody who has the other.
	if _, err := tx.Exec(ctx, `LOCK TABLE calls, call_blocks IN ACCESS SHARE MODE`); err != nil {
		return nil, err
	}
	if err := tx.QueryRow(ctx, `SELECT below FROM archive_boundary`).Scan(&o.Boundary); err != nil {
		return nil, err
	}
	o.Counted = cleaned
	if a, err = database.Compare(ctx, auditSource{s, tx}, o); err != nil {
		return nil, err
	}
	return a, tx.QueryRow(ctx, `SELECT count(*) FROM calls`).Scan(&a.Rows)
}

// repairSums replaces the rows that differ. Which gateway was charged is not in
// the records: the sums are then of none, and gateways that run count their own
// twice, to be safe, until they start anew.
func repairSums(ctx context.Context, tx pgx.Tx, a *database.Found) error {
	sums, coarse, spend := batch.Rollups{}, batch.Sums{}, batch.Spending{}
	q := &pgx.Batch{}
	targets := map[event.Target]bool{}
	for i := range a.Rollups {
		if row := &a.Rollups[i].Row; row.Apart() {
			targets[row.Target] = true
		}
	}
	ids, err := addTargets(ctx, tx, slices.Collect(maps.Keys(targets)))
	if err != nil {
		return err
	}
	for i := range a.Rollups {
		d := &a.Rollups[i]
		var id int64
		if d.Row.Apart() {
			id = ids[d.Row.Target]
		}
		if d.Row.Unit != "" {
			if d.Stored != nil {
				q.Queue(`DELETE FROM cost_sums WHERE unit = $1 AND dimension = $2 AND start = $3 AND value = $4 AND target = $5 AND task = $6 AND strategy = $7`,
					string(d.Row.Unit), string(d.Row.Dimension), d.Row.Start, d.Row.Value, id, d.Row.Task, d.Row.Strategy)
			}
			if k, ok := d.Row.SumKey(id); ok && d.Computed != nil {
				coarse[k] = d.Computed
			}
			continue
		}
		if d.Stored != nil {
			q.Queue(`DELETE FROM cost_rollup WHERE dimension = $1 AND hour = $2 AND value = $3 AND target = $4 AND task = $5 AND strategy = $6`,
				string(d.Row.Dimension), d.Row.Start, d.Row.Value, id, d.Row.Task, d.Row.Strategy)
		}
		if k, ok := d.Row.RollupKey(id); ok && d.Computed != nil {
			sums[k] = d.Computed
		}
	}
	for i := range a.Spending {
		d := &a.Spending[i]
		if d.Stored != nil {
			q.Queue(`DELETE FROM budget_spend WHERE budget = $1 AND period = $2`, string(d.Budget), d.Period)
		}
		if d.Computed != nil {
			spend[batch.SpendKey{Budget: d.Budget, Period: d.Period.UnixMicro()}] = d.Computed
		}
	}
	queueRollups(q, sums)
	queueSums(q, coarse)
	queueSpending(q, spend, "", 0)
	return tx.SendBatch(ctx, q).Close()
}
