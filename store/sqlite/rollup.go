package sqlite

import (
	"context"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
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

// rollupKey is the primary key of a rollup row.
type rollupKey struct {
	dimension event.Dimension // "" for all calls
	hour      int64
	value     string
	target    int64
	task      model.Task
	strategy  string
}

// rollups adds up a batch, so that a row of the table is written once per batch.
type rollups map[rollupKey]*event.Tally

// add counts a call that ended, at targets numbered by id; a decision without
// a call costs nothing.
func (r rollups) add(c *event.Call, id func(event.Target) (int64, error)) error {
	if c.State == model.StatePlanned {
		return nil
	}
	for target, part := range c.Parts() {
		n, err := id(target)
		if err != nil {
			return err
		}
		k := rollupKey{hour: hourOf(c.Ended), target: n, task: c.Task, strategy: c.Strategy}
		add := func(v event.Value) {
			k.dimension, k.value = v.Dimension, v.Value
			r.at(k).Merge(part, 1)
		}
		add(event.Value{})
		c.Values(add)
	}
	return nil
}

func (r rollups) at(k rollupKey) *event.Tally {
	t := r[k]
	if t == nil {
		t = new(event.Tally)
		r[k] = t
	}
	return t
}

func (r rollups) write(ctx context.Context, into *bulk) error {
	for k, t := range r {
		if err := into.row(ctx, string(k.dimension), k.hour, k.value, k.target, k.task.String(), k.strategy,
			t.Calls, t.Failed, t.Unpriced, int64(t.Cost), int64(t.Estimated),
			t.Input, t.CachedRead, t.CacheWrite, t.Output, t.Reasoning, t.Latency, t.LatencyCalls, t.TTFT, t.TTFTCalls); err != nil {
			return err
		}
	}
	return into.end(ctx)
}

const hourSeconds = int64(time.Hour / time.Second)

func hourOf(t time.Time) int64 {
	s := t.Unix()
	if s < 0 {
		s -= hourSeconds - 1
	}
	return s / hourSeconds
}

func hourTime(h int64) time.Time { return time.Unix(h*hourSeconds, 0).UTC() }
