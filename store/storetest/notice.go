package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
)

// notices are stored once for a kind and key, and come back latest first.
func notices(t *testing.T, s Store) {
	notice := func(i int, kind event.Kind) event.Notice {
		return event.Notice{
			ID: fmt.Sprintf("%s-%d", kind, i), Kind: kind, Key: fmt.Sprint("key-", i),
			At: base.Add(time.Duration(i) * time.Minute), Data: []byte(`{"a":1}`),
		}
	}
	for i := range 10 {
		for _, kind := range []event.Kind{event.BudgetCrossed, event.PriceUnknown} {
			for try, want := range []bool{true, false} {
				n := notice(i, kind)
				n.ID += fmt.Sprint("/", try)
				if added, err := s.AddNotice(t.Context(), n); err != nil || added != want {
					t.Fatalf("try %d of %s: added %v, %v; want %v", try, n.ID, added, err, want)
				}
			}
		}
	}
	for name, tc := range map[string]struct {
		kinds        []event.Kind
		since, until time.Time
		limit        int
		want         []string
	}{
		"one kind":   {kinds: []event.Kind{event.PriceUnknown}, limit: 2, want: []string{"price.unknown-9/0", "price.unknown-8/0"}},
		"a span":     {since: base.Add(time.Minute), until: base.Add(2 * time.Minute), limit: 9, want: []string{"price.unknown-1/0", "budget.threshold_crossed-1/0"}},
		"no kind":    {kinds: []event.Kind{}, limit: 9},
		"other kind": {kinds: []event.Kind{event.BudgetOverridden}, limit: 9},
	} {
		got, err := s.Notices(t.Context(), tc.kinds, tc.since, tc.until, tc.limit)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, n := range got {
			ids = append(ids, n.ID)
			if string(n.Data) != `{"a":1}` || n.At.Location() != time.UTC {
				t.Errorf("%s: %+v came back changed", name, n)
			}
		}
		if !slices.Equal(ids, tc.want) {
			t.Errorf("%s: got %v, want %v", name, ids, tc.want)
		}
	}
}
