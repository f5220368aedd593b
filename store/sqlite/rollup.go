package sqlite

import (
	"context"
	"strings"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/batch"
)

var (
	rollupInsert = `INSERT INTO cost_rollup (dimension, hour, value, target, task, strategy, ` + batch.ListTally + `) VALUES `
	sumsInsert   = `INSERT INTO cost_sums (unit, dimension, start, value, target, task, strategy, ` + batch.ListTally + `) VALUES `
	tallyAdd     = addTally()
)

// addTally is what happens to a row of sums that is there.
func addTally() string {
	add := make([]string, len(batch.TallyColumns))
	for i, c := range batch.TallyColumns {
		add[i] = c + " = " + c + " + excluded." + c
	}
	return " ON CONFLICT DO UPDATE SET " + strings.Join(add, ", ")
}

// writeRollups adds rows to cost_rollup.
func writeRollups(ctx context.Context, r batch.Rollups, into *bulk) error {
	for k, t := range r {
		if err := into.tally(ctx, t, string(k.Dimension), k.Hour, k.Value, k.Target, k.Task.String(), k.Strategy); err != nil {
			return err
		}
	}
	return into.end(ctx)
}

// writeSums adds rows to cost_sums.
func writeSums(ctx context.Context, s batch.Sums, into *bulk) error {
	for k, t := range s {
		if err := into.tally(ctx, t, string(k.Unit), string(k.Dimension), k.Start, k.Value, k.Target, k.Task, k.Strategy); err != nil {
			return err
		}
	}
	return into.end(ctx)
}

// tally adds a row of sums under its key.
func (b *bulk) tally(ctx context.Context, t *event.Tally, key ...any) error {
	for _, v := range batch.WholeOf(t) {
		key = append(key, v)
	}
	return b.row(ctx, append(key, t.Latency, t.TTFT)...)
}
