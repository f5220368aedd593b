//go:build unix

package event

import (
	"context"
	"testing"

	"github.com/cartrita/cartrita/model"
)

// discard is a sink that takes everything.
type discard struct{}

func (discard) Ingest(context.Context, Batch) ([]*Call, error)     { return nil, nil }
func (discard) Position(context.Context, string) (Position, error) { return Position{}, nil }

// BenchmarkCall is what recording costs the request path: both frames of a
// call with ten candidates, 64 callers at once.
func BenchmarkCall(b *testing.B) {
	for _, c := range []struct {
		name string
		Config
	}{
		{"spool", Config{Dir: b.TempDir()}},
		{"fsync", Config{Dir: b.TempDir(), Sync: SyncBatch}},
		{"memory", Config{QueueCalls: 1 << 20}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.Sink = discard{}
			if c.Dir != "" {
				c.Dir = b.TempDir()
			}
			l := open(b, c.Config)
			stop := run(b, l)
			b.ReportAllocs()
			b.SetParallelism(32)
			start := cpuNS()
			b.RunParallel(func(pb *testing.PB) {
				rec := sampleRecord(model.NewCallID(), 10)
				before := beforeAttempts(rec)
				for pb.Next() {
					id := model.NewCallID()
					before.ID = id
					ended := *rec
					ended.ID = id
					if err := l.Intent(before); err != nil {
						b.Error(err)
					}
					if err := l.Outcome(&ended); err != nil {
						b.Error(err)
					}
				}
			})
			stop()
			reportCPU(b, start)
		})
	}
}
