package budget

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

// past is a record of calls in a test.
type past struct {
	calls []Entry
	asked []time.Time // since when it was asked for
	err   error
}

func (p *past) Entries(_ context.Context, since time.Time, visit func(*Entry)) error {
	p.asked = append(p.asked, since)
	for i := range p.calls {
		if !p.calls[i].At.Before(since) {
			visit(&p.calls[i])
		}
	}
	return p.err
}

// took is a call on record that one endpoint of a provider answered.
func took(at time.Time, s Subject, m model.ModelID, usd float64, charges ...model.Charge) Entry {
	return Entry{Subject: s, At: at, Charges: charges, Parts: []Part{
		{Target: Target{Model: m, Provider: "p"}, Quantities: Quantities{USD: *money(usd), Tokens: 10, Requests: 1}},
	}}
}

// TestNewBudgetCountsItsPeriod: what was spent before a budget was created
// counts, for its scope, its current period and each of its counters alone.
func TestNewBudgetCountsItsPeriod(t *testing.T) {
	month := time.Date(start.Year(), start.Month(), 1, 0, 0, 0, 0, time.UTC)
	a, b := Subject{Team: "a", Tags: []string{"x", "y"}}, Subject{Team: "b"}
	two := took(month.Add(time.Hour), a, "small", 1)
	two.Parts = append(two.Parts, Part{Target: Target{Model: "large", Provider: "q"}, Quantities: Quantities{USD: *money(4), Tokens: 3}})
	p := &past{calls: []Entry{
		took(month.Add(-time.Second), a, "small", 100), // the month before
		two,
		took(start.Add(-30*time.Minute), b, "small", 2),
		took(start.Add(-time.Minute), a, "small", 8, model.Charge{Budget: "charged", Period: month, Cost: *money(8), Requests: 1}),
	}}
	c := newClock(start)
	var crossed []string
	ledger, err := New(Config{Clock: c.now, OnCross: func(x Crossing) { crossed = append(crossed, string(x.Budget)+" "+x.Threshold) }})
	if err != nil {
		t.Fatal(err)
	}
	book := NewBook(ledger, &kept{}, p)
	if err := book.Load(t.Context(), nothingSpent); err != nil {
		t.Fatal(err)
	}
	for _, n := range []Budget{
		{Name: "all", Period: Monthly, LimitUSD: money(20)},
		{Name: "teams", Scope: Scope{Team: Any}, Period: Monthly, LimitUSD: money(100)},
		{Name: "tags", Scope: Scope{Tag: Any}, Period: Monthly, LimitUSD: money(100)},
		{Name: "large", Scope: Scope{Model: "large"}, Period: Monthly, LimitUSD: money(100)},
		{Name: "hour", Scope: Scope{Provider: "p"}, Period: Hourly, Rolling: true, LimitUSD: money(100)},
		{Name: "charged", Scope: Scope{Team: "a"}, Period: Monthly, LimitUSD: money(100)},
		{Name: "ever", Period: Total, LimitRequests: number(100)},
	} {
		if err := book.Create(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[model.BudgetID]Quantities{
		"all":     {USD: *money(15), Tokens: 33, Requests: 3},
		"teams/a": {USD: *money(13), Tokens: 23, Requests: 2},
		"teams/b": {USD: *money(2), Tokens: 10, Requests: 1},
		"tags/x":  {USD: *money(13), Tokens: 23, Requests: 2},
		"tags/y":  {USD: *money(13), Tokens: 23, Requests: 2},
		"large":   {USD: *money(4), Tokens: 3},
		"hour":    {USD: *money(10), Tokens: 20, Requests: 2},
		"charged": {USD: *money(5), Tokens: 13, Requests: 1}, // the other call is a charge, which Load brings
		"ever":    {USD: *money(115), Tokens: 43, Requests: 4},
	} {
		if got := spentOf(t, ledger, id); got != want {
			t.Errorf("%s opens with %+v, want %+v", id, got, want)
		}
	}
	if len(crossed) != 1 || crossed[0] != "all warning" {
		t.Errorf("crossed %v, want the warning of all", crossed)
	}
	if !p.asked[0].Equal(month) {
		t.Errorf("asked for calls since %s, want the beginning of the month", p.asked[0])
	}
	sound(t, ledger, 0)
	if r := ledger.Audit(func(func(model.Charge) bool) {}, book.Openings()); !r.Balanced {
		t.Errorf("the audit does not know what the budgets opened with: %+v", r)
	}
}

// TestOpeningIsCountedOnce: not again at a reload or a restart; again when the
// budget was away or counts by something else, and then only what is new.
func TestOpeningIsCountedOnce(t *testing.T) {
	c, store := newClock(start), &kept{}
	p := &past{calls: []Entry{took(start.Add(-time.Minute), Subject{Team: "a"}, "m", 1)}}
	configured := []Budget{{Name: "day", Period: Daily, LimitUSD: money(100)}}
	book := func() *Book {
		b := NewBook(newLedger(t, c), store, p)
		if err := b.Load(t.Context(), nothingSpent); err != nil {
			t.Fatal(err)
		}
		return b
	}
	put := func(b *Book, budgets []Budget, want float64, asked int) {
		t.Helper()
		if err := b.Configure(budgets); err != nil {
			t.Fatal(err)
		}
		if err := b.Backfill(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(budgets) > 0 {
			if got := spentOf(t, b.Ledger(), "day").USD; got != *money(want) {
				t.Errorf("spent %s, want %v", got, want)
			}
		}
		if len(p.asked) != asked {
			t.Errorf("the past was asked for %d times, want %d", len(p.asked), asked)
		}
		sound(t, b.Ledger(), 0)
	}
	b := book()
	put(b, configured, 1, 1)
	put(b, configured, 1, 1)
	b = book()
	put(b, configured, 1, 1)
	put(b, nil, 0, 1)
	p.calls = append(p.calls, took(start, Subject{}, "m", 2)) // while the budget is away
	b = book()
	put(b, configured, 3, 2)
	put(b, []Budget{{Name: "day", Period: Weekly, LimitUSD: money(100)}}, 3, 3)
	b = book()
	put(b, []Budget{{Name: "day", Period: Weekly, LimitUSD: money(100)}}, 3, 3)

	p.err = errors.New("the store is away")
	if err := b.Configure([]Budget{{Name: "new", Period: Daily, LimitUSD: money(1)}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Backfill(t.Context()); err == nil {
		t.Error("a past that cannot be read is no error")
	}
	p.err = nil
	if err := b.Backfill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := spentOf(t, b.Ledger(), "new").USD; got != *money(3) {
		t.Errorf("after the store is back: %s, want $3", got)
	}
}
