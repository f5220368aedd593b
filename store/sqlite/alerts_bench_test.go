package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/cartrita/cartrita/alert"
)

// BenchmarkEvaluateByUser is one evaluation of a rule that tells 1,000 users apart
// over a day at three gateways, every five seconds.
func BenchmarkEvaluateByUser(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "c.db"))
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	now := time.Date(2026, 11, 23, 12, 7, 0, 0, time.UTC)
	threshold := 1e9
	rules, err := alert.CheckRules([]alert.Rule{{Name: "r", Type: alert.CostThreshold, Threshold: &threshold, By: "user", Window: alert.MaxWindow}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for gateway := range 3 {
		at := now
		sampler := alert.NewSampler(fmt.Sprint("g", gateway), func() time.Time { return at })
		sampler.Watch(rules)
		for piece := range 95 {
			at = now.Add(time.Duration(piece-94) * 15 * time.Minute)
			for user := range 1000 {
				sampler.Add([]alert.Call{{Ended: at, User: fmt.Sprint("user-", user), Cost: 1e6}})
			}
			if err := sampler.Flush(b.Context(), s.SaveSamples); err != nil {
				b.Fatal(err)
			}
		}
	}
	e := alert.New(alert.Config{Store: s, Clock: func() time.Time { return now }})
	e.Configure(alert.Settings{Rules: rules})
	if err := e.Evaluate(b.Context(), 1); err != nil { // the first reads the whole window
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Evaluate(b.Context(), 1); err != nil {
			b.Fatal(err)
		}
		now = now.Add(5 * time.Second)
	}
}
