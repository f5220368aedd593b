package sqlite

import (
	"context"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/batch"
)

var (
	rollupInsert = `INSERT INTO cost_rollup (dimension, hour, value, target, task, strategy, ` + batch.ListTally + `) VALUES `
	sumColumns   = `(unit, dimension, start, value, target, task, strategy, ` + batch.ListTally + `) VALUES `
)

// tallyAdd is what happens to a row of sums that is there.
func tallyAdd(table string) string { return " ON CONFLICT DO UPDATE SET " + batch.AddTally(table) }

// writeRollups adds rows to cost_rollup.
func writeRollups(ctx context.Context, r batch.Rollups, into *bulk) error {
	for k, t := range r {
		if err := into.tally(ctx, t, string(k.Dimension), k.Hour, k.Value, k.Target, k.Task.String(), k.Strategy); err != nil {
			return err
		}
	}
	return into.end(ctx)
}

// writeSums adds rows to cost_sums and cost_past.
func (w *writer) writeSums(ctx context.Context, s batch.Sums) error {
	for k, t := range s {
		into := &w.sums
		if k.Unit.Table() == "cost_past" {
			into = &w.past
		}
		if err := into.tally(ctx, t, string(k.Unit), string(k.Dimension), k.Start, k.Value, k.Target, k.Task, k.Strategy); err != nil {
			return err
		}
	}
	if err := w.sums.end(ctx); err != nil {
		return err
	}
	return w.past.end(ctx)
}

// tally adds a row of sums under its key.
func (b *bulk) tally(ctx context.Context, t *event.Tally, key ...any) error {
	for _, v := range batch.WholeOf(t) {
		key = append(key, v)
	}
	return b.row(ctx, append(key, t.Latency, t.TTFT)...)
}
