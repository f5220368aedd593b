package postgres

import (
	"slices"
	"testing"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/archive"
)

// The partitions of a month go with its last call, not before, and not those of a
// month that is not over.
func TestPartitionsGoWithTheirCalls(t *testing.T) {
	t.Parallel()
	s := open(t)
	now := monthOf(time.Now())
	at := func(back month, day int) time.Time { return (now - back).begin().AddDate(0, 0, day) }
	calls := []event.Call{
		callAt(at(4, 3), at(4, 3)), callAt(at(4, 20), at(4, 20)),
		callAt(at(4, 25), at(2, 5)), // stored late
		callAt(at(3, 3), at(2, 6)),  // likewise
		callAt(at(2, 7), at(2, 7)),
	}
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: calls}); err != nil {
		t.Fatal(err)
	}
	there := func(table string, back month) bool {
		var is bool
		if err := s.row(t.Context(), `SELECT to_regclass($1) IS NOT NULL`, []any{table + at(back, 0).Format("_2006_01")}, &is); err != nil {
			t.Fatal(err)
		}
		return is
	}
	until := func(to time.Time, calls, blocks []month) {
		t.Helper()
		if _, err := archive.New(archive.Config{Store: s, Dir: t.TempDir()}).Run(t.Context(), cluster.Fence{}, to); err != nil {
			t.Fatal(err)
		}
		for back := month(2); back <= 4; back++ {
			if there("calls", back) != slices.Contains(calls, back) || there("call_blocks", back) != slices.Contains(blocks, back) {
				t.Errorf("by %s, of %d months back: calls %v, blocks %v", to.Format(time.DateOnly), back, there("calls", back), there("call_blocks", back))
			}
		}
	}
	until(at(4, 10), []month{2, 3, 4}, []month{2, 3, 4})
	until(at(3, 10), []month{2, 3, 4}, []month{2, 3, 4}) // nothing of another month has left
	until(at(2, 6), []month{2, 3}, []month{2})           // the partition of ids holds one that is stored later
	until(at(2, 7), []month{2}, []month{2})
	until(at(1, 0), []month{2}, []month{2})

	old := callAt(at(4, 3), at(4, 4))
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{old}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Call(t.Context(), old.ID); err != nil {
		t.Errorf("a call of a month whose partition is gone: %v", err)
	}
}

// A replica that leads no more changes nothing.
func TestArchivingEndsWithTheTerm(t *testing.T) {
	t.Parallel()
	s := open(t)
	at := time.Now().AddDate(0, 0, -3)
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{callAt(at, at)}}); err != nil {
		t.Fatal(err)
	}
	for id, lead := range map[string]time.Duration{"a": 0, "b": time.Minute} {
		if _, err := s.Beat(t.Context(), cluster.Member{ID: id, Started: time.Now()}, lead); err != nil {
			t.Fatal(err)
		}
	}
	_, err := archive.New(archive.Config{Store: s, Dir: t.TempDir()}).Run(t.Context(), cluster.Fence{Term: 7}, time.Now())
	if model.KindOf(err) != model.KindConflict {
		t.Errorf("in another term: %v", err)
	}
	if span, err := s.Span(t.Context(), 0, time.Now().UnixMicro()); err != nil || span.Calls != 1 {
		t.Errorf("%d calls are left, %v", span.Calls, err)
	}
	if below, err := s.Boundary(t.Context()); err != nil || below != 0 {
		t.Errorf("the boundary is %d, %v", below, err)
	}
}
