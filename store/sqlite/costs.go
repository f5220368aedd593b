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

const costSums = `sum(calls) AS calls, sum(failed) AS failed, sum(unpriced) AS unpriced, sum(cost) AS cost, sum(estimated) AS estimated,
	sum(input) AS input, sum(cached_read) AS cached_read, sum(cache_write) AS cache_write, sum(output) AS output, sum(reasoning) AS reasoning,
	sum(latency_ms) AS latency_ms, sum(latency_calls) AS latency_calls, sum(ttft_ms) AS ttft_ms, sum(ttft_calls) AS ttft_calls`

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
	groups := `SELECT ` + column + ` AS key, ` + costSums + ` FROM (` + sums + `) r LEFT JOIN targets t ON t.id = r.target WHERE 1`
	where, more := targetConditions(q.Model, q.Endpoint, q.Provider)
	rows, err := from.QueryContext(ctx, batch.AskGroups(groups+where+` GROUP BY 1`, tallyColumns, costSums, limit), append(args, more...)...)
	if err != nil {
		return event.CostGroups{}, err
	}
	defer rows.Close()
	out := batch.NewGroups(limit)
	for rows.Next() {
		var n int64
		var key string
		var t event.Tally
		if err := rows.Scan(&n, &key, &t.Calls, &t.Failed, &t.Unpriced, &t.Cost, &t.Estimated,
			&t.Input, &t.CachedRead, &t.CacheWrite, &t.Output, &t.Reasoning, &t.Latency, &t.LatencyCalls, &t.TTFT, &t.TTFTCalls); err != nil {
			return event.CostGroups{}, err
		}
		if group.InTime() {
			hour, err := strconv.ParseInt(key, 10, 64)
			if err != nil {
				return event.CostGroups{}, err
			}
			key = event.TimeKey(group, batch.HourTime(hour))
		}
		out.Add(n, key, &t)
	}
	return out.CostGroups, rows.Err()
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
		text += `SELECT ` + at + ` AS start, value, target, task, strategy, ` + tallyColumns
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
