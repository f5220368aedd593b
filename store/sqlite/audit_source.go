package sqlite

import (
	"context"
	"database/sql"
	"math"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/batch"
	"github.com/cartrita/cartrita/store/database"
)

// auditSource implements database.Source.
type auditSource struct {
	asker
	writing bool // it is the writer, whose connection a statement that is broken off would end
}

func (a auditSource) asking(ctx context.Context) context.Context {
	if a.writing {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// Blocks implements database.Source.
func (a auditSource) Blocks(ctx context.Context, visit func(number int64, oldest, newest time.Time)) error {
	return each(a.asking(ctx), a, `SELECT seq, records FROM call_blocks ORDER BY seq`, func(rows *sql.Rows) error {
		var b block
		if err := rows.Scan(&b.seq, &b.records); err != nil {
			return err
		}
		entries, err := batch.Unpack(b.seq, b.records, nil)
		if err != nil {
			return database.Damaged(b.seq)
		}
		if len(entries) > 0 {
			oldest, newest := batch.Ended(entries)
			visit(b.seq, oldest, newest)
		}
		return ctx.Err()
	})
}

// Documents implements database.Source.
func (a auditSource) Documents(ctx context.Context, first, last int64, visit func([]batch.Entry) error) error {
	return eachBlock(a.asking(ctx), a, first, func(b *block) (bool, error) {
		if b.seq > last {
			return false, nil
		}
		entries, err := batch.Unpack(b.seq, b.records, b.plans)
		if err != nil {
			return false, database.Damaged(b.seq)
		}
		return b.seq < last, visit(entries)
	})
}

// Sums implements database.Source.
func (a auditSource) Sums(ctx context.Context, p batch.Piece, visit func(database.RollupRow, event.Tally)) error {
	table, start, unit := `cost_rollup`, `r.hour`, ` AND ?1 = ''`
	if p.Unit != "" {
		table, start, unit = p.Unit.Table(), `r.start`, ` AND r.unit = ?1`
	}
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !p.Since.IsZero() {
		from = batch.HourOf(p.Since)
	}
	if !p.Until.IsZero() {
		to = batch.HourOf(p.Until) - 1
	}
	dimensions, err := a.dimensions(ctx, table, unit, p.Unit)
	for i := 0; i < len(dimensions) && err == nil; i++ { // of each, the stretch is one of the primary key
		err = each(a.asking(ctx), a, `SELECT ?1, r.dimension, `+start+`, r.value, coalesce(t.endpoint, ''), coalesce(t.model, ''), coalesce(t.provider, ''), r.task, r.strategy, `+batch.ListTally+`
			FROM `+table+` r LEFT JOIN targets t ON t.id = r.target WHERE r.dimension = ?2 AND `+start+` BETWEEN ?3 AND ?4`+unit, func(rows *sql.Rows) error {
			var row database.RollupRow
			var hour int64
			var t event.Tally
			if err := rows.Scan(append([]any{&row.Unit, &row.Dimension, &hour, &row.Value, &row.Target.Endpoint, &row.Target.Model, &row.Target.Provider, &row.Task, &row.Strategy},
				batch.ScanTally(&t)...)...); err != nil {
				return err
			}
			row.Start = batch.HourTime(hour)
			visit(row, t)
			return ctx.Err()
		}, string(p.Unit), dimensions[i], from, to)
	}
	return err
}

// dimensions returns those that a table of sums has rows of, by a few looks into
// its primary key.
func (a auditSource) dimensions(ctx context.Context, table, unit string, of batch.Unit) (out []string, err error) {
	err = each(a.asking(ctx), a, `WITH RECURSIVE d (dimension) AS (
			SELECT min(r.dimension) FROM `+table+` r WHERE true`+unit+`
			UNION ALL
			SELECT (SELECT min(r.dimension) FROM `+table+` r WHERE r.dimension > d.dimension`+unit+`) FROM d WHERE d.dimension IS NOT NULL)
		SELECT dimension FROM d WHERE dimension IS NOT NULL`, func(rows *sql.Rows) error {
		var d string
		err := rows.Scan(&d)
		out = append(out, d)
		return err
	}, string(of))
	return out, err
}

// Spending implements database.Source.
func (a auditSource) Spending(ctx context.Context, visit func(event.BudgetSpend)) error {
	return each(a.asking(ctx), a, `SELECT budget, period, calls, cost, assumed, tokens, requests FROM budget_spend`, func(rows *sql.Rows) error {
		b, err := scanSpend(rows)
		if err == nil {
			visit(b)
		}
		return err
	})
}

// numbers shows those of the calls with from ≤ number ≤ to.
func (a auditSource) numbers(ctx context.Context, from, to int64, visit func(int64)) error {
	return each(a.asking(ctx), a, `SELECT seq FROM calls WHERE seq BETWEEN ? AND ? ORDER BY seq`, func(rows *sql.Rows) error {
		var number int64
		err := rows.Scan(&number)
		if err == nil {
			visit(number)
		}
		return err
	}, from, to)
}
