package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// export reads what only a copy reads: every override, not the latest alone,
// which snapshots there are, and when calls started.
func export(t *testing.T, s Store) {
	ctx := t.Context()
	var saved []budget.SavedOverride
	for i, id := range []model.BudgetID{"b", "a", "b"} {
		o := budget.SavedOverride{Budget: id, At: base, Override: budget.Override{Until: base.Add(time.Hour), Reason: string(rune('x' + i))}}
		if err := s.SaveOverride(ctx, o); err != nil {
			t.Fatal(err)
		}
		saved = append(saved, o)
	}
	overrides, err := s.AllOverrides(ctx)
	if diff := cmp.Diff(saved, overrides); err != nil || diff != "" {
		t.Errorf("overrides: %v; want -, got +:\n%s", err, diff)
	}

	for _, id := range []uint64{1<<63 + 5, 7} { // the first is no signed number
		if err := s.SaveFleet(ctx, id, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	if ids, err := s.FleetIDs(ctx); err != nil || !slices.Equal(ids, []uint64{7, 1<<63 + 5}) {
		t.Errorf("snapshots: %v, %v", ids, err)
	}

	ingest(t, s, 3, append(samples(6), decision(6), refused(7))...)
	var seqs []int64
	if err := s.Walk(ctx, time.Time{}, time.Time{}, func(calls []event.Call) error {
		for _, c := range calls {
			seqs = append(seqs, c.Seq)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	starts, err := s.CallStarts(ctx, seqs[1], seqs[7])
	want := map[int64]time.Time{}
	for i := 1; i < 6; i++ { // the last two had no intent
		want[seqs[i]] = Sample(i).Started
	}
	if diff := cmp.Diff(want, starts); err != nil || diff != "" {
		t.Errorf("starts: %v; want -, got +:\n%s", err, diff)
	}
}
