package budget

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"

	"github.com/cartrita/cartrita/model"
)

// BenchmarkReserveSettle is the hot path: reserve and settle at one scope and
// at five, from 64 goroutines. The goal is 2 µs and 6 µs, and next to no waiting
// for locks (lock-wait-ns/op, over all goroutines).
func BenchmarkReserveSettle(b *testing.B) {
	five := []Budget{
		{Name: "all", Period: Monthly, LimitUSD: money(4e9)},
		{Name: "keys", Scope: Scope{Key: Any}, Period: Daily, LimitUSD: money(4e9)},
		{Name: "users", Scope: Scope{User: Any}, Period: Daily, LimitUSD: money(4e9), LimitTokens: number(most)},
		{Name: "teams", Scope: Scope{Team: Any}, Period: Hourly, Rolling: true, LimitUSD: money(4e9)},
		{Name: "models", Scope: Scope{Team: Any, Model: Any}, Period: Weekly, TimeZone: "Europe/Berlin", LimitUSD: money(4e9)},
	}
	for _, scopes := range []int{1, 5} {
		b.Run(fmt.Sprintf("scopes=%d", scopes), func(b *testing.B) {
			l, err := New(Config{})
			if err != nil {
				b.Fatal(err)
			}
			if err := l.Configure(five[:scopes]); err != nil {
				b.Fatal(err)
			}
			s := &Subject{Key: "key-1", User: "ada", Team: "a"}
			t := Target{Model: "openai/gpt-5", Provider: "openai"}
			a := Amounts{Worst: 2000, Quantile: 1000, Known: true, Tokens: 900, Requests: 1}
			b.ReportAllocs()
			b.SetParallelism(max(64/runtime.GOMAXPROCS(0), 1))
			waited := lockWait()
			b.RunParallel(func(pb *testing.PB) {
				var charges []model.Charge
				for pb.Next() {
					h, err := l.Reserve(s, t, a)
					if err != nil {
						b.Error(err)
						return
					}
					charges = h.Settle(charges[:0], Spend{Cost: 900, Known: true, Tokens: 800, Requests: 1})
				}
			})
			b.StopTimer()
			b.ReportMetric((lockWait()-waited)*1e9/float64(b.N), "lock-wait-ns/op")
			if im := l.Check(); !im.Balanced() || im.Holds != 0 {
				b.Errorf("unsound afterwards: %+v", im)
			}
		})
	}
}

// lockWait is how long goroutines of this process have waited for locks, in seconds.
func lockWait() float64 {
	sample := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64()
}

// BenchmarkView is what every decision pays when no step is in force.
func BenchmarkView(b *testing.B) {
	l := newLedger(b, newClock(start), Budget{Name: "all", Period: Monthly, LimitUSD: money(1e6)},
		Budget{Name: "teams", Scope: Scope{Team: Any}, Period: Daily, LimitUSD: money(1e6)})
	s := &Subject{Key: "key-1", User: "ada", Team: "a"}
	b.ReportAllocs()
	for b.Loop() {
		if v := l.View(s); v.Limits != nil || v.Refusal != nil {
			b.Fatal(v)
		}
	}
}

// BenchmarkRefused is a budget in whose way calls stand that are under way: each
// refusal is decided alone, so that none is wrong.
func BenchmarkRefused(b *testing.B) {
	l := newLedger(b, newClock(start), Budget{Name: "all", Period: Monthly, LimitUSD: money(1)},
		Budget{Name: "teams", Scope: Scope{Team: Any}, Period: Daily, LimitUSD: money(1)})
	s := &Subject{Team: "a"}
	if _, err := l.Reserve(s, Target{}, costs(1)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(max(64/runtime.GOMAXPROCS(0), 1))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.Reserve(s, Target{}, costs(0.1)); err == nil {
				b.Error("admitted")
			}
		}
	})
}
