package sqlite

import (
	"context"
	"database/sql"
	"math"
	"strconv"
	"time"

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
	report, err := batch.Report(q, func(dimension, group event.Dimension, limit int) (event.CostGroups, error) {
		return sumGroups(ctx, tx, q, dimension, group, limit)
	})
	return report, failure(op, err)
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
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one snapshot, as of Costs
	if err != nil {
		return nil, failure(op, err)
	}
	defer tx.Rollback()
	groups, err := sumGroups(ctx, tx, q, dimension, batch.ByBill, 0)
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
	var past time.Time
	if batch.NeedPast(&q, dimension, group) {
		var err error
		if past, err = pastOf(ctx, from); err != nil {
			return event.CostGroups{}, err
		}
	}
	sums, args := sumsOf(&q, dimension, batch.Pieces(&q, dimension, group, past))
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

const daysOfRun = ` FROM cost_sums WHERE unit = 'day' AND dimension = 'workflow' AND dimension <> '' AND value = ?))`

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
			add(` FROM `+p.Unit.Table()+` WHERE unit = ?`, string(p.Unit))
			add(` AND dimension = ?`, string(dimension))
		}
		_, value := q.Restriction()
		since, until := int64(math.MinInt64), int64(math.MaxInt64)
		if !p.Since.IsZero() {
			since = batch.HourOf(p.Since)
		}
		if !p.Until.IsZero() {
			until = batch.HourOf(p.Until)
		}
		if p.Unit == "" && dimension == event.ByWorkflow && value != "" {
			// The days from the first in which the run has calls to the last, which its
			// sums by the day know: to find it here, all runs would be looked at. One
			// bound each way, because of several only one is looked up.
			add(` AND hour >= max(?`, since)
			add(`, (SELECT min(start)`+daysOfRun, value)
			add(` AND hour < min(?`, until)
			add(`, (SELECT max(start) + 24`+daysOfRun, value)
		} else {
			add(` AND `+at+` >= ?`, since)
			add(` AND `+at+` < ?`, until)
		}
		if value != "" {
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
