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
	err = s.snapshot(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		report, err = batch.Report(q, func(dimension, group event.Dimension, limit int) (event.CostGroups, error) {
			return sumGroups(ctx, tx, q, dimension, group, limit)
		})
		return err
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
	var groups event.CostGroups
	err = s.snapshot(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		dimension, _ := q.Restriction()
		groups, err = sumGroups(ctx, tx, q, dimension, batch.ByBill, 0)
		return err
	})
	if err != nil {
		return nil, s.failure(op, err)
	}
	return batch.Bills(groups.Lines)
}

// snapshot runs f with one moment of the database: total and groups of one report,
// and how far there are sums of cost_past with these.
func (s *Store) snapshot(ctx context.Context, f func(ctx context.Context, tx pgx.Tx) error) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error { return f(ctx, tx) })
}

// sumGroups adds up the sums of one dimension by another; limit says how many
// groups are wanted, the costliest, 0 all.
func sumGroups(ctx context.Context, tx pgx.Tx, q event.CostQuery, dimension, group event.Dimension, limit int) (event.CostGroups, error) {
	var past time.Time
	if batch.NeedPast(&q, dimension, group) {
		var err error
		if past, err = pastOf(ctx, tx); err != nil {
			return event.CostGroups{}, err
		}
	}
	column := groupColumns[group]
	if group.OfContext() {
		column = `r.value`
	}
	ask := &query{text: `SELECT (` + column + `) COLLATE "C" AS key, ` + batch.ListTally + ` FROM (`}
	askSums(ask, &q, dimension, batch.Pieces(&q, dimension, group, past))
	ask.text += `) r LEFT JOIN targets t ON t.id = r.target WHERE true`
	targetConditions(ask, q.Model, q.Endpoint, q.Provider)
	rows, err := tx.Query(ctx, batch.AskGroups(ask.text, sum, limit, batch.Scarce(&q, group)), ask.args...)
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
			ask.add(` FROM `+p.Unit.Table()+` WHERE unit = ?`, string(p.Unit))
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
			switch {
			case p.Unit != "":
				ask.text += ` AND dimension <> ''` // so that the index of values will do
			case dimension == event.ByWorkflow:
				askDays(ask, value)
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

// askDays restricts rows of cost_rollup to the days from the first in which a
// workflow run has calls to the last, which its sums by the day know: to find it
// there, all runs would be looked at.
func askDays(ask *query, run string) {
	for _, bound := range [...]string{` AND hour >= (SELECT min(start)`, ` AND hour < (SELECT max(start) + interval '24 hours'`} {
		ask.add(bound+` FROM cost_sums WHERE unit = 'day' AND dimension = 'workflow' AND dimension <> '' AND value = ?)`, text(run))
	}
}

// hour returns the beginning of the hour of a time.
func hour(t time.Time) time.Time { return batch.HourTime(batch.HourOf(t)) }
