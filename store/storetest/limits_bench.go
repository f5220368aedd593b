package storetest

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cartrita/cartrita/limit"
)

// counting counts the exchanges of a Shared.
type counting struct {
	limit.Shared
	n atomic.Int64
}

func (c *counting) Exchange(ctx context.Context, replica string, d []limit.Demand) ([]limit.Grant, error) {
	c.n.Add(1)
	return c.Shared.Exchange(ctx, replica, d)
}

// BenchmarkLimits measures the decision on the request path over a Shared, at one
// limit that is far away, and reports how many decisions one exchange serves and
// the slowest of a hundred decisions.
func BenchmarkLimits(b *testing.B, shared limit.Shared) {
	over := &counting{Shared: shared}
	l := limit.New(limit.Config{Shared: over, Replica: "bench", Timeout: 5 * time.Second})
	if err := l.Configure([]limit.Limit{{Name: "all", Requests: 1 << 39, Tokens: 1 << 39, Concurrency: 1000}}); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = l.Run(ctx) }()
	defer func() { cancel(); <-done }()
	var mu sync.Mutex
	var times []time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var h limit.Hold
		var own []time.Duration
		for pb.Next() {
			began := time.Now()
			if _, err := l.Acquire(ctx, &limit.Subject{}, nil, limit.Tokens{Least: 500, Most: 500}, &h); err != nil {
				b.Error(err)
				return
			}
			own = append(own, time.Since(began))
			h.Release(400)
		}
		mu.Lock()
		times = append(times, own...)
		mu.Unlock()
	})
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(b.N)/float64(max(over.n.Load(), 1)), "decisions/exchange")
	b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds()), "p99-ns")
}
