package redis

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/store/storetest"
)

func TestLimits(t *testing.T) {
	storetest.RunLimits(t, func(t *testing.T) limit.Shared {
		c, _ := open(t, testserver.Keyspace(t)+"&timeout=5s") // the machine may be busy
		return c.Limits()
	})
}

func BenchmarkLimits(b *testing.B) {
	c, _ := open(b, testserver.Keyspace(b)+"&timeout=5s")
	storetest.BenchmarkLimits(b, c.Limits())
}

// BenchmarkExchange is one round trip.
func BenchmarkExchange(b *testing.B) {
	c, _ := open(b, testserver.Keyspace(b)+"&timeout=5s")
	l := c.Limits()
	one := limit.Amount{Requests: 1}
	d := []limit.Demand{{Counter: "c", Window: time.Minute, Limit: limit.Amount{Requests: 1 << 39}, Least: one, Want: one, Most: one}}
	for b.Loop() {
		if _, err := l.Exchange(b.Context(), "a", d); err != nil {
			b.Fatal(err)
		}
	}
}

// In a cluster the counters lie in different slots.
func TestLimitsInACluster(t *testing.T) {
	t.Parallel()
	url := startCluster(t) + "&timeout=5s"
	var n atomic.Int64
	storetest.RunLimits(t, func(t *testing.T) limit.Shared {
		c, _ := open(t, fmt.Sprintf("%s&prefix=%d:", url, n.Add(1)))
		until(t, "a write", func() bool { return set(c, "1") == nil })
		return c.Limits()
	})
}
