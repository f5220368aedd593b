package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
)

func budgetsWhole(t *testing.T, s Store) {
	if got, err := s.Budgets(t.Context()); err != nil || len(got) != 0 {
		t.Fatalf("an empty store has %v, %v", got, err)
	}
	cost, tokens := model.Money(1_234_567_890), int64(0)
	team := budget.Budget{
		Name: "teams", Scope: budget.Scope{Team: budget.Any, Tag: "a \"tag\""}, Period: budget.Weekly, Rolling: true, TimeZone: "Europe/Berlin",
		LimitUSD: &cost, LimitTokens: &tokens, Thresholds: budget.Thresholds{Warning: 0.5, Critical: 0.6, HardStop: 0.7},
		Ladder:  []budget.Step{{At: 0.5, Action: budget.MaxPrice, Value: "0.002"}, {At: 0.7, Action: budget.RefuseCalls}},
		Reserve: "p95", UnknownPrice: budget.Refuse,
	}
	day := budget.Budget{Name: "day", Period: budget.Daily, LimitTokens: &tokens}
	for _, b := range []budget.Budget{team, {Name: "day", Period: budget.Total, LimitUSD: &cost}, day} {
		if err := s.SaveBudget(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Budgets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]budget.Budget{day, team}, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func budgetsGo(t *testing.T, s Store) {
	limit := int64(1)
	for _, name := range []string{"a", "b", "c"} {
		if err := s.SaveBudget(t.Context(), budget.Budget{Name: name, Period: budget.Daily, LimitTokens: &limit}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteBudget(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b", "", "d"} {
		if err := s.DeleteBudget(t.Context(), name); model.KindOf(err) != model.KindNotFound {
			t.Errorf("%q: %v, want %s", name, err, model.KindNotFound)
		}
	}
	got, err := s.Budgets(t.Context())
	if err != nil || len(got) != 2 || got[0].Name != "a" || got[1].Name != "c" {
		t.Errorf("%v, %v; want a and c", got, err)
	}
}

func budgetOverrides(t *testing.T, s Store) {
	at := time.UnixMicro(1_790_000_000_000_001).UTC()
	limit := model.Money(5_000_000_001)
	override := func(id model.BudgetID, reason string) budget.SavedOverride {
		return budget.SavedOverride{Budget: id, At: at, Override: budget.Override{
			Until: at.Add(time.Hour), Reason: reason, Actor: "ada", LimitUSD: &limit, SuspendLadder: true,
		}}
	}
	first, other, second := override("teams/a", "first"), override("teams", "other"), override("teams/a", "second")
	for _, o := range []budget.SavedOverride{first, other, second} {
		if err := s.SaveOverride(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Overrides(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]budget.SavedOverride{other, second}, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func budgetOpenings(t *testing.T, s Store) {
	at := time.UnixMicro(1_790_000_000_000_001).UTC()
	opening := func(name, counting string) budget.Opening {
		return budget.Opening{Name: name, Counting: counting, At: at, Calls: 7, Spent: []budget.Spent{
			{Budget: model.BudgetID(name + "/a"), Period: at.Truncate(time.Hour), Quantities: budget.Quantities{USD: 1_234_567_890, Tokens: 5, Requests: 7}},
		}}
	}
	last := opening("teams", "daily UTC")
	for _, o := range []budget.Opening{opening("teams", ""), opening("all", "total UTC"), last} {
		if err := s.SaveOpening(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Openings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]budget.Opening{opening("all", "total UTC"), last}, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}
