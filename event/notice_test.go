package event

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// board keeps notices once for a kind and key, as stores do; it is away for
// the first of the calls.
type board struct {
	mu   sync.Mutex
	away int
	kept []Notice
}

func (b *board) AddNotice(_ context.Context, n Notice) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away > 0 {
		b.away--
		return false, errors.New("away")
	}
	if slices.ContainsFunc(b.kept, func(k Notice) bool { return k.Kind == n.Kind && k.Key == n.Key }) {
		return false, nil
	}
	b.kept = append(b.kept, n)
	return true, nil
}

func (b *board) Notices(context.Context, []Kind, time.Time, time.Time, int) ([]Notice, error) {
	return b.kept, nil
}

// A notice is stored and published once for its kind and key, though the store
// was away, it was given again, and a successor of the process gives it too.
func TestANoticeIsStoredAndPublishedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := &board{away: 3}, t.TempDir()
		var published []string
		for range 2 {
			l := open(t, Config{Dir: dir, Sink: newSink(), Notices: b})
			live := l.Subscribe(t.Context(), Filter{})
			stop := run(t, l)
			for range 2 {
				l.Notice(BudgetCrossed, "all 0.7", time.Time{}, map[string]int{"used": 70})
				l.Notice(BudgetCrossed, "all 0.9", time.Time{}, map[string]int{"used": 90})
				l.Notice(PriceUnknown, "all 0.7", time.Time{}, map[string]int{"used": 0})
			}
			time.Sleep(time.Hour) // of the bubble: the store is back
			synctest.Wait()
			stop()
			for e := range live {
				published = append(published, string(e.Kind)+string(e.Notice))
			}
		}
		want := []string{`budget.threshold_crossed{"used":70}`, `budget.threshold_crossed{"used":90}`, `price.unknown{"used":0}`}
		if !slices.Equal(published, want) {
			t.Errorf("published %v, want %v", published, want)
		}
		var kept []string
		for i := range b.kept {
			kept = append(kept, string(b.kept[i].Kind)+string(b.kept[i].Data))
		}
		if !slices.Equal(kept, want) {
			t.Errorf("stored %v, want %v", kept, want)
		}
	})
}
