package storetest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// budgetSpend compares the sums by budget with the charges of the calls, each
// counted once however often it is handed over.
func budgetSpend(t *testing.T, s Store) {
	calls := samples(900)
	ingest(t, s, 70, calls...)
	ingest(t, s, 100, calls[:300]...) // again, as after a crash
	for _, since := range []time.Time{{}, base.Truncate(time.Hour)} {
		got, err := s.BudgetSpend(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(chargesOf(calls, since), got); diff != "" {
			t.Errorf("since %s: want -, got +:\n%s", since, diff)
		}
	}
}

func chargesOf(calls []event.Call, since time.Time) []event.BudgetSpend {
	type key struct {
		budget model.BudgetID
		period time.Time
	}
	sums := map[key]event.BudgetSpend{}
	for _, call := range calls {
		for i := range call.Record.Charges {
			c := &call.Record.Charges[i]
			if c.Period.Before(since) {
				continue
			}
			k := key{c.Budget, c.Period}
			sum := sums[k]
			sum.Budget, sum.Period = c.Budget, c.Period
			sum.Add(c)
			sums[k] = sum
		}
	}
	var out []event.BudgetSpend
	for _, sum := range sums {
		out = append(out, sum)
	}
	slices.SortFunc(out, func(a, b event.BudgetSpend) int {
		return cmp.Or(cmp.Compare(a.Budget, b.Budget), a.Period.Compare(b.Period))
	})
	return out
}
