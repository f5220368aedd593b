package storetest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// historyWalk looks at every call in order, with its documents and the trace
// behind its plan, in any span.
func historyWalk(t *testing.T, s Store) {
	calls := samples(300)
	for i := range calls {
		if i%3 > 0 {
			calls[i].Record.Plan.Trace = []byte{1, 0, byte(i), 0, 2}
			calls[i] = encode(calls[i])
		}
	}
	ingest(t, s, 130, calls...)
	at := func(n int) time.Time { return base.Add(time.Duration(n) * time.Second) }
	for name, span := range map[string]struct{ since, until time.Time }{
		"all": {}, "from the middle": {since: at(99)}, "to the middle": {until: at(101)}, "a part": {at(60), at(70)},
		"one": {at(129), at(130)}, "before all": {until: at(0)}, "behind all": {since: at(300)},
	} {
		var want, got []*model.Record
		for _, c := range calls {
			if !c.Ended.Before(span.since) && (span.until.IsZero() || c.Ended.Before(span.until)) {
				want = append(want, c.Record)
			}
		}
		err := s.Walk(t.Context(), span.since, span.until, func(some []event.Call) error {
			for _, c := range some {
				rec, err := event.ParseRecord(c.RecordJSON, c.PlanJSON)
				if err != nil {
					return err
				}
				if !bytes.Equal(rec.Plan.Trace, event.PlanTrace(c.PlanJSON)) {
					t.Errorf("the trace of %s differs from that of its plan", rec.ID)
				}
				got = append(got, rec)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, sameRecord); diff != "" {
			t.Errorf("%s: %d calls of %d:\n%.2000s", name, len(got), len(want), diff)
		}
	}
	stop := errors.New("enough")
	if err := s.Walk(t.Context(), time.Time{}, time.Time{}, func([]event.Call) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a visit that fails ends with %v", err)
	}
}

func historyFleets(t *testing.T, s Store) {
	const id = 1<<63 + 5 // no signed number
	doc := bytes.Repeat([]byte(`{"a":1}`), 1000)
	if _, err := s.Fleet(t.Context(), id); model.KindOf(err) != model.KindNotFound {
		t.Errorf("an unknown one gives %v, want not found", err)
	}
	for _, d := range [][]byte{doc, []byte(`{}`)} { // the first stays
		if err := s.SaveFleet(t.Context(), id, d); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Fleet(t.Context(), id); err != nil || !bytes.Equal(got, doc) {
		t.Errorf("comes back as %.50s, %v", got, err)
	}
}
