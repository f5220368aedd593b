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

// repairRows is how many rows are replaced at once: nobody stores calls meanwhile.
const repairRows = 250

// repair replaces rows that differed at one moment. Calls that were stored since
// were added to what was wrong, so they are added to what is right as well.
func (s *Store) repair(ctx context.Context, f *database.Found) error {
	for some := range slices.Chunk(f.Rollups, repairRows) {
		err := s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
			if _, _, err := takeClock(ctx, tx, nil); err != nil {
				return err
			}
			return repairRollups(ctx, tx, some)
		})
		if err != nil {
			return err
		}
	}
	for some := range slices.Chunk(f.Spending, repairRows) {
		err := s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
			clock, _, err := takeClock(ctx, tx, nil)
			if err != nil {
				return err
			}
			return repairSpending(ctx, tx, some, clock.last+1)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func repairRollups(ctx context.Context, tx pgx.Tx, differ []database.RollupDifference) error {
	targets := map[event.Target]bool{}
	for i := range differ {
		if row := &differ[i].Row; row.Apart() {
			targets[row.Target] = true
		}
	}
	ids, err := addTargets(ctx, tx, slices.Collect(maps.Keys(targets)))
	if err != nil {
		return err
	}
	sums, coarse := batch.Rollups{}, batch.Sums{}
	q := &pgx.Batch{}
	for i := range differ {
		d := &differ[i]
		var id int64
		if d.Row.Apart() {
			id = ids[d.Row.Target]
		}
		takeRow(q, &d.Row, id, func(now *event.Tally) {
			t := caughtUp(d, now)
			if t == nil {
				return
			}
			if d.Row.Unit != "" {
				if k, ok := d.Row.SumKey(id); ok {
					coarse[k] = t
				}
			} else if k, ok := d.Row.RollupKey(id); ok {
				sums[k] = t
			}
		})
	}
	if err := tx.SendBatch(ctx, q).Close(); err != nil {
		return err
	}
	q = &pgx.Batch{}
	queueRollups(q, sums)
	queueSums(q, coarse)
	return tx.SendBatch(ctx, q).Close()
}

// takeRow takes a row out and shows it; nil when there is none.
func takeRow(q *pgx.Batch, r *database.RollupRow, target int64, show func(now *event.Tally)) {
	where, args := `cost_rollup WHERE dimension = $1 AND hour = $2 AND value = $3 AND target = $4 AND task = $5 AND strategy = $6`,
		[]any{string(r.Dimension), r.Start, r.Value, target, r.Task, r.Strategy}
	if r.Unit != "" {
		where, args = r.Unit.Table()+` WHERE dimension = $1 AND start = $2 AND value = $3 AND target = $4 AND task = $5 AND strategy = $6 AND unit = $7`,
			append(args, string(r.Unit))
	}
	q.Queue(`DELETE FROM `+where+` RETURNING `+batch.ListTally, args...).Query(func(rows pgx.Rows) error {
		var t event.Tally
		var now *event.Tally
		_, err := pgx.ForEachRow(rows, batch.ScanTally(&t), func() error { now = &t; return nil })
		show(now)
		return err
	})
}

// caughtUp is what a row adds up to that is now so. nil: nothing.
func caughtUp(d *database.RollupDifference, now *event.Tally) *event.Tally {
	stored := d.Stored
	if stored == nil {
		stored = &event.Tally{}
	}
	if now == nil || batch.WholeOf(now) == batch.WholeOf(stored) { // milliseconds come with a call
		return d.Computed
	}
	var t event.Tally
	if d.Computed != nil {
		t = *d.Computed
	}
	t.Merge(*now, 1)
	t.Merge(*stored, -1)
	return &t
}

func repairSpending(ctx context.Context, tx pgx.Tx, differ []database.SpendDifference, seq int64) error {
	bySpool := map[string]batch.Spending{}
	q := &pgx.Batch{}
	for i := range differ {
		d := &differ[i]
		takeSpending(q, d, func(now []spoolSpend) {
			for _, row := range apportion(now, chargesOf(d.Computed).plus(chargesOf(d.Stored), -1)) {
				if bySpool[row.spool] == nil {
					bySpool[row.spool] = batch.Spending{}
				}
				bySpool[row.spool][batch.SpendKey{Budget: d.Budget, Period: d.Period.UnixMicro()}] = row.spend()
			}
		})
	}
	if err := tx.SendBatch(ctx, q).Close(); err != nil {
		return err
	}
	q = &pgx.Batch{}
	for spool, spend := range bySpool {
		queueSpending(q, spend, spool, seq)
	}
	q.Queue(`UPDATE call_clock SET last = $1`, seq) // gateways ask what changed behind the last number they saw
	return tx.SendBatch(ctx, q).Close()
}

// takeSpending takes out what the spools were charged in a period, and shows it.
func takeSpending(q *pgx.Batch, d *database.SpendDifference, show func([]spoolSpend)) {
	q.Queue(`DELETE FROM budget_spend WHERE budget = $1 AND period = $2 RETURNING spool, calls, cost, assumed, tokens, requests`,
		string(d.Budget), d.Period).Query(func(rows pgx.Rows) error {
		var now []spoolSpend
		var spool string
		var b event.BudgetSpend
		_, err := pgx.ForEachRow(rows, []any{&spool, &b.Calls, (*int64)(&b.Cost), (*int64)(&b.Assumed), &b.Tokens, &b.Requests}, func() error {
			now = append(now, spoolSpend{spool, chargesOf(&b)})
			return nil
		})
		show(now)
		return err
	})
}
