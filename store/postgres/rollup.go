package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/batch"
)

// upsert writes the statement that adds rows, given as one array per column, to
// a table of sums. types are those of the keys.
func upsert(table, keys string, types ...string) string {
	types = append(types, tallyTypes...)
	arrays := make([]string, len(types))
	for i, t := range types {
		arrays[i] = fmt.Sprintf("$%d::%s[]", i+1, t)
	}
	return fmt.Sprintf("INSERT INTO %s (%s, %s) SELECT * FROM unnest(%s) ON CONFLICT (%s) DO UPDATE SET %s",
		table, keys, batch.ListTally, strings.Join(arrays, ", "), keys, batch.AddTally(table))
}

var (
	tallyTypes = append(slices.Repeat([]string{"bigint"}, len(batch.WholeColumns)), slices.Repeat([]string{"double precision"}, len(batch.MeanColumns))...)

	rollupUpsert = upsert("cost_rollup", "dimension, hour, value, target, task, strategy", "text", "timestamptz", "text", "bigint", "text", "text")
	sumsUpserts  = map[string]string{"cost_sums": upsertSums("cost_sums"), "cost_past": upsertSums("cost_past")} // by table
)

func upsertSums(table string) string {
	return upsert(table, "unit, dimension, start, value, target, task, strategy", "text", "text", "timestamptz", "text", "bigint", "text", "text")
}

// tallies are the columns of sums, an array each.
type tallies struct {
	whole         [12][]int64
	latency, ttft []float64
}

func (c *tallies) add(t *event.Tally) {
	for i, v := range batch.WholeOf(t) {
		c.whole[i] = append(c.whole[i], v)
	}
	c.latency, c.ttft = append(c.latency, t.Latency), append(c.ttft, t.TTFT)
}

// args are the arguments of a statement that adds them under their keys.
func (c *tallies) args(keys ...any) []any {
	for _, column := range c.whole {
		keys = append(keys, column)
	}
	return append(keys, c.latency, c.ttft)
}

// queueRollups adds rows to cost_rollup.
func queueRollups(q *pgx.Batch, sums batch.Rollups) {
	var dimensions, values, tasks, strategies []string
	var hours []time.Time
	var targets []int64
	var c tallies
	for k, t := range sums {
		dimensions, hours, values = append(dimensions, string(k.Dimension)), append(hours, batch.HourTime(k.Hour)), append(values, k.Value)
		targets, tasks, strategies = append(targets, k.Target), append(tasks, k.Task.String()), append(strategies, k.Strategy)
		c.add(t)
	}
	if len(hours) > 0 {
		q.Queue(rollupUpsert, c.args(dimensions, hours, values, targets, tasks, strategies)...)
	}
}

// queueSums adds rows to cost_sums and cost_past.
func queueSums(q *pgx.Batch, sums batch.Sums) {
	for table, upsert := range sumsUpserts {
		queueSumsOf(q, table, upsert, sums)
	}
}

func queueSumsOf(q *pgx.Batch, table, upsert string, sums batch.Sums) {
	var units, dimensions, values, tasks, strategies []string
	var starts []time.Time
	var targets []int64
	var c tallies
	for k, t := range sums {
		if k.Unit.Table() != table {
			continue
		}
		units, dimensions, starts = append(units, string(k.Unit)), append(dimensions, string(k.Dimension)), append(starts, batch.HourTime(k.Start))
		values, targets, tasks, strategies = append(values, k.Value), append(targets, k.Target), append(tasks, k.Task), append(strategies, k.Strategy)
		c.add(t)
	}
	if len(starts) > 0 {
		q.Queue(upsert, c.args(units, dimensions, starts, values, targets, tasks, strategies)...)
	}
}

// queueSpending adds the charges of calls up to number seq, which the spool stored.
func queueSpending(q *pgx.Batch, spend batch.Spending, spool string, seq int64) {
	var budgets []string
	var periods []time.Time
	var numbers [5][]int64
	for k, b := range spend {
		budgets, periods = append(budgets, string(k.Budget)), append(periods, time.UnixMicro(k.Period).UTC())
		for i, v := range [len(numbers)]int64{b.Calls, int64(b.Cost), int64(b.Assumed), b.Tokens, b.Requests} {
			numbers[i] = append(numbers[i], v)
		}
	}
	if len(budgets) > 0 {
		q.Queue(`INSERT INTO budget_spend AS s (budget, period, calls, cost, assumed, tokens, requests, spool, changed)
			SELECT *, $8, $9::bigint FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
			ON CONFLICT (budget, period, spool) DO UPDATE SET calls = s.calls + excluded.calls, cost = s.cost + excluded.cost,
				assumed = s.assumed + excluded.assumed, tokens = s.tokens + excluded.tokens, requests = s.requests + excluded.requests,
				changed = excluded.changed`,
			budgets, periods, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], spool, seq)
	}
}

// spendByPeriod adds up what the spools were charged.
const spendByPeriod = `SELECT budget, period, sum(calls)::bigint, sum(cost)::bigint, sum(assumed)::bigint, sum(tokens)::bigint, sum(requests)::bigint
	FROM budget_spend`

// BudgetSpend implements event.SpendReader.
func (s *Store) BudgetSpend(ctx context.Context, since time.Time) ([]event.BudgetSpend, error) {
	// Sorted by bytes, whatever the database's language is.
	return list(ctx, s, "postgres.BudgetSpend", spendByPeriod+`
		WHERE period >= $1 GROUP BY budget, period ORDER BY budget COLLATE "C", period`, []any{since}, scanSpend)
}

func scanSpend(row pgx.CollectableRow) (b event.BudgetSpend, err error) {
	err = row.Scan((*string)(&b.Budget), &b.Period, &b.Calls, (*int64)(&b.Cost), (*int64)(&b.Assumed), &b.Tokens, &b.Requests)
	b.Period = b.Period.UTC()
	return b, err
}
