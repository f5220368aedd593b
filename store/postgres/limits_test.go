package postgres_test

import (
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/store/storetest"
)

func TestLimits(t *testing.T) {
	storetest.RunLimits(t, func(t *testing.T) limit.Shared { return open(t, testserver.Database(t)).Limits() })
}

func BenchmarkLimits(b *testing.B) {
	storetest.BenchmarkLimits(b, open(b, testserver.Database(b)).Limits())
}

// BenchmarkExchange is one exchange.
func BenchmarkExchange(b *testing.B) {
	l := open(b, testserver.Database(b)).Limits()
	one := limit.Amount{Requests: 1}
	d := []limit.Demand{{Counter: "c", Window: time.Minute, Limit: limit.Amount{Requests: 1 << 39}, Least: one, Want: one, Most: one}}
	for b.Loop() {
		if _, err := l.Exchange(b.Context(), "a", d); err != nil {
			b.Fatal(err)
		}
	}
}
