package key

import (
	"context"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/model"
)

// maxLimit keeps the arithmetic of limits within 64 bits.
const maxLimit = 1 << 40

// Limiter counts what keys take. Meter counts in this process; one that counts
// for several processes implements the same two steps.
type Limiter interface {
	// Acquire takes one request of so many tokens, all or nothing. A nil error
	// needs one Release with the same limits and tokens. The standing is valid
	// also beside an error, which is KindRateLimited with the time to come back;
	// none where the call will never fit.
	Acquire(ctx context.Context, id model.KeyID, l Limits, tokens int64) (Standing, *model.Error)
	// Release ends the request and replaces what was reserved by what was used.
	Release(id model.KeyID, l Limits, reserved, used int64)
}

// Standing is what a key has left in the minute.
type Standing struct {
	Requests, Tokens Gauge
}

// Gauge is one limit. Limit 0: there is none.
type Gauge struct {
	Limit, Remaining int64
	Reset            time.Duration // until all of it is there again
}

// Meter is a Limiter in memory. A limit of n per minute is a bucket that holds n
// and fills evenly: kept as the time at which it will be full, it takes one
// atomic exchange and no lock.
type Meter struct {
	clock func() time.Time
	base  time.Time
	byKey sync.Map // model.KeyID → *meter
}

type meter struct {
	requests, tokens atomic.Int64 // when the bucket will be full, in ns after base
	running          atomic.Int64
}

// NewMeter makes a Meter. clock default: time.Now; it must carry the monotonic reading.
func NewMeter(clock func() time.Time) *Meter {
	if clock == nil {
		clock = time.Now
	}
	return &Meter{clock: clock, base: clock()}
}

func (m *Meter) of(id model.KeyID) *meter {
	if v, ok := m.byKey.Load(id); ok {
		return v.(*meter)
	}
	v, _ := m.byKey.LoadOrStore(id, new(meter))
	return v.(*meter)
}

// concurrencyRetry is when a key that has too many calls open should come back.
const concurrencyRetry = time.Second

// Acquire implements Limiter.
func (m *Meter) Acquire(_ context.Context, id model.KeyID, l Limits, tokens int64) (Standing, *model.Error) {
	if l == (Limits{}) {
		return Standing{}, nil
	}
	tokens = max(tokens, 0)
	k, now := m.of(id), int64(m.clock().Sub(m.base))
	if l.Concurrency > 0 && k.running.Add(1) > l.Concurrency {
		k.running.Add(-1)
		return k.standing(l, now), refusal(concurrencyRetry, "the API key has its limit of %d calls at once open", l.Concurrency)
	}
	if wait, ok := take(&k.requests, now, 1, l.Requests); !ok {
		k.leave(l)
		return k.standing(l, now), refusal(wait, "the API key has used its limit of %d requests per minute", l.Requests)
	}
	if wait, ok := take(&k.tokens, now, tokens, l.Tokens); !ok {
		give(&k.requests, now, -1, l.Requests)
		k.leave(l)
		if tokens > l.Tokens {
			return k.standing(l, now), refusal(0, "the call may take %d tokens, more than the API key's limit of %d tokens per minute: shorten it or lower max_tokens", tokens, l.Tokens)
		}
		return k.standing(l, now), refusal(wait, "the call may take %d tokens, more than what is left of the API key's limit of %d tokens per minute", tokens, l.Tokens)
	}
	return k.standing(l, now), nil
}

func refusal(wait time.Duration, format string, args ...any) *model.Error {
	e := model.Errorf("key.Acquire", model.KindRateLimited, format, args...)
	e.RetryAfter = wait
	return e
}

// Release implements Limiter.
func (m *Meter) Release(id model.KeyID, l Limits, reserved, used int64) {
	if l == (Limits{}) {
		return
	}
	k := m.of(id)
	k.leave(l)
	give(&k.tokens, int64(m.clock().Sub(m.base)), used-reserved, l.Tokens)
}

func (k *meter) leave(l Limits) {
	if l.Concurrency > 0 {
		k.running.Add(-1)
	}
}

func (k *meter) standing(l Limits, now int64) Standing {
	return Standing{gauge(&k.requests, now, l.Requests), gauge(&k.tokens, now, l.Tokens)}
}

// take moves the time at which the bucket is full by what n take; false, with
// the time to wait, when that is more than a minute away.
func take(full *atomic.Int64, now, n, limit int64) (wait time.Duration, ok bool) {
	if limit <= 0 {
		return 0, true
	}
	if n > limit {
		return 0, false
	}
	for {
		old := full.Load()
		next := max(old, now) + span(n, limit)
		if over := next - now - int64(time.Minute); over > 0 {
			return time.Duration(over), false
		}
		if full.CompareAndSwap(old, next) {
			return 0, true
		}
	}
}

// give corrects a bucket by n more (or, negative, less) than was taken.
func give(full *atomic.Int64, now, n, limit int64) {
	if limit <= 0 || n == 0 {
		return
	}
	if n < 0 {
		full.Add(-span(-n, limit))
		return
	}
	for {
		old := full.Load()
		if full.CompareAndSwap(old, max(old, now)+span(n, limit)) {
			return
		}
	}
}

// span is the time in which n are refilled, at most an hour: a single call
// cannot lock its key out for longer.
func span(n, limit int64) int64 {
	n = min(n, 60*limit)
	hi, lo := bits.Mul64(uint64(n), uint64(time.Minute))
	q, _ := bits.Div64(hi, lo, uint64(limit)) // n/limit ≤ 60: it fits
	return int64(q)
}

func gauge(full *atomic.Int64, now, limit int64) Gauge {
	if limit <= 0 {
		return Gauge{}
	}
	used := max(full.Load()-now, 0)
	hi, lo := bits.Mul64(uint64(max(int64(time.Minute)-used, 0)), uint64(limit))
	left, _ := bits.Div64(hi, lo, uint64(time.Minute)) // left/limit ≤ 1: it fits
	return Gauge{Limit: limit, Remaining: int64(left), Reset: time.Duration(used)}
}
