package event_test

import (
	"context"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/memory"
	"github.com/cartrita/cartrita/store/storetest"
)

// What others store is shown to subscribers once, and not what was stored
// before they came.
func TestSubscribersSeeWhatOthersStore(t *testing.T) {
	s, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := event.Open(event.Config{Sink: s, Notices: s})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { _ = l.FollowOthers(ctx, s); close(done) }()
	store := func(i int) {
		t.Helper()
		if _, err := s.Ingest(ctx, event.Batch{Calls: []event.Call{storetest.Sample(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	store(0)
	events := l.Subscribe(ctx, event.Filter{})
	// The first that is seen says that it follows.
	go func() {
		for i := 1; ctx.Err() == nil; i++ {
			if _, err := s.Ingest(ctx, event.Batch{Calls: []event.Call{storetest.Sample(i)}}); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	seen := map[string]bool{}
	for e := range events {
		if seen[e.ID] {
			t.Errorf("event %s is shown twice", e.ID)
		}
		seen[e.ID] = true
		if e.Call == storetest.Sample(0).Record.ID {
			t.Errorf("what was stored before is shown: %s", e.ID)
		}
		if len(seen) > 40 {
			break
		}
	}
	if len(seen) <= 40 {
		t.Errorf("%d events are shown", len(seen))
	}
	cancel()
	<-done
}
