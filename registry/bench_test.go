package registry_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		r := registry.New(registry.Config{})
		if err := r.Load(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSetEndpoints swaps a snapshot with about five hundred endpoints.
func BenchmarkSetEndpoints(b *testing.B) {
	r := loaded(b)
	eps := r.Catalogue().Discover(func(name string) string {
		if name == "OPENROUTER_API_KEY" || name == "VERCEL_API_KEY" {
			return "x"
		}
		return ""
	})
	b.ReportMetric(float64(len(eps)), "endpoints")
	for b.Loop() {
		if err := r.SetEndpoints(eps, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	s := loaded(b).Snapshot()
	for _, name := range []string{"openrouter/openai/gpt-4o", "gpt-4o", "GPT-4O"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Resolve(name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSearchSimilar(b *testing.B) {
	r := loaded(b)
	for b.Loop() {
		if _, err := r.Search(context.Background(), registry.Query{Similar: "a small cheap model for French summaries"}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestIdleMemory keeps the loaded catalogue within its share of the gateway's
// idle memory.
func TestIdleMemory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	r := registry.New(registry.Config{})
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	used := float64(heap()-before) / (1 << 20)
	t.Logf("the loaded registry holds %.1f MiB", used)
	if used > 8 {
		t.Errorf("the loaded registry holds %.1f MiB: want at most 8", used)
	}
	runtime.KeepAlive(r)
}

func loaded(tb testing.TB) *registry.Registry {
	tb.Helper()
	r := registry.New(registry.Config{})
	if err := r.Load(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return r
}

var _ = model.StatusActive
