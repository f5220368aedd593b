package sqlite

import (
	"context"
	"database/sql"
	"strconv"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/batch"
)

// groupColumns says what a dimension groups by.
var groupColumns = map[event.Dimension]string{
	"": `''`, event.ByModel: `t.model`, event.ByEndpoint: `t.endpoint`, event.ByProvider: `t.provider`,
	event.ByTask: `r.task`, event.ByStrategy: `r.strategy`,
	event.ByDay: `r.start / 24 * 24`, event.ByHour: `r.start`,
	batch.ByBill: `t.provider || char(31) || t.model || char(31) || (r.start / 24 * 24)`,
}

// Costs implements event.Reader.
func (s *Store) Costs(ctx context.Context, q event.CostQuery) (event.CostReport, error) {
	const op = "sqlite.Costs"
	q, err := q.Check()
	if err != nil {
		return event.CostReport{}, err
	}
	// Total and groups are read from one snapshot of the file.
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return event.CostReport{}, failure(op, err)
	}
	defer tx.Rollback()
	dimension, _ := q.Restriction()
	all, err := sumGroups(ctx, tx, q, dimension, "", 0)
	if err != nil {
		return event.CostReport{}, failure(op, err)
	}
	var groups event.CostGroups
	if q.By != "" {
		if q.By.OfContext() {
			dimension = q.By
		}
		if groups, err = sumGroups(ctx, tx, q, dimension, q.By, q.Limit); err != nil {
			return event.CostReport{}, failure(op, err)
		}
	}
	return event.NewCostReport(q, all.All, groups), nil
}

// DailyCosts implements event.Reader.
func (s *Store) DailyCosts(ctx context.Context, q event.CostQuery) ([]event.DailyCost, error) {
	const op = "sqlite.DailyCosts"
	q.By = ""
	q, err := q.Check()
	if err != nil {
		return nil, err
	}
	dimension, _ := q.Restriction()
	groups, err := sumGroups(ctx, s.read, q, dimension, batch.ByBill, 0)
	if err != nil {
		return nil, failure(op, err)
	}
	return batch.Bills(groups.Lines)
}

// sumGroups adds up the sums of one dimension by another; limit says how many
// groups are wanted, the costliest, 0 all.
func sumGroups(ctx context.Context, from asker, q event.CostQuery, dimension, group event.Dimension, limit int) (event.CostGroups, error) {
	column := groupColumns[group]
	if group.OfContext() {
		column = `r.value`
	}
	sums, args := sumsOf(&q, dimension, batch.Pieces(&q, dimension, group))
	where, more := targetConditions(q.Model, q.Endpoint, q.Provider)
	text := `SELECT ` + column + ` AS key, ` + batch.ListTally + ` FROM (` + sums + `) r LEFT JOIN targets t ON t.id = r.target WHERE 1` + where
	rows, err := from.QueryContext(ctx, batch.AskGroups(text, "sum", limit, batch.Scarce(&q, group)), append(args, more...)...)
	if err != nil {
		return event.CostGroups{}, err
	}
	defer rows.Close()
	groups := batch.NewGroups(limit)
	var n int64
	var key string
	var t event.Tally
	for into := append([]any{&n, &key}, batch.ScanTally(&t)...); rows.Next(); {
		if err := rows.Scan(into...); err != nil {
			return event.CostGroups{}, err
		}
		name := key
		if group.InTime() {
			hour, err := strconv.ParseInt(key, 10, 64)
			if err != nil {
				return event.CostGroups{}, err
			}
			name = event.TimeKey(group, batch.HourTime(hour))
		}
		groups.Add(n, name, &t)
	}
	return groups.CostGroups, rows.Err()
}

// sumsOf asks for the rows of the pieces that a query is about, as far as it is
// not about targets.
func sumsOf(q *event.CostQuery, dimension event.Dimension, pieces []batch.Piece) (text string, args []any) {
	add := func(cond string, arg any) {
		text += cond
		args = append(args, arg)
	}
	for i, p := range pieces {
		if i > 0 {
			text += ` UNION ALL `
		}
		at := `start`
		if p.Unit == "" {
			at = `hour`
		}
		text += `SELECT ` + at + ` AS start, value, target, task, strategy, ` + batch.ListTally
		if p.Unit == "" {
			add(` FROM cost_rollup WHERE dimension = ?`, string(dimension))
		} else {
			add(` FROM cost_sums WHERE unit = ?`, string(p.Unit))
			add(` AND dimension = ?`, string(dimension))
		}
		if !p.Since.IsZero() {
			add(` AND `+at+` >= ?`, batch.HourOf(p.Since))
		}
		if !p.Until.IsZero() {
			add(` AND `+at+` < ?`, batch.HourOf(p.Until))
		}
		if _, value := q.Restriction(); value != "" {
			add(` AND value = ?`, value)
			if p.Unit != "" {
				text += ` AND dimension <> ''` // so that the index of values will do
			}
		}
		if q.Task != nil {
			add(` AND task = ?`, q.Task.String())
		}
		if q.Strategy != "" {
			add(` AND strategy = ?`, q.Strategy)
		}
	}
	return text, args
}
