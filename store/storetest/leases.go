package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// sharing is a store in which gateways share budgets; others pass this part by.
func sharing(t *testing.T, s Store) budget.ShareStore {
	t.Helper()
	shared, ok := s.(budget.ShareStore)
	if !ok {
		t.Skip("this store serves one gateway")
	}
	return shared
}

// gateway is one that asks for leases of the budget "all", in tokens.
type gateway struct {
	t     *testing.T
	s     budget.ShareStore
	spool string
	epoch int64
	seen  int64
}

func join(t *testing.T, s budget.ShareStore, spool string) *gateway {
	t.Helper()
	epoch, err := s.Join(t.Context(), spool, "host of "+spool)
	if err != nil || epoch == 0 {
		t.Fatalf("epoch %d, %v", epoch, err)
	}
	return &gateway{t: t, s: s, spool: spool, epoch: epoch}
}

var leasePeriod = base.Truncate(24 * time.Hour).UTC()

// tokens words an ask for n tokens by a gateway that keeps floor.
func tokens(limit, floor, n int64) budget.Ask {
	return budget.Ask{
		Account: budget.Account{Budget: "all", Period: leasePeriod}, From: leasePeriod, To: leasePeriod, Limit: budget.Limits{Tokens: &limit},
		Floor: budget.Quantities{Tokens: floor}, Least: budget.Quantities{Tokens: n}, Want: budget.Quantities{Tokens: n}, Replicas: 2,
	}
}

func (g *gateway) ask(a budget.Ask) budget.Grant {
	g.t.Helper()
	got, err := g.s.Lease(g.t.Context(), g.spool, g.epoch, []budget.Ask{a})
	if err != nil || len(got) != 1 {
		g.t.Fatalf("%s: %v, %v", g.spool, got, err)
	}
	return got[0]
}

func (g *gateway) look() *budget.Sight {
	g.t.Helper()
	sight, err := g.s.Look(g.t.Context(), budget.Query{Spool: g.spool, After: g.seen})
	if err != nil {
		g.t.Fatal(err)
	}
	g.seen = sight.Clock
	return sight
}

// spend stores a call of n tokens under a spool.
func spend(t *testing.T, s Store, spool string, n int64) {
	t.Helper()
	c := samples(1)[0]
	c.ID = model.NewCallID()
	c.Record.ID = c.ID
	c.Record.Charges = []model.Charge{{Budget: "all", Period: leasePeriod, Tokens: n, Requests: 1}}
	c.Charges = c.Record.Charges
	if _, err := s.Ingest(t.Context(), event.Batch{Spool: spool, Calls: []event.Call{encode(c)}}); err != nil {
		t.Fatal(err)
	}
}

// leasesDecide walks two gateways through a limit of 100.
func leasesDecide(t *testing.T, s Store) {
	shared := sharing(t, s)
	a, b := join(t, shared, "a"), join(t, shared, "b")
	want := func(what string, g budget.Grant, n int64, short, open bool) {
		t.Helper()
		if g.Tokens != n || g.Short != short || g.Open != open {
			t.Errorf("%s: %+v, want %d tokens, short %v, open %v", what, g, n, short, open)
		}
	}
	want("the first", a.ask(tokens(100, 0, 60)), 60, false, false)
	want("too much", b.ask(tokens(100, 0, 50)), 0, true, true)
	if w := a.look().Wanted; len(w) != 1 || w[0] != (budget.Account{Budget: "all", Period: leasePeriod}) {
		t.Errorf("a hears that %v are wanted", w)
	}
	if w := b.look().Wanted; len(w) != 0 {
		t.Errorf("b hears that %v are wanted, which are by itself", w)
	}
	answer := tokens(100, 55, 55)
	answer.Answer = true
	want("an answer", a.ask(answer), 55, false, false)
	if w := a.look().Wanted; len(w) != 0 {
		t.Errorf("a hears again that %v are wanted", w)
	}
	want("still too much", b.ask(tokens(100, 0, 50)), 0, true, false)
	want("what is there", b.ask(tokens(100, 0, 45)), 45, false, false)

	// What is recorded counts once with the lease, and alone without.
	spend(t, s, "a", 30)
	spend(t, s, "gone", 7)
	want("with what a third recorded", a.ask(tokens(107, 0, 60)), 0, true, true)
	if err := shared.Leave(t.Context(), "a", a.epoch); err != nil {
		t.Fatal(err)
	}
	want("after a left", b.ask(tokens(107, 45, 70)), 70, false, false)
	want("no more", b.ask(tokens(107, 70, 71)), 70, true, false)

	// An opening counts like spending.
	if err := s.SaveOpening(t.Context(), budget.Opening{Name: "all", Spent: []budget.Spent{{Budget: "all", Period: leasePeriod, Quantities: budget.Quantities{Tokens: 5}}}}); err != nil {
		t.Fatal(err)
	}
	want("beside an opening", b.ask(tokens(107, 60, 70)), 60, true, false)
}

// leasesEpochs: who was released holds nothing, and is told.
func leasesEpochs(t *testing.T, s Store) {
	shared := sharing(t, s)
	a, b := join(t, shared, "a"), join(t, shared, "b")
	a.ask(tokens(100, 0, 100))
	list, err := shared.Leases(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "host of a" || len(list[0].Leases) != 1 || list[0].Leases[0].Granted.Tokens != 100 || len(list[1].Leases) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := shared.Release(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := shared.Release(t.Context(), "a"); model.KindOf(err) != model.KindNotFound {
		t.Errorf("released twice: %v", err)
	}
	if got := a.look().Epoch; got != 0 {
		t.Errorf("a is in epoch %d", got)
	}
	if _, err := shared.Lease(t.Context(), "a", a.epoch, []budget.Ask{tokens(100, 0, 1)}); model.KindOf(err) != model.KindConflict {
		t.Errorf("an ask of an epoch that is over: %v", err)
	}
	if got := b.ask(tokens(100, 0, 100)); got.Tokens != 100 {
		t.Errorf("%+v, want all", got)
	}
	former := a.epoch
	if a = join(t, shared, "a"); a.epoch == former {
		t.Error("a new epoch has the number of the old one")
	}
	// A new start gives back what it held.
	join(t, shared, "b")
	if got := a.ask(tokens(100, 0, 100)); got.Tokens != 100 {
		t.Errorf("%+v, want all", got)
	}
	other := tokens(100, 0, 3)
	other.Period = leasePeriod.Add(24 * time.Hour)
	a.ask(other)
	if err := shared.Forget(t.Context(), "a", []budget.Account{other.Account}); err != nil {
		t.Fatal(err)
	}
	if list, err = shared.Leases(t.Context()); err != nil || len(list[0].Leases) != 1 || list[0].Leases[0].Account != other.Account {
		t.Errorf("%+v, %v: want what is not over", list, err)
	}
	if gone, err := shared.ReleaseUnseen(t.Context(), time.Hour); err != nil || len(gone) != 0 {
		t.Errorf("%v, %v: everybody was seen", gone, err)
	}
	if gone, err := shared.ReleaseUnseen(t.Context(), 0); err != nil || len(gone) != 2 {
		t.Errorf("%v, %v: want both", gone, err)
	}
}

// leasesLook: what others recorded and changed is seen, once.
func leasesLook(t *testing.T, s Store) {
	shared := sharing(t, s)
	a := join(t, shared, "a")
	join(t, shared, "b")
	first := a.look()
	if first.Replicas != 2 || first.Epoch != a.epoch || len(first.Spent) != 0 {
		t.Errorf("%+v", first)
	}
	spend(t, s, "b", 3)
	spend(t, s, "a", 4)
	spend(t, s, "b", 5)
	sums := map[string]int64{}
	for _, r := range a.look().Spent {
		sums[r.Spool] = r.Tokens
	}
	if len(sums) != 2 || sums["a"] != 4 || sums["b"] != 8 {
		t.Errorf("%v", sums)
	}
	spend(t, s, "b", 1)
	if got := a.look(); len(got.Spent) != 1 || got.Spent[0].Tokens != 9 || got.Version != first.Version {
		t.Errorf("%+v, first %+v", got, first)
	}
	limit := int64(1)
	if err := s.SaveBudget(t.Context(), budget.Budget{Name: "x", Period: budget.Daily, LimitTokens: &limit}); err != nil {
		t.Fatal(err)
	}
	second := a.look()
	if err := s.SaveOverride(t.Context(), budget.SavedOverride{Budget: "x", At: base, Override: budget.Override{Until: base, Reason: "test"}}); err != nil {
		t.Fatal(err)
	}
	third := a.look()
	if second.Version == first.Version || third.Version == second.Version || a.look().Version != third.Version {
		t.Errorf("versions %d, %d, %d", first.Version, second.Version, third.Version)
	}
}

// leasesRace: however many ask at once, for several budgets in any order, no
// more than the limits are granted.
func leasesRace(t *testing.T, s Store) {
	shared := sharing(t, s)
	const gateways, limit = 6, 1000
	var mu sync.Mutex
	granted := map[model.BudgetID]int64{}
	var wg sync.WaitGroup
	for i := range gateways {
		g := join(t, shared, fmt.Sprint("g", i))
		wg.Go(func() {
			have := map[model.BudgetID]int64{}
			for range 20 {
				var asks []budget.Ask
				for j := range 3 {
					id := model.BudgetID(fmt.Sprint("b", (i+j)%3))
					ask := tokens(limit, have[id], have[id]+17)
					ask.Budget = id
					asks = append(asks, ask)
				}
				got, err := shared.Lease(t.Context(), g.spool, g.epoch, asks)
				if err != nil {
					t.Error(err)
					return
				}
				for j, a := range asks {
					have[a.Budget] = got[j].Tokens
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for id, n := range have {
				granted[id] += n
			}
		})
	}
	wg.Wait()
	for id, n := range granted {
		if n > limit || n <= limit-17 {
			t.Errorf("%d of %s are granted, the limit is %d", n, id, limit)
		}
	}
}
