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
			a, err = s.audit(ctx, tx, progress)
			return err
		})
		return a, failure(op, err)
	}
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) (err error) {
		if _, _, err = takeClock(ctx, tx, nil); err != nil {
			return err
		}
		if a, err = s.audit(ctx, tx, progress); err != nil {
			return err
		}
		if err := a.Unaccounted(op); err != nil {
			return err
		}
		if err := repairSums(ctx, tx, a); err != nil {
			return err
		}
		return s.record(ctx, tx, "", database.RebuildChange(a))
	})
	if err != nil {
		return nil, failure(op, err)
	}
	return a, nil
}

func (s *Store) audit(ctx context.Context, tx pgx.Tx, progress func(int)) (*database.Audit, error) {
	// In the order in which makePartitions locks them, and both before either is
	// read: whoever has one waits for nobody who has the other.
	if _, err := tx.Exec(ctx, `LOCK TABLE calls, call_blocks IN ACCESS SHARE MODE`); err != nil {
		return nil, err
	}
	var below int64
	if err := tx.QueryRow(ctx, `SELECT below FROM archive_boundary`).Scan(&below); err != nil {
		return nil, err
	}
	c := database.NewComparison(below)
	ask := func(q *query) ([]block, error) {
		ctx, cancel := s.bound(ctx)
		defer cancel()
		rows, err := tx.Query(ctx, q.text, q.args...)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, scanBlock)
	}
	err := eachBlock(ask, query{text: ` WHERE true`}, func(b *block) error {
		entries, err := batch.Unpack(b.seq, b.records, b.plans)
		if err != nil {
			return database.Damaged(b.seq)
		}
		for i := range entries {
			call, err := database.Summarized(&entries[i])
			if err != nil {
				return err
			}
			if err := c.Call(cleaned(call)); err != nil { // as it was counted
				return err
			}
		}
		progress(len(entries))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := auditRollups(ctx, tx, c); err != nil {
		return nil, err
	}
	if err := auditSpending(ctx, tx, c); err != nil {
		return nil, err
	}
	var rows int64
	err = tx.QueryRow(ctx, `SELECT count(*) FROM calls`).Scan(&rows)
	return c.End(rows), err
}

func auditRollups(ctx context.Context, tx pgx.Tx, c *database.Comparison) error {
	sums := `calls, failed, unpriced, cost, estimated, input, cached_read, cache_write, output, reasoning,
		latency_ms, latency_calls, ttft_ms, ttft_calls`
	rows, err := tx.Query(ctx, `SELECT '', r.dimension, r.hour, r.value, coalesce(t.endpoint, ''), coalesce(t.model, ''), coalesce(t.provider, ''), r.task, r.strategy, `+sums+`
		FROM cost_rollup r LEFT JOIN targets t ON t.id = r.target
		UNION ALL
		SELECT r.unit, r.dimension, r.start, r.value, coalesce(t.endpoint, ''), coalesce(t.model, ''), coalesce(t.provider, ''), r.task, r.strategy, `+sums+`
		FROM cost_sums r LEFT JOIN targets t ON t.id = r.target`)
	if err != nil {
		return err
	}
	var row database.RollupRow
	var t event.Tally
	_, err = pgx.ForEachRow(rows, []any{
		(*string)(&row.Unit), (*string)(&row.Dimension), &row.Start, &row.Value, (*string)(&row.Target.Endpoint), (*string)(&row.Target.Model), &row.Target.Provider, &row.Task, &row.Strategy,
		&t.Calls, &t.Failed, &t.Unpriced, (*int64)(&t.Cost), (*int64)(&t.Estimated), &t.Input, &t.CachedRead, &t.CacheWrite, &t.Output, &t.Reasoning,
		&t.Latency, &t.LatencyCalls, &t.TTFT, &t.TTFTCalls,
	}, func() error {
		row.Start = row.Start.UTC()
		c.Rollup(row, t)
		return nil
	})
	return err
}

func auditSpending(ctx context.Context, tx pgx.Tx, c *database.Comparison) error {
	rows, err := tx.Query(ctx, spendByPeriod+` GROUP BY budget, period`)
	if err != nil {
		return err
	}
	spent, err := pgx.CollectRows(rows, scanSpend)
	for _, b := range spent {
		c.Spend(b)
	}
	return err
}

// repairSums replaces the rows that differ. Which gateway was charged is not in
// the records: the sums are then of none, and gateways that run count their own
// twice, to be safe, until they start anew.
func repairSums(ctx context.Context, tx pgx.Tx, a *database.Audit) error {
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
