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
	event.ByTask: `r.task`, event.ByStrategy: `r.strategy`, "": `''`,
	event.ByDay:  `(extract(epoch FROM r.start)::bigint / 86400 * 24)::text`,
	batch.ByBill: `t.provider || chr(31) || t.model || chr(31) || (extract(epoch FROM r.start)::bigint / 86400 * 24)::text`,
	event.ByHour: `(extract(epoch FROM r.start)::bigint / 3600)::text`,
}

// sum adds whole numbers up: that of PostgreSQL counts in numeric, which takes
// longer than all the rest of a question.
const sum = `sum_bigint`

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
		all, err := sumGroups(ctx, tx, q, dimension, "", 0)
		if err != nil {
			return err
		}
		var groups event.CostGroups
		if q.By != "" {
			if q.By.OfContext() {
				dimension = q.By
			}
			if groups, err = sumGroups(ctx, tx, q, dimension, q.By, q.Limit); err != nil {
				return err
			}
		}
		report = event.NewCostReport(q, all.All, groups)
		return nil
	})
	return report, s.failure("postgres.Costs", err)
}

// DailyCosts implements event.Reader.
func (s *Store) DailyCosts(ctx context.Context, q event.CostQuery) ([]event.DailyCost, error) {
	const op = "postgres.DailyCosts"
	q.By = ""
	q, err := q.Check()
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	dimension, _ := q.Restriction()
	groups, err := sumGroups(ctx, s.pool, q, dimension, batch.ByBill, 0)
	if err != nil {
		return nil, s.failure(op, err)
	}
	return batch.Bills(groups.Lines)
}

// asker is a connection, or a transaction.
type asker interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

// sumGroups adds up the sums of one dimension by another; limit says how many
// groups are wanted, the costliest, 0 all.
func sumGroups(ctx context.Context, from asker, q event.CostQuery, dimension, group event.Dimension, limit int) (event.CostGroups, error) {
	column := groupColumns[group]
	if group.OfContext() {
		column = `r.value`
	}
	ask := &query{text: `SELECT (` + column + `) COLLATE "C" AS key, ` + batch.ListTally + ` FROM (`}
	askSums(ask, &q, dimension, batch.Pieces(&q, dimension, group))
	ask.text += `) r LEFT JOIN targets t ON t.id = r.target WHERE true`
	targetConditions(ask, q.Model, q.Endpoint, q.Provider)
	rows, err := from.Query(ctx, batch.AskGroups(ask.text, sum, limit, batch.Scarce(&q, group)), ask.args...)
	if err != nil {
		return event.CostGroups{}, err
	}
	groups := batch.NewGroups(limit)
	var n int64
	var key string
	var t event.Tally
	_, err = pgx.ForEachRow(rows, append([]any{&n, &key}, batch.ScanTally(&t)...), func() error {
		name := key
		if group.InTime() {
			hours, err := strconv.ParseInt(key, 10, 64)
			if err != nil {
				return err
			}
			name = event.TimeKey(group, batch.HourTime(hours))
		}
		groups.Add(n, name, &t)
		return nil
	})
	return groups.CostGroups, err
}

// askSums asks for the rows of the pieces that a query is about, as far as it is
// not about targets.
func askSums(ask *query, q *event.CostQuery, dimension event.Dimension, pieces []batch.Piece) {
	for i, p := range pieces {
		if i > 0 {
			ask.text += ` UNION ALL `
		}
		at := `start`
		if p.Unit == "" {
			at = `hour`
		}
		ask.text += `SELECT ` + at + ` AS start, value, target, task, strategy, ` + batch.ListTally
		if p.Unit == "" {
			ask.add(` FROM cost_rollup WHERE dimension = ?`, string(dimension))
		} else {
			ask.add(` FROM cost_sums WHERE unit = ?`, string(p.Unit))
			ask.add(` AND dimension = ?`, string(dimension))
		}
		if !p.Since.IsZero() {
			ask.add(` AND `+at+` >= ?`, hour(p.Since))
		}
		if !p.Until.IsZero() {
			ask.add(` AND `+at+` < ?`, hour(p.Until))
		}
		if _, value := q.Restriction(); value != "" {
			ask.add(` AND value = ?`, text(value))
			if p.Unit != "" {
				ask.text += ` AND dimension <> ''` // so that the index of values will do
			}
		}
		if q.Task != nil {
			ask.add(` AND task = ?`, q.Task.String())
		}
		if q.Strategy != "" {
			ask.add(` AND strategy = ?`, text(q.Strategy))
		}
	}
}

// hour returns the beginning of the hour of a time.
func hour(t time.Time) time.Time { return batch.HourTime(batch.HourOf(t)) }
