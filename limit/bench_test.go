package limit

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkAcquire is the decision on the request path, with what is given back:
// counted here alone, or in leases of a Shared that costs nothing itself.
func BenchmarkAcquire(b *testing.B) {
	rules := []Limit{
		{Name: "all", Requests: 1 << 39, Tokens: 1 << 39},
		{Name: "each", Scope: Scope{User: Any}, Requests: 1 << 39, Concurrency: 100},
	}
	shared := &Local{Clock: func() time.Duration { return time.Duration(time.Now().UnixMicro()) * time.Microsecond }}
	for _, c := range []struct {
		name string
		l    *Limiter
	}{
		{"alone", configured(b, New(Config{}), rules...)},
		{"leased", configured(b, New(Config{Shared: shared, Replica: "r"}), rules...)},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := &Subject{User: "ada"}
			var h Hold
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.l.Acquire(b.Context(), s, nil, Tokens{100, 100}, &h); err != nil {
					b.Fatal(err)
				}
				h.Release(100)
			}
		})
	}
	b.Run("refused", func(b *testing.B) {
		l := configured(b, New(Config{Shared: shared, Replica: "r"}), Limit{Name: fmt.Sprint("none", b.N), Requests: 1})
		s := &Subject{}
		var h Hold
		b.ReportAllocs()
		for b.Loop() {
			_, _ = l.Acquire(b.Context(), s, nil, Tokens{}, &h)
		}
	})
}
