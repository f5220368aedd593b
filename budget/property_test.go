package budget

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

// TestQuantileReservation is litellm#38647 (show 3): 20 calls at a time with
// max_tokens 64,000 at $75 per million on $25. Reserved for the worst case,
// five calls freeze the budget while nothing is spent; by a quantile none is
// refused while little is spent, and what is spent beyond the limit keeps the
// bound.
func TestQuantileReservation(t *testing.T) {
	worst, limit := *money(4.8), *money(25)
	perToken := 75e-6
	const p95 = 2600 // tokens; of the log-normal lengths below
	ask := Amounts{Worst: worst, Quantile: model.FromUSD(p95 * perToken), Known: true, Requests: 1}

	l := newLedger(t, newClock(start), Budget{Name: "agent", Period: Daily, LimitUSD: &limit})
	frozen := 0
	for range 20 {
		if _, err := l.Reserve(&Subject{}, Target{}, ask); err != nil {
			frozen++
		}
	}
	if frozen != 15 {
		t.Errorf("worst case: %d of 20 refused, want 15", frozen)
	}

	var passed, most model.Money
	runs := 1000
	if testing.Short() {
		runs = 100
	}
	for run := range runs {
		rng := rand.New(rand.NewPCG(uint64(run), 3))
		l := newLedger(t, newClock(start), Budget{Name: "agent", Period: Daily, LimitUSD: &limit, Reserve: "p95"})
		var open []*Hold
		var spent, bound model.Money
		for refusals := 0; refusals < 30 || len(open) > 0; {
			if len(open) < 20 && refusals < 30 && rng.IntN(2) == 0 {
				h, err := l.Reserve(&Subject{}, Target{}, ask)
				if err == nil {
					open = append(open, h)
					bound = max(bound, model.Money(len(open))*(worst-ask.Quantile))
					continue
				}
				refusals++
				if spent < limit*3/4 {
					t.Fatalf("run %d: refused with %s spent and %d calls open: %v", run, spent, len(open), err)
				}
				continue
			}
			if len(open) == 0 {
				continue
			}
			i := rng.IntN(len(open))
			length := min(math.Exp(6.5+0.83*rng.NormFloat64()), 64000)
			if rng.IntN(50) == 0 {
				length = 64000 // runs to its limit
			}
			cost := model.FromUSD(math.Floor(length) * perToken)
			open[i].Settle(nil, Spend{Cost: cost, Known: true, Requests: 1})
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
			spent += cost
			if spent > limit+bound {
				t.Fatalf("run %d: %s spent of %s, the bound is %s more", run, spent, limit, bound)
			}
		}
		sound(t, l, 0)
		st := l.Status()[0]
		if st.Spent.USD != spent || st.Overshoot.Calls == 0 && spent > limit {
			t.Fatalf("run %d: %+v does not report what happened, %s spent", run, st, spent)
		}
		if spent > limit {
			passed++
			most = max(most, spent-limit)
		}
	}
	t.Logf("%d of %d runs passed the limit, by at most %s", passed, runs, most)
}

// TestLedgerProperties walks random budgets through random calls and checks
// after each step that no counter is negative, all balance, nothing strict is
// passed, and a call is in all of its budgets or in none.
func TestLedgerProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock(start)
		budgets := rapid.SliceOfNDistinct(budgetGen(), 1, 5, func(b Budget) string { return b.Name }).Draw(t, "budgets")
		l := newTestLedger(t, c, budgets)
		var open []*Hold
		worst := map[*Hold]model.Money{}
		check := func() {
			im := l.Check()
			if !im.Balanced() || im.Holds != len(open) {
				t.Fatalf("%+v with %d holds open", im, len(open))
			}
			for _, st := range l.Status() {
				if u := st.Remaining.USD; u != nil && *u < 0 && st.Override == nil {
					t.Fatalf("%s is passed: %+v", st.ID, st)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"reserve": func(t *rapid.T) {
				s, target := callGen(t)
				cost := model.Money(rapid.Int64Range(0, 40).Draw(t, "cost"))
				h, err := l.Reserve(s, target, Amounts{Worst: cost, Known: true, Tokens: int64(cost), Requests: 1})
				if err != nil || h == nil {
					return
				}
				for _, b := range budgets {
					applies := appliesTo(b.Scope, s, target)
					held := false
					for _, ch := range h.Charges(nil) {
						held = held || ch.Budget == model.BudgetID(b.Name) || len(ch.Budget) > len(b.Name) && string(ch.Budget[:len(b.Name)+1]) == b.Name+"/"
					}
					if applies != held {
						t.Fatalf("budget %+v applies to %+v %+v: %v, but held: %v", b, s, target, applies, held)
					}
				}
				open = append(open, h)
				worst[h] = cost
			},
			"end": func(t *rapid.T) {
				if len(open) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				h := open[i]
				open = append(open[:i:i], open[i+1:]...)
				if rapid.Bool().Draw(t, "release") {
					h.Release()
					return
				}
				spent := model.Money(rapid.Int64Range(0, int64(worst[h])).Draw(t, "spent"))
				h.Settle(nil, Spend{Cost: spent, Known: true, Tokens: int64(spent), Requests: 1})
			},
			"time": func(t *rapid.T) { c.add(time.Duration(rapid.Int64Range(0, int64(26*time.Hour)).Draw(t, "by"))) },
			"reload": func(t *rapid.T) {
				if err := l.Configure(budgets); err != nil {
					t.Fatal(err)
				}
			},
			"": func(*rapid.T) { check() },
		})
		for _, h := range open {
			h.Release()
		}
		open = nil
		check()
		for _, st := range l.Status() {
			if st.Held != (Quantities{}) {
				t.Fatalf("%s still holds %+v", st.ID, st.Held)
			}
		}
	})
}

func budgetGen() *rapid.Generator[Budget] {
	return rapid.Custom(func(t *rapid.T) Budget {
		word := func(name string, words ...string) string { return rapid.SampledFrom(words).Draw(t, name) }
		b := Budget{
			Name: word("name", "b1", "b2", "b3", "b4", "b5", "b6", "b7"),
			Scope: Scope{
				Team: word("team", "", "", Any, "a"), User: word("user", "", "", Any, "ada"), Model: word("model", "", "", Any, "x/m"),
				Tag: word("tag", "", "", "", "red"),
			},
			Period: Every(word("period", "hourly", "daily", "weekly", "monthly", "total")),
		}
		b.Rolling = b.Period != Total && rapid.Bool().Draw(t, "rolling")
		limit := model.Money(rapid.Int64Range(0, 120).Draw(t, "limit"))
		if rapid.Bool().Draw(t, "in dollars") {
			b.LimitUSD = &limit
		}
		if b.LimitUSD == nil || rapid.Bool().Draw(t, "in tokens") {
			b.LimitTokens = number(rapid.Int64Range(0, 120).Draw(t, "tokens"))
		}
		return b
	})
}

func callGen(t *rapid.T) (*Subject, Target) {
	s := &Subject{
		Team: rapid.SampledFrom([]string{"", "a", "b/c"}).Draw(t, "team"), User: rapid.SampledFrom([]string{"ada", "bob%"}).Draw(t, "user"),
	}
	if rapid.Bool().Draw(t, "red") {
		s.Tags = []string{"red"}
	}
	return s, Target{Model: model.ModelID(rapid.SampledFrom([]string{"x/m", "y/n"}).Draw(t, "model"))}
}

// appliesTo says what a scope means, in the plainest way.
func appliesTo(sc Scope, s *Subject, t Target) bool {
	is := func(want, have string) bool { return want == "" || have != "" && (want == Any || want == have) }
	return is(sc.Team, s.Team) && is(sc.User, s.User) && is(sc.Model, string(t.Model)) && (sc.Tag == "" || s.hasTag(sc.Tag))
}

func newTestLedger(t *rapid.T, c *clock, budgets []Budget) *Ledger {
	l, err := New(Config{Clock: c.now})
	if err == nil {
		err = l.Configure(budgets)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestAdmissionIndependentOfOrder: the same calls are admitted in whatever
// order the budgets are configured.
func TestAdmissionIndependentOfOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		budgets := rapid.SliceOfNDistinct(budgetGen(), 2, 5, func(b Budget) string { return b.Name }).Draw(t, "budgets")
		shuffled := rapid.Permutation(budgets).Draw(t, "order")
		a, b := newTestLedger(t, newClock(start), budgets), newTestLedger(t, newClock(start), shuffled)
		for range 25 {
			s, target := callGen(t)
			cost := model.Money(rapid.Int64Range(0, 40).Draw(t, "cost"))
			ask := Amounts{Worst: cost, Known: true, Tokens: int64(cost), Requests: 1}
			ha, ea := a.Reserve(s, target, ask)
			hb, eb := b.Reserve(s, target, ask)
			if (ea == nil) != (eb == nil) {
				t.Fatalf("one order says %v, another %v", ea, eb)
			}
			if rapid.Bool().Draw(t, "settle") {
				ha.Settle(nil, Spend{Cost: cost / 2, Known: true, Tokens: int64(cost)})
				hb.Settle(nil, Spend{Cost: cost / 2, Known: true, Tokens: int64(cost)})
			}
		}
	})
}

// TestReservationMonotoneInPrice is in the spirit of litellm#40002, where calls
// above a price tier held less than they cost: a dearer call never holds less,
// and is never admitted where a cheaper one is refused.
func TestReservationMonotoneInPrice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Budget{
			Name: "all", Period: Daily, LimitUSD: (*model.Money)(number(rapid.Int64Range(0, 1000).Draw(t, "limit"))),
			Reserve: rapid.SampledFrom([]string{"worst", "p95", "p80"}).Draw(t, "reserve"),
		}
		price := rapid.Int64Range(0, 50).Draw(t, "price")
		dearer := price + rapid.Int64Range(0, 50).Draw(t, "more")
		worst := rapid.Int64Range(0, 100).Draw(t, "tokens")
		quantile := rapid.Int64Range(0, worst).Draw(t, "quantile")
		at := func(price int64) Amounts {
			return Amounts{
				Worst: model.Money(price * worst), Quantile: model.Money(price * quantile), Other: share(price * worst), Known: true, Requests: 1,
			}
		}
		h1, e1 := newTestLedger(t, newClock(start), []Budget{b}).Reserve(&Subject{}, Target{}, at(price))
		h2, e2 := newTestLedger(t, newClock(start), []Budget{b}).Reserve(&Subject{}, Target{}, at(dearer))
		if e1 != nil && e2 == nil {
			t.Fatalf("at %d refused, at %d admitted", price, dearer)
		}
		if e1 == nil && e2 == nil && h1.Charges(nil)[0].Cost > h2.Charges(nil)[0].Cost {
			t.Fatalf("at %d holds %+v, at %d %+v", price, h1.Charges(nil), dearer, h2.Charges(nil))
		}
	})
}

// share is an attempt whose quantiles are that part of the worst case.
type share model.Money

func (s share) Quantile(q float64) model.Money { return model.Money(float64(s) * q) }
func (s share) Tokens(q float64) int64         { return int64(float64(s) * q) }

// TestOtherQuantiles: each budget holds the quantile of its own.
func TestOtherQuantiles(t *testing.T) {
	for mode, want := range map[string]model.Money{"worst": 1000, "p95": 700, "p80": 800, "p99": 990} {
		l := newLedger(t, newClock(start), Budget{Name: "b", Period: Daily, LimitUSD: money(1), Reserve: mode})
		h, _ := l.Reserve(&Subject{}, Target{}, Amounts{Worst: 1000, Quantile: 700, Other: share(1000), Known: true})
		if got := l.Status()[0].Held.USD; got != want {
			t.Errorf("%s holds %d, want %d", mode, got, want)
		}
		// Whatever is held, a call whose end nobody sees is charged what is likely.
		if got := h.Charges(nil)[0].Cost; got != 700 {
			t.Errorf("%s: the intent says %d, want 700", mode, got)
		}
		h.Release()
	}
}

// TestTieredPriceAtAdmission is litellm#40002 itself: of five calls of 300,000
// tokens that cost $0.15 each above the tier, a budget of $0.45 admits three.
func TestTieredPriceAtAdmission(t *testing.T) {
	l := newLedger(t, newClock(start), Budget{Name: "all", Period: Daily, LimitUSD: money(0.45)})
	admitted := 0
	for range 5 {
		if _, err := l.Reserve(&Subject{}, Target{}, costs(0.15)); err == nil {
			admitted++
		}
	}
	if admitted != 3 {
		t.Errorf("%d admitted, want 3", admitted)
	}
}

// TestIDsAreDistinct: values with slashes and percent signs never share a counter.
func TestIDsAreDistinct(t *testing.T) {
	s, err := newState(Budget{Name: "b", Scope: Scope{Team: Any, Model: Any}, Period: Daily, LimitRequests: number(1)}.WithDefaults(AssumeMax), 0)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOfN(rapid.RuneFrom([]rune("ab/%2F5")), 1, 6, -1)
		var v [dims]string
		v[dimTeam], v[dimModel] = word.Draw(t, "team"), word.Draw(t, "model")
		_, got, ok := parseID(map[string]*state{"b": s}, idOf(s, v))
		if !ok || got != v {
			t.Fatalf("%v became %v by way of %s", v, got, idOf(s, v))
		}
	})
}

// TestUnseenTokensAreAlike: whatever its budgets limit, a call whose end nobody
// saw took the same tokens in all of them.
func TestUnseenTokensAreAlike(t *testing.T) {
	tokens := Budget{Name: "tokens", Period: Daily, LimitTokens: number(1_000_000)}
	money := Budget{Name: "money", Period: Daily, LimitUSD: money(1)}
	for want, budgets := range map[int64][]Budget{950: {tokens, money}, 400: {money}} {
		l := newLedger(t, newClock(start), budgets...)
		h, err := l.Reserve(&Subject{}, Target{}, Amounts{Worst: 1000, Quantile: 900, Tokens: 5000, Expected: 400, Other: share(1000), Known: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range h.Charges(nil) {
			if c.Tokens != want {
				t.Errorf("%s: %d tokens, want %d", c.Budget, c.Tokens, want)
			}
		}
		h.Release()
	}
}
