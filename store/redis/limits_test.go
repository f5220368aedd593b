package redis

import (
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
