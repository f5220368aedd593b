package key_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

func acquire(m *key.Meter, l key.Limits, tokens int64) (key.Standing, *model.Error) {
	return m.Acquire(context.Background(), "k", l, tokens)
}

func TestRequestsPerMinute(t *testing.T) {
	c := newClock()
	m := key.NewMeter(c.now)
	l := key.Limits{Requests: 7}
	for i := range int64(7) {
		if s, err := acquire(m, l, 0); err != nil || s.Requests.Limit != 7 || s.Requests.Remaining != 6-i || s.Tokens.Limit != 0 {
			t.Fatalf("request %d: %+v, %v", i, s, err)
		}
	}
	s, err := acquire(m, l, 0)
	if err == nil || err.Kind != model.KindRateLimited || s.Requests.Remaining != 0 || s.Requests.Reset < 59*time.Second {
		t.Fatalf("request 8: %+v, %v", s, err)
	}
	c.t = c.t.Add(err.RetryAfter - time.Millisecond)
	if _, err := acquire(m, l, 0); err == nil {
		t.Error("before Retry-After is over a request is admitted")
	}
	c.t = c.t.Add(time.Millisecond)
	if _, err := acquire(m, l, 0); err != nil {
		t.Errorf("after Retry-After: %v", err)
	}
}

func TestTokensAreReservedAndCorrected(t *testing.T) {
	c := newClock()
	m := key.NewMeter(c.now)
	l := key.Limits{Requests: 100, Tokens: 1000}
	s, err := acquire(m, l, 600)
	if err != nil || s.Tokens.Remaining != 400 {
		t.Fatalf("%+v, %v", s, err)
	}
	s, err = acquire(m, l, 500)
	if err == nil || s.Requests.Remaining != 99 {
		t.Errorf("600 and 500 of 1000: %+v, %v; the refused request must not count", s, err)
	}
	m.Release("k", l, 600, 100) // it took 100
	if s, err = acquire(m, l, 500); err != nil || s.Tokens.Remaining != 400 {
		t.Errorf("after the correction: %+v, %v", s, err)
	}
	m.Release("k", l, 500, 900) // it took more than was reserved
	if s, err = acquire(m, l, 1); err != nil && s.Tokens.Remaining != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err = acquire(m, l, 1001); err == nil || err.RetryAfter != 0 {
		t.Errorf("more than the whole limit: %v", err)
	}
}

// TestACorrectionAfterIdleTimeCounts: the bucket was full again in between.
func TestACorrectionAfterIdleTimeCounts(t *testing.T) {
	c := newClock()
	m := key.NewMeter(c.now)
	l := key.Limits{Tokens: 100}
	if _, err := acquire(m, l, 10); err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(time.Hour)
	m.Release("k", l, 10, 110)
	if _, err := acquire(m, l, 1); err == nil {
		t.Error("100 tokens that were not reserved cost nothing")
	}
}

// TestLimitsHoldInEveryMinute: whatever the times of the requests, no window of
// a minute admits more than twice the limit (a full bucket and what refills),
// and from the start of an idle bucket never more than its limit plus refill.
func TestLimitsHoldInEveryMinute(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newClock()
		start := c.t
		m := key.NewMeter(c.now)
		limit := rapid.Int64Range(1, 500).Draw(rt, "limit")
		admitted := int64(0)
		for range rapid.IntRange(1, 200).Draw(rt, "requests") {
			c.t = c.t.Add(time.Duration(rapid.IntRange(0, 2000).Draw(rt, "ms")) * time.Millisecond)
			n := rapid.Int64Range(1, limit).Draw(rt, "tokens")
			s, err := acquire(m, key.Limits{Tokens: limit}, n)
			if err == nil {
				admitted += n
			} else if err.RetryAfter <= 0 || err.RetryAfter > time.Minute {
				rt.Fatalf("Retry-After %v", err.RetryAfter)
			}
			if s.Tokens.Remaining < 0 || s.Tokens.Remaining > limit {
				rt.Fatalf("remaining %d of %d", s.Tokens.Remaining, limit)
			}
			most := float64(limit) + float64(limit)*c.t.Sub(start).Minutes() + 1
			if float64(admitted) > most {
				rt.Fatalf("%d tokens in %v at %d per minute", admitted, c.t.Sub(start), limit)
			}
		}
	})
}

func TestCallsAtOnce(t *testing.T) {
	m := key.NewMeter(newClock().now)
	l := key.Limits{Concurrency: 5, Requests: 1_000_000}
	var admitted, running, most atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 200 {
				if _, err := acquire(m, l, 0); err != nil {
					continue
				}
				admitted.Add(1)
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				running.Add(-1)
				m.Release("k", l, 0, 0)
			}
		})
	}
	wg.Wait()
	if most.Load() > 5 || admitted.Load() == 0 {
		t.Errorf("%d at once, %d in all", most.Load(), admitted.Load())
	}
	for range 5 {
		if _, err := acquire(m, l, 0); err != nil {
			t.Fatalf("nothing runs, and yet: %v", err)
		}
	}
	if _, err := acquire(m, l, 0); err == nil || err.RetryAfter <= 0 {
		t.Errorf("the sixth: %v", err)
	}
}

func BenchmarkAcquire(b *testing.B) {
	m := key.NewMeter(nil)
	l := key.Limits{Requests: 1 << 39, Tokens: 1 << 39, Concurrency: 1 << 20}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := acquire(m, l, 100); err != nil {
				b.Fatal(err)
			}
			m.Release("k", l, 100, 90)
		}
	})
}
