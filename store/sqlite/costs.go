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

const rollupSums = `sum(calls), sum(failed), sum(unpriced), sum(cost), sum(estimated),
	sum(input), sum(cached_read), sum(cache_write), sum(output), sum(reasoning), sum(latency_ms), sum(latency_calls), sum(ttft_ms), sum(ttft_calls)`

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
	all, err := sumGroups(ctx, tx, q, dimension, "")
	if err != nil {
		return event.CostReport{}, failure(op, err)
	}
	var groups map[string]event.Tally
	if q.By != "" {
		if q.By.OfContext() {
			dimension = q.By
		}
		if groups, err = sumGroups(ctx, tx, q, dimension, q.By); err != nil {
			return event.CostReport{}, failure(op, err)
		}
	}
	return event.NewCostReport(q, all[""], groups), nil
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
	groups, err := sumGroups(ctx, s.read, q, dimension, batch.ByBill)
	if err != nil {
		return nil, failure(op, err)
	}
	return batch.Bills(groups)
}

// sumGroups adds up the sums of one dimension by another.
func sumGroups(ctx context.Context, from asker, q event.CostQuery, dimension, group event.Dimension) (map[string]event.Tally, error) {
	column := groupColumns[group]
	if group.OfContext() {
		column = `r.value`
	}
	sums, args := sumsOf(&q, dimension, batch.Pieces(&q, dimension, group))
	text := `SELECT ` + column + `, ` + rollupSums + ` FROM (` + sums + `) r LEFT JOIN targets t ON t.id = r.target WHERE 1`
	where, more := targetConditions(q.Model, q.Endpoint, q.Provider)
	rows, err := from.QueryContext(ctx, text+where+` GROUP BY 1`, append(args, more...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]event.Tally{}
	for rows.Next() {
		var key string
		var t event.Tally
		if err := rows.Scan(&key, &t.Calls, &t.Failed, &t.Unpriced, &t.Cost, &t.Estimated,
			&t.Input, &t.CachedRead, &t.CacheWrite, &t.Output, &t.Reasoning, &t.Latency, &t.LatencyCalls, &t.TTFT, &t.TTFTCalls); err != nil {
			return nil, err
		}
		if group == event.ByDay || group == event.ByHour {
			hour, err := strconv.ParseInt(key, 10, 64)
			if err != nil {
				return nil, err
			}
			key = event.TimeKey(group, batch.HourTime(hour))
		}
		out[key] = t
	}
	return out, rows.Err()
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
