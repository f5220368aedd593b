package sqlite

import (
	"context"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/batch"
)

const tallyColumns = `calls, failed, unpriced, cost, estimated,
  input, cached_read, cache_write, output, reasoning, latency_ms, latency_calls, ttft_ms, ttft_calls`

const (
	rollupInsert = `INSERT INTO cost_rollup (dimension, hour, value, target, task, strategy, ` + tallyColumns + `) VALUES `
	sumsInsert   = `INSERT INTO cost_sums (unit, dimension, start, value, target, task, strategy, ` + tallyColumns + `) VALUES `
)

const tallyAdd = `
ON CONFLICT DO UPDATE SET
  calls = calls + excluded.calls, failed = failed + excluded.failed, unpriced = unpriced + excluded.unpriced,
  cost = cost + excluded.cost, estimated = estimated + excluded.estimated,
  input = input + excluded.input, cached_read = cached_read + excluded.cached_read, cache_write = cache_write + excluded.cache_write,
  output = output + excluded.output, reasoning = reasoning + excluded.reasoning,
  latency_ms = latency_ms + excluded.latency_ms, latency_calls = latency_calls + excluded.latency_calls,
  ttft_ms = ttft_ms + excluded.ttft_ms, ttft_calls = ttft_calls + excluded.ttft_calls`

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
	return b.row(ctx, append(key, t.Calls, t.Failed, t.Unpriced, int64(t.Cost), int64(t.Estimated),
		t.Input, t.CachedRead, t.CacheWrite, t.Output, t.Reasoning, t.Latency, t.LatencyCalls, t.TTFT, t.TTFTCalls)...)
}
