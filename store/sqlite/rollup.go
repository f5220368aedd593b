package sqlite

import (
	"context"

	"github.com/cartrita/cartrita/store/batch"
)

const rollupInsert = `
INSERT INTO cost_rollup (dimension, hour, value, target, task, strategy, calls, failed, unpriced, cost, estimated,
  input, cached_read, cache_write, output, reasoning, latency_ms, latency_calls, ttft_ms, ttft_calls)
VALUES `

const rollupAdd = `
ON CONFLICT DO UPDATE SET
  calls = calls + excluded.calls, failed = failed + excluded.failed, unpriced = unpriced + excluded.unpriced,
  cost = cost + excluded.cost, estimated = estimated + excluded.estimated,
  input = input + excluded.input, cached_read = cached_read + excluded.cached_read, cache_write = cache_write + excluded.cache_write,
  output = output + excluded.output, reasoning = reasoning + excluded.reasoning,
  latency_ms = latency_ms + excluded.latency_ms, latency_calls = latency_calls + excluded.latency_calls,
  ttft_ms = ttft_ms + excluded.ttft_ms, ttft_calls = ttft_calls + excluded.ttft_calls`

func writeRollups(ctx context.Context, r batch.Rollups, into *bulk) error {
	for k, t := range r {
		if err := into.row(ctx, string(k.Dimension), k.Hour, k.Value, k.Target, k.Task.String(), k.Strategy,
			t.Calls, t.Failed, t.Unpriced, int64(t.Cost), int64(t.Estimated),
			t.Input, t.CachedRead, t.CacheWrite, t.Output, t.Reasoning, t.Latency, t.LatencyCalls, t.TTFT, t.TTFTCalls); err != nil {
			return err
		}
	}
	return into.end(ctx)
}
