package health_test

import (
	"testing"
	"time"

	"github.com/cartrita/cartrita/health"
	"github.com/cartrita/cartrita/model"
)

func BenchmarkView(b *testing.B) {
	l := newLine(b, health.Config{})
	l.call(good(100))
	now := start.Add(time.Second)
	b.ReportAllocs()
	for b.Loop() {
		l.View(now)
	}
}

func BenchmarkBeginDone(b *testing.B) {
	l := newLine(b, health.Config{})
	o := good(100)
	b.ReportAllocs()
	for b.Loop() {
		tk, _ := l.Begin(l.now)
		l.now = l.now.Add(time.Millisecond)
		l.Done(l.now, tk, o)
	}
}

func BenchmarkViews1000(b *testing.B) {
	tr, err := health.New(health.Config{Clock: func() time.Time { return start }})
	if err != nil {
		b.Fatal(err)
	}
	es := make([]*health.Endpoint, 1000)
	for i := range es {
		es[i] = tr.Endpoint(model.EndpointID(rune(i)))
		tk, _ := es[i].Begin(start)
		es[i].Done(start, tk, good(100))
	}
	dst := make([]model.Health, len(es))
	b.ReportAllocs()
	for b.Loop() {
		health.Views(dst, es, start.Add(time.Second))
	}
}
