package storetest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// feedAll reads the feed from a position to its end, a few at a time.
func feedAll(t *testing.T, s Store, p event.FeedPosition) (ids []string, notices []event.Notice, end event.FeedPosition) {
	t.Helper()
	for {
		got, err := s.After(t.Context(), p, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Calls) > 7 || len(got.Notices) > 7 {
			t.Fatalf("%d calls and %d notices, asked for 7", len(got.Calls), len(got.Notices))
		}
		for _, c := range got.Calls {
			ids = append(ids, c.Record.ID.String())
		}
		notices = append(notices, got.Notices...)
		if p == got.Next {
			return ids, notices, p
		}
		p = got.Next
	}
}

func feedShowsAll(t *testing.T, s Store) {
	if p, err := s.Head(t.Context()); err != nil || p != (event.FeedPosition{}) {
		t.Fatalf("the head of an empty store is %+v, %v", p, err)
	}
	at := time.UnixMicro(1_790_000_000_000_001).UTC()
	var wanted []string
	var told []event.Notice
	var middle event.FeedPosition
	for i := range 30 {
		c := Sample(i)
		if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{c}}); err != nil {
			t.Fatal(err)
		}
		rec, err := event.ParseRecord(c.RecordJSON, c.PlanJSON)
		if err != nil {
			t.Fatal(err)
		}
		wanted = append(wanted, rec.ID.String())
		if i%3 == 0 {
			// Their times fall; the order is that of storing.
			n := event.Notice{ID: fmt.Sprint("n", i), Kind: event.BudgetCrossed, Key: fmt.Sprint(i), At: at.Add(-time.Duration(i) * time.Hour), Data: json.RawMessage(`{"n":1}`)}
			if _, err := s.AddNotice(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			told = append(told, n)
		}
		if i == 11 {
			if middle, err = s.Head(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	same := cmp.Comparer(func(a, b json.RawMessage) bool {
		var x, y any
		return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && cmp.Equal(x, y)
	})
	ids, notices, end := feedAll(t, s, event.FeedPosition{})
	if diff := cmp.Diff(wanted, ids); diff != "" {
		t.Errorf("calls, want -, got +:\n%s", diff)
	}
	if diff := cmp.Diff(told, notices, same); diff != "" {
		t.Errorf("notices, want -, got +:\n%s", diff)
	}
	if head, err := s.Head(t.Context()); err != nil || head != end {
		t.Errorf("the head is %+v, %v; the end %+v", head, err, end)
	}
	ids, notices, _ = feedAll(t, s, middle)
	if len(ids) != 18 || ids[0] != wanted[12] || len(notices) != 6 {
		t.Errorf("behind the middle are %d calls and %d notices, want 18 and 6", len(ids), len(notices))
	}
	// What is derived from a call of the feed is what a page shows.
	page, err := s.Calls(t.Context(), event.Filter{Limit: 1, Plans: true})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.After(t.Context(), event.FeedPosition{Calls: page.Calls[0].Seq - 1, Notices: end.Notices}, 1)
	if err != nil || len(got.Calls) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if diff := cmp.Diff(event.Of(page.Calls[0]), got.Events()); diff != "" {
		t.Errorf("page -, feed +:\n%s", diff)
	}
}

func feedReaders(t *testing.T, s Store) {
	const ttl = time.Minute
	ctx := t.Context()
	first := event.FeedPosition{Calls: 3, Notices: 4}
	claim := func(holder string, ttl time.Duration) (event.FeedPosition, bool) {
		t.Helper()
		p, held, err := s.ClaimFeed(ctx, "archive", holder, ttl, first)
		if err != nil {
			t.Fatal(err)
		}
		return p, held
	}
	if p, held := claim("a", ttl); !held || p != first {
		t.Fatalf("a new reader: %+v, %v", p, held)
	}
	if _, held := claim("b", ttl); held {
		t.Error("two hold it at once")
	}
	if _, held := claim("a", ttl); !held {
		t.Error("its holder cannot hold it longer")
	}
	to := event.FeedPosition{Calls: 30, Notices: 40}
	if err := s.AdvanceFeed(ctx, "archive", "b", to); model.KindOf(err) != model.KindConflict {
		t.Errorf("who does not hold it moves it: %v", err)
	}
	if err := s.AdvanceFeed(ctx, "archive", "a", to); err != nil {
		t.Error(err)
	}
	if err := s.ReleaseFeed(ctx, "archive", "b"); err != nil {
		t.Error(err)
	}
	if _, held := claim("b", ttl); held {
		t.Error("who does not hold it gives it back")
	}
	if err := s.ReleaseFeed(ctx, "archive", "a"); err != nil {
		t.Error(err)
	}
	if p, held := claim("b", time.Microsecond); !held || p != to {
		t.Errorf("after it was given back: %+v, %v", p, held)
	}
	time.Sleep(time.Millisecond) // by the store's clock
	if err := s.AdvanceFeed(ctx, "archive", "b", first); model.KindOf(err) != model.KindConflict {
		t.Errorf("a holder whose time is over moves it: %v", err)
	}
	if p, held := claim("c", ttl); !held || p != to {
		t.Errorf("after its time was over: %+v, %v", p, held)
	}
}
