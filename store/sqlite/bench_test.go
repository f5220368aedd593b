//go:build unix

package sqlite_test

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/sqlite"
	"github.com/cartrita/cartrita/store/storetest"
)

// BenchmarkIngest is what storing a call costs behind the request path.
func BenchmarkIngest(b *testing.B) {
	for _, size := range []int{1, 20, 200, 1000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "cartrita.db"))
			defer s.Close()
			n := 0
			var cpu int64
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				calls := make([]event.Call, size)
				for i := range calls {
					calls[i] = wide(n)
					n++
				}
				b.StartTimer()
				start := cpuNS()
				if _, err := s.Ingest(b.Context(), event.Batch{Spool: "s", Position: event.Position{Segment: 1, Offset: int64(n)}, Calls: calls}); err != nil {
					b.Fatal(err)
				}
				cpu += cpuNS() - start
			}
			b.ReportMetric(float64(cpu)/float64(n), "cpu-ns/call")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/call")
		})
	}
}

// wide is a sample whose plan has as many candidates as those of a gateway.
func wide(n int) event.Call {
	c := storetest.Sample(n)
	p := *c.Record.Plan
	for i := range 15 {
		name := fmt.Sprintf("provider-%d/some-model-%d-instruct", i%5, i)
		term := func(k int) model.Term {
			return model.Term{Score: float64((n*31+i*17+k*7)%1000) / 1000, Value: float64(n%97) / float64(i+1), Known: true}
		}
		p.Candidates = append(p.Candidates, model.Candidate{
			Endpoint: model.EndpointID(name), Model: model.ModelID(name), Score: float64(n*i%997) / 997,
			Terms:    model.Terms{Quality: term(0), Cost: term(1), Latency: term(2), Safety: term(3), Availability: term(4)},
			Estimate: model.Estimate{Expected: model.Money(n * i), Low: model.Money(n), High: model.Money(2 * n * i), InputTokens: int64(n), OutputTokens: 300, Method: model.MethodLearned},
		})
		p.Excluded = append(p.Excluded, model.Exclusion{Endpoint: model.EndpointID("x-" + name), Model: model.ModelID("x-" + name), Filter: model.FilterMaxCost, Want: 1, Have: float64(n%13) + 1.5})
	}
	c.PlanJSON = event.AppendPlan(nil, &p)
	return c
}

// BenchmarkRead is what questions cost over so many calls.
func BenchmarkRead(b *testing.B) {
	const stored = 50_000
	s := open(b, filepath.Join(b.TempDir(), "cartrita.db"))
	defer s.Close()
	for n := 0; n < stored; n += 1000 {
		calls := make([]event.Call, 1000)
		for i := range calls {
			calls[i] = storetest.Sample(n + i)
		}
		if _, err := s.Ingest(b.Context(), event.Batch{Calls: calls}); err != nil {
			b.Fatal(err)
		}
	}
	page := func(f event.Filter) func() error {
		return func() error { _, err := s.Calls(b.Context(), f); return err }
	}
	costs := func(q event.CostQuery) func() error {
		return func() error { _, err := s.Costs(b.Context(), q); return err }
	}
	id := storetest.Sample(stored / 2).ID
	for _, q := range []struct {
		name string
		ask  func() error
	}{
		{"call", func() error { _, err := s.Call(b.Context(), id); return err }},
		{"page", page(event.Filter{})},
		{"page with plans", page(event.Filter{Plans: true})},
		{"page of a model", page(event.Filter{Model: "model-1"})},
		{"page of a user and a model", page(event.Filter{User: "user-1", Model: "model-2"})},
		{"page of failed", page(event.Filter{State: model.StateFailed})},
		{"costs by model", costs(event.CostQuery{By: event.ByModel})},
		{"costs by user", costs(event.CostQuery{By: event.ByUser})},
		{"costs of a user by day", costs(event.CostQuery{By: event.ByDay, User: "user-1"})},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := q.ask(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "cartrita.db")
	open(b, path).Close()
	for name, path := range map[string]func() string{
		"existing": func() string { return path },
		"new":      func() string { return filepath.Join(b.TempDir(), fmt.Sprint(time.Now().UnixNano()), "new.db") },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s, err := sqlite.Open(b.Context(), sqlite.Config{Path: path()})
				if err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
		})
	}
}

// cpuNS is the processor time of this process, which a busy machine distorts
// less than the time on the clock.
func cpuNS() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
