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
	event.ByModel: `t.model`, event.ByEndpoint: `t.endpoint`, event.ByProvider: `t.provider`,
	event.ByTask: `r.task`, event.ByStrategy: `r.strategy`,
	event.ByDay: `r.hour / 24 * 24`, event.ByHour: `r.hour`,
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
	all, err := sumGroups(ctx, tx, q, dimension, `''`)
	if err != nil {
		return event.CostReport{}, failure(op, err)
	}
	var groups map[string]event.Tally
	if q.By != "" {
		column := groupColumns[q.By]
		if q.By.OfContext() {
			dimension, column = q.By, `r.value`
		}
		if groups, err = sumGroups(ctx, tx, q, dimension, column); err != nil {
			return event.CostReport{}, failure(op, err)
		}
	}
	return event.NewCostReport(q, all[""], groups), nil
}

// sumGroups adds up the rollup rows of one dimension by a column.
func sumGroups(ctx context.Context, tx *sql.Tx, q event.CostQuery, dimension event.Dimension, column string) (map[string]event.Tally, error) {
	text := `SELECT ` + column + `, ` + rollupSums + ` FROM cost_rollup r JOIN targets t ON t.id = r.target WHERE r.dimension = ?`
	args := []any{string(dimension)}
	add := func(cond string, arg any) {
		text += ` AND ` + cond
		args = append(args, arg)
	}
	if !q.Since.IsZero() {
		add(`r.hour >= ?`, batch.HourOf(q.Since))
	}
	if !q.Until.IsZero() {
		add(`r.hour < ?`, batch.HourOf(q.Until))
	}
	if _, value := q.Restriction(); value != "" {
		add(`r.value = ?`, value)
	}
	if q.Task != nil {
		add(`r.task = ?`, q.Task.String())
	}
	if q.Strategy != "" {
		add(`r.strategy = ?`, q.Strategy)
	}
	where, more := targetConditions(q.Model, q.Endpoint, q.Provider)
	rows, err := tx.QueryContext(ctx, text+where+` GROUP BY 1`, append(args, more...)...)
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
		if q.By == event.ByDay || q.By == event.ByHour {
			if hour, err := strconv.ParseInt(key, 10, 64); err == nil { // the total has key ''
				key = event.TimeKey(q.By, batch.HourTime(hour))
			}
		}
		out[key] = t
	}
	return out, rows.Err()
}
