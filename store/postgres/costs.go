package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/batch"
)

// groupColumns says what a dimension groups by. Times are hours since the epoch.
var groupColumns = map[event.Dimension]string{
	event.ByModel: `t.model`, event.ByEndpoint: `t.endpoint`, event.ByProvider: `t.provider`,
	event.ByTask: `r.task`, event.ByStrategy: `r.strategy`,
	event.ByDay:  `(extract(epoch FROM r.hour)::bigint / 86400 * 24)::text`,
	event.ByHour: `(extract(epoch FROM r.hour)::bigint / 3600)::text`,
}

const rollupSums = `sum(calls)::bigint, sum(failed)::bigint, sum(unpriced)::bigint, sum(cost)::bigint, sum(estimated)::bigint,
	sum(input)::bigint, sum(cached_read)::bigint, sum(cache_write)::bigint, sum(output)::bigint, sum(reasoning)::bigint,
	sum(latency_ms), sum(latency_calls)::bigint, sum(ttft_ms), sum(ttft_calls)::bigint`

// Costs implements event.Reader.
func (s *Store) Costs(ctx context.Context, q event.CostQuery) (report event.CostReport, err error) {
	if q, err = q.Check(); err != nil {
		return event.CostReport{}, err
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	// Total and groups are read from one snapshot of the database.
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, s.pool, snapshot, func(tx pgx.Tx) error {
		dimension, _ := q.Restriction()
		all, err := sumGroups(ctx, tx, q, dimension, `''`)
		if err != nil {
			return err
		}
		var groups map[string]event.Tally
		if q.By != "" {
			column := groupColumns[q.By]
			if q.By.OfContext() {
				dimension, column = q.By, `r.value`
			}
			if groups, err = sumGroups(ctx, tx, q, dimension, column); err != nil {
				return err
			}
		}
		report = event.NewCostReport(q, all[""], groups)
		return nil
	})
	return report, failure("postgres.Costs", err)
}

// sumGroups adds up the rollup rows of one dimension by a column.
func sumGroups(ctx context.Context, tx pgx.Tx, q event.CostQuery, dimension event.Dimension, column string) (map[string]event.Tally, error) {
	ask := &query{text: `SELECT ` + column + `, ` + rollupSums + ` FROM cost_rollup r JOIN targets t ON t.id = r.target`}
	ask.add(` WHERE r.dimension = ?`, string(dimension))
	if !q.Since.IsZero() {
		ask.add(` AND r.hour >= ?`, hour(q.Since))
	}
	if !q.Until.IsZero() {
		ask.add(` AND r.hour < ?`, hour(q.Until))
	}
	if _, value := q.Restriction(); value != "" {
		ask.add(` AND r.value = ?`, text(value))
	}
	if q.Task != nil {
		ask.add(` AND r.task = ?`, q.Task.String())
	}
	if q.Strategy != "" {
		ask.add(` AND r.strategy = ?`, text(q.Strategy))
	}
	targetConditions(ask, q.Model, q.Endpoint, q.Provider)
	rows, err := tx.Query(ctx, ask.text+` GROUP BY 1`, ask.args...)
	if err != nil {
		return nil, err
	}
	out := map[string]event.Tally{}
	var key string
	var t event.Tally
	_, err = pgx.ForEachRow(rows, []any{
		&key, &t.Calls, &t.Failed, &t.Unpriced, (*int64)(&t.Cost), (*int64)(&t.Estimated),
		&t.Input, &t.CachedRead, &t.CacheWrite, &t.Output, &t.Reasoning, &t.Latency, &t.LatencyCalls, &t.TTFT, &t.TTFTCalls,
	}, func() error {
		name := key
		if hours, err := strconv.ParseInt(key, 10, 64); err == nil && (q.By == event.ByDay || q.By == event.ByHour) { // the total has key ''
			name = event.TimeKey(q.By, batch.HourTime(hours))
		}
		out[name] = t
		return nil
	})
	return out, err
}

// hour returns the beginning of the hour of a time.
func hour(t time.Time) time.Time { return batch.HourTime(batch.HourOf(t)) }
