package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/batch"
	"github.com/cartrita/cartrita/store/database"
)

// auditSource implements database.Source.
type auditSource struct {
	*Store
	tx pgx.Tx
}

// Blocks implements database.Source.
func (a auditSource) Blocks(ctx context.Context, visit func(number int64, oldest, newest time.Time)) error {
	rows, err := a.tx.Query(ctx, `SELECT seq, oldest, newest FROM call_blocks ORDER BY seq`)
	if err != nil {
		return err
	}
	var number int64
	var oldest, newest time.Time
	_, err = pgx.ForEachRow(rows, []any{&number, &oldest, &newest}, func() error {
		visit(number, oldest, newest)
		return nil
	})
	return err
}

// Documents implements database.Source.
func (a auditSource) Documents(ctx context.Context, first, last int64, visit func([]batch.Entry) error) error {
	condition := query{text: ` WHERE true`}
	condition.add(` AND seq >= ?`, first)
	condition.add(` AND seq <= ?`, last)
	ask := func(q *query) ([]block, error) {
		ctx, cancel := a.bound(ctx)
		defer cancel()
		rows, err := a.tx.Query(ctx, q.text, q.args...)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, scanBlock)
	}
	return eachBlock(ask, condition, func(b *block) error {
		entries, err := batch.Unpack(b.seq, b.records, b.plans)
		if err != nil || !b.holds(entries) {
			return database.Damaged(b.seq)
		}
		return visit(entries)
	})
}

// holds reports whether calls ended when the block says that its calls did: a
// comparison reads only blocks that say so.
func (b *block) holds(entries []batch.Entry) bool {
	if len(entries) == 0 {
		return true
	}
	oldest, newest := batch.Ended(entries)
	return !oldest.Before(b.oldest) && !newest.After(b.newest)
}

// Sums implements database.Source.
func (a auditSource) Sums(ctx context.Context, p batch.Piece, visit func(database.RollupRow, event.Tally)) error {
	table, start, unit := `cost_rollup`, `r.hour`, ` AND ? = ''`
	if p.Unit != "" {
		table, start, unit = p.Unit.Table(), `r.start`, ` AND r.unit = ?`
	}
	dimensions, err := a.dimensions(ctx, table, unit, p.Unit)
	for i := 0; i < len(dimensions) && err == nil; i++ { // of each, the stretch is one of the primary key
		q := query{text: `SELECT r.dimension, ` + start + `, r.value, coalesce(t.endpoint, ''), coalesce(t.model, ''), coalesce(t.provider, ''), r.task, r.strategy, ` + batch.ListTally + `
			FROM ` + table + ` r LEFT JOIN targets t ON t.id = r.target WHERE true`}
		q.add(unit, string(p.Unit))
		q.add(` AND r.dimension = ?`, dimensions[i])
		if !p.Since.IsZero() {
			q.add(` AND `+start+` >= ?`, p.Since)
		}
		if !p.Until.IsZero() {
			q.add(` AND `+start+` < ?`, p.Until)
		}
		err = a.sums(ctx, &q, p.Unit, visit)
	}
	return err
}

func (a auditSource) sums(ctx context.Context, q *query, unit batch.Unit, visit func(database.RollupRow, event.Tally)) error {
	rows, err := a.tx.Query(ctx, q.text, q.args...)
	if err != nil {
		return err
	}
	row := database.RollupRow{Unit: unit}
	var t event.Tally
	into := append([]any{
		(*string)(&row.Dimension), &row.Start, &row.Value, (*string)(&row.Target.Endpoint), (*string)(&row.Target.Model), &row.Target.Provider, &row.Task, &row.Strategy,
	}, batch.ScanTally(&t)...)
	_, err = pgx.ForEachRow(rows, into, func() error {
		row.Start = row.Start.UTC()
		visit(row, t)
		return nil
	})
	return err
}

// dimensions returns those that a table of sums has rows of, by a few looks into
// its primary key.
func (a auditSource) dimensions(ctx context.Context, table, unit string, of batch.Unit) ([]string, error) {
	unit = strings.Replace(unit, "?", "$1", 1)
	rows, err := a.tx.Query(ctx, `WITH RECURSIVE d (dimension) AS (
			SELECT min(r.dimension) FROM `+table+` r WHERE true`+unit+`
			UNION ALL
			SELECT (SELECT min(r.dimension) FROM `+table+` r WHERE r.dimension > d.dimension`+unit+`) FROM d WHERE d.dimension IS NOT NULL)
		SELECT dimension FROM d WHERE dimension IS NOT NULL`, string(of))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Spending implements database.Source.
func (a auditSource) Spending(ctx context.Context, visit func(event.BudgetSpend)) error {
	rows, err := a.tx.Query(ctx, spendByPeriod+` GROUP BY budget, period`)
	if err != nil {
		return err
	}
	spent, err := pgx.CollectRows(rows, scanSpend)
	for _, b := range spent {
		visit(b)
	}
	return err
}

// numbers shows those of the calls with from ≤ number ≤ to.
func (a auditSource) numbers(ctx context.Context, from, to int64, visit func(int64)) error {
	rows, err := a.tx.Query(ctx, `SELECT seq FROM calls WHERE seq BETWEEN $1 AND $2 ORDER BY seq`, from, to)
	if err != nil {
		return err
	}
	var number int64
	_, err = pgx.ForEachRow(rows, []any{&number}, func() error { visit(number); return nil })
	return err
}
