package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

// kept is a store in a test: what a process leaves to the next.
type kept struct {
	budgets   []Budget
	overrides []SavedOverride
	openings  []Opening
	err       error
}

func (k *kept) Budgets(context.Context) ([]Budget, error) { return k.budgets, k.err }
func (k *kept) SaveBudget(_ context.Context, b Budget) error {
	if k.err == nil {
		k.budgets = append(k.budgets, b)
	}
	return k.err
}
func (k *kept) Overrides(context.Context) ([]SavedOverride, error) { return k.overrides, k.err }
func (k *kept) SaveOverride(_ context.Context, o SavedOverride) error {
	k.overrides = append(k.overrides, o)
	return k.err
}

func (k *kept) Openings(context.Context) ([]Opening, error) { return k.openings, k.err }
func (k *kept) SaveOpening(_ context.Context, o Opening) error {
	k.openings = append(slices.DeleteFunc(k.openings, func(x Opening) bool { return x.Name == o.Name }), o)
	return k.err
}

func nothingSpent(context.Context, time.Time) ([]Spent, error) { return nil, nil }

// TestRestartKeepsRuntimeState is bifrost#5925 across a restart: a declarative
// configuration does not reset what was spent, created or overridden.
func TestRestartKeepsRuntimeState(t *testing.T) {
	c := newClock(start)
	store := &kept{}
	configured := []Budget{{Name: "day", Period: Daily, LimitUSD: money(10)}}
	var crossed []string
	former, err := New(Config{Clock: c.now, OnCross: func(x Crossing) {
		crossed = append(crossed, fmt.Sprint(x.Budget, x.Threshold, x.Action, x.At, x.Period))
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := NewBook(former, store, &past{})
	if err := b.Configure(configured); err != nil {
		t.Fatal(err)
	}
	if err := b.Load(t.Context(), nothingSpent); err != nil {
		t.Fatal(err)
	}
	if err := b.Create(t.Context(), Budget{Name: "teams", Scope: Scope{Team: Any}, Period: Monthly, LimitUSD: money(3)}); err != nil {
		t.Fatal(err)
	}
	h, refused := b.Ledger().Reserve(&Subject{Team: "a"}, Target{}, costs(3))
	if refused != nil {
		t.Fatal(refused)
	}
	charges := h.Settle(nil, spends(3))
	if err := b.Override(t.Context(), "teams/a", Override{Until: start.Add(time.Hour), Reason: "demo", LimitUSD: money(5)}); err != nil {
		t.Fatal(err)
	}

	var spent []Spent
	for _, ch := range charges {
		spent = append(spent, Spent{Budget: ch.Budget, Period: ch.Period, Quantities: Quantities{USD: ch.Cost, Requests: ch.Requests}})
	}
	// What was crossed is reported again, in case it was not noted: under the
	// same name, so that whoever keeps it keeps one.
	ledger, err := New(Config{Clock: c.now, OnCross: func(x Crossing) {
		if !slices.Contains(crossed, fmt.Sprint(x.Budget, x.Threshold, x.Action, x.At, x.Period)) {
			t.Errorf("new after the restart: %+v", x)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	again := NewBook(ledger, store, &past{})
	if err := again.Configure(configured); err != nil {
		t.Fatal(err)
	}
	if err := again.Load(t.Context(), func(context.Context, time.Time) ([]Spent, error) { return spent, nil }); err != nil {
		t.Fatal(err)
	}
	for _, id := range []model.BudgetID{"day", "teams/a"} {
		if got := spentOf(t, again.Ledger(), id).USD; got != *money(3) {
			t.Errorf("%s has spent %s after the restart, want $3", id, got)
		}
	}
	h, refused = again.Ledger().Reserve(&Subject{Team: "a"}, Target{}, costs(2))
	if refused != nil {
		t.Errorf("the override is forgotten: %v", refused)
	}
	h.Release()
	c.add(time.Hour)
	if _, refused = again.Ledger().Reserve(&Subject{Team: "a"}, Target{}, costs(2)); refused == nil {
		t.Error("the override has not expired")
	}
	sound(t, again.Ledger(), 0)
}

// TestBookRefusals: what cannot be saved is not in force, and a configured
// budget is changed in the configuration only.
func TestBookRefusals(t *testing.T) {
	store := &kept{}
	b := NewBook(newLedger(t, newClock(start)), store, &past{})
	if err := b.Configure([]Budget{{Name: "day", Period: Daily, LimitUSD: money(10)}}); err != nil {
		t.Fatal(err)
	}
	err := b.Create(t.Context(), Budget{Name: "day", Period: Daily, LimitUSD: money(1)})
	if model.KindOf(err) != model.KindConflict {
		t.Errorf("a configured budget: %v", err)
	}
	err = b.Create(t.Context(), Budget{Name: "x", Period: "fortnightly", LimitUSD: money(1)})
	if e := model.AsError(err); e == nil || e.Kind != model.KindInvalid || e.Param != "period" {
		t.Errorf("an unknown period: %v", err)
	}
	store.err = errors.New("disk full")
	if err := b.Create(t.Context(), Budget{Name: "x", Period: Daily, LimitUSD: money(1)}); err == nil || len(b.List()) != 1 {
		t.Errorf("unsaved: %v, in force: %v", err, b.List())
	}
}

// TestValidate names the field that is wrong.
func TestValidate(t *testing.T) {
	good := func() Budget { return Budget{Name: "b", Period: Daily, LimitUSD: money(1)} }
	for field, change := range map[string]func(*Budget){
		"name":            func(b *Budget) { b.Name = "a/b" },
		"period":          func(b *Budget) { b.Period = "weekly " },
		"rolling":         func(b *Budget) { b.Period, b.Rolling = Total, true },
		"time_zone":       func(b *Budget) { b.TimeZone = "Berlin" },
		"limit_usd":       func(b *Budget) { b.LimitUSD = nil },
		"limit_tokens":    func(b *Budget) { b.LimitTokens = number(-1) },
		"thresholds":      func(b *Budget) { b.Thresholds = Thresholds{Warning: 0.9, Critical: 0.8} },
		"reserve":         func(b *Budget) { b.Reserve = "p100" },
		"unknown_price":   func(b *Budget) { b.UnknownPrice = "guess" },
		"ladder[0].at":    func(b *Budget) { b.Ladder = []Step{{At: 1.5, Action: Notify}} },
		"ladder[0].value": func(b *Budget) { b.Ladder = []Step{{At: 0.5, Action: CapTokens, Value: "many"}} },
		"ladder[1].action": func(b *Budget) {
			b.Ladder = []Step{{At: 0.5, Action: Notify}, {At: 0.5, Action: "shout"}}
		},
	} {
		b := good()
		change(&b)
		b = b.WithDefaults(AssumeMax)
		err := b.Validate()
		if e := model.AsError(err); e == nil || e.Kind != model.KindInvalid || e.Param != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	b := good().WithDefaults(AssumeMax)
	if err := b.Validate(); err != nil {
		t.Error(err)
	}
}
