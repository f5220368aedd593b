package event

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

// keeper is a buffer that keeps nothing.
type keeper struct{}

func (k *keeper) Put(_ context.Context, entries [][]byte, _ int) ([]EntryID, EntryID, error) {
	ids := make([]EntryID, len(entries))
	for i := range ids {
		ids[i] = EntryID{Time: 1700000000000}
	}
	return ids, ids[0], nil
}
func (k *keeper) After(context.Context, EntryID, int) ([]SharedEntry, error) { return nil, nil }
func (k *keeper) Last(context.Context) (EntryID, error)                      { return EntryID{}, nil }
func (k *keeper) Remove(context.Context, []EntryID) error                    { return nil }
func (k *keeper) Claim(context.Context, string, time.Duration) (time.Time, bool, error) {
	return time.Time{}, false, nil
}

// BenchmarkShare is what sharing a call takes, but for the exchange with Redis.
func BenchmarkShare(b *testing.B) {
	s, err := newSharer(&SharedConfig{Buffer: func(string) SharedBuffer { return &keeper{} }, Store: &sharedBuffer{}}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	rec := sampleRecord(model.NewCallID(), 10)
	sum := Summarize(rec)
	var calls []Call
	b.ReportAllocs()
	for b.Loop() {
		c := Call{Summary: sum, Record: rec}
		c.ID = model.NewCallID()
		s.add(&c, false)
		if calls = append(calls, c); len(calls) == 100 {
			if err := s.moveAll(b.Context(), "spool"); err != nil {
				b.Fatal(err)
			}
			s.settle(calls)
			if err := s.moveAll(b.Context(), "spool"); err != nil {
				b.Fatal(err)
			}
			calls = calls[:0]
		}
	}
}
