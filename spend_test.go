package cartrita_test

import (
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
)

// purse is a ledger with the budgets.
func purse(t *testing.T, budgets ...budget.Budget) *budget.Ledger {
	t.Helper()
	l, err := budget.New(budget.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Configure(budgets); err != nil {
		t.Fatal(err)
	}
	return l
}

func dollars(usd int64) *model.Money { m := model.Money(usd) * model.USD; return &m }

// aDollarEach prices every endpoint of the lab at a dollar a request.
func aDollarEach(e *model.Endpoint) {
	e.Pricing = &model.Pricing{Request: dollars(1)}
}

// spent fails unless the budget has spent so much, holds nothing and balances.
func (l *lab) spent(name string, want model.Money) {
	l.t.Helper()
	if im := l.Budgets().Check(); !im.Balanced() || im.Holds != 0 {
		l.t.Errorf("the ledger does not balance or holds something: %+v", im)
	}
	for _, s := range l.Budgets().Status() {
		if string(s.ID) != name {
			continue
		}
		if s.Spent.USD != want || s.Held.USD != 0 {
			l.t.Errorf("budget %s: %s spent and %s held, want %s and nothing", name, s.Spent.USD, s.Held.USD, want)
		}
		return
	}
	l.t.Errorf("there is no budget %s", name)
}

// Every way out of a call settles or releases what was held: the answer, an
// upstream error, a stream that dies, a caller that leaves (litellm#30522), a
// deadline, a stream that fails before its first chunk (otari#128).
func TestEveryWayOutSettles(t *testing.T) {
	partial := streams(&model.Error{Kind: model.KindUpstream, Message: "cut"}, role(), text("some words that were billed"))
	for _, tc := range []struct {
		name   string
		a      func(context.Context, *model.Call) (*provider.Response, error)
		stream bool
		page   *page
		spent  model.Money
		failed bool
	}{
		{name: "answer", a: answers(`{"choices":[]}`, counted), spent: model.USD},
		{name: "stream", a: streams(nil, role(), text("hi"), usage(10, 5), done()), stream: true, spent: model.USD},
		{name: "upstream error", a: fails(model.KindInvalid), failed: true},
		{name: "stream fails before its first chunk", a: streams(&model.Error{Kind: model.KindInvalid, Status: 400, Message: "no"}), stream: true, failed: true},
		// litellm#35752: what was billed stays billed.
		{name: "stream dies halfway", a: partial, stream: true, spent: model.USD, failed: true},
		{name: "caller leaves", a: streams(nil, role(), text("a"), text("b"), done()), stream: true, page: &page{breakNow: true}, spent: model.USD, failed: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLabWith(t, script{"a": tc.a}, func(c *cartrita.Config) {
				c.Budgets = purse(t, budget.Budget{Name: "all", Period: budget.Total, LimitUSD: dollars(100)})
			}, aDollarEach, onlyA)
			p := tc.page
			if p == nil {
				p = &page{}
			}
			call := newCall(t, tc.stream)
			rec, _ := l.Serve(t.Context(), call, p)
			if rec == nil || (rec.State == model.StateFailed) != tc.failed {
				t.Fatalf("the call ended as %+v", rec)
			}
			l.spent("all", tc.spent)
			var charged model.Money
			for _, c := range l.stored(call.ID).Charges {
				charged += c.Cost
			}
			if charged != tc.spent {
				t.Errorf("the record charges %s, want %s", charged, tc.spent)
			}
		})
	}
}

// onlyA leaves endpoint a alone ready.
func onlyA(e *model.Endpoint) { e.Ready = e.Upstream == "a" }

// A panic of ours charges what was held: nobody knows what was spent.
func TestAPanicChargesWhatWasHeld(t *testing.T) {
	l := newLabWith(t, script{"a": func(context.Context, *model.Call) (*provider.Response, error) { panic("ours") }}, func(c *cartrita.Config) {
		c.Budgets = purse(t, budget.Budget{Name: "all", Period: budget.Total, LimitUSD: dollars(100)})
	}, aDollarEach, onlyA)
	func() {
		defer func() { _ = recover() }() // the gateway's part
		_, _ = l.Serve(t.Context(), newCall(t, false), &page{})
	}()
	l.spent("all", model.USD)
}

// litellm#41379: the budget is checked for the endpoint that answers, not only
// for the one that was asked first. The refusal is no failure of the endpoint
// (litellm-rs#720).
func TestAFallbackIsPaidOrNotMade(t *testing.T) {
	free := func(e *model.Endpoint) {
		price := dollars(0)
		if e.Upstream != "a" {
			price = dollars(5)
		}
		e.Pricing = &model.Pricing{Request: price}
		e.Ready = e.Upstream != "c"
	}
	l := newLabWith(t, script{"a": fails(model.KindUpstream), "b": answers(`{}`, counted)}, func(c *cartrita.Config) {
		c.Budgets = purse(t, budget.Budget{Name: "all", Period: budget.Total, LimitUSD: dollars(4)})
	}, free)
	rec, err := l.Serve(t.Context(), newCall(t, false), &page{})
	if model.KindOf(err) != model.KindBudget {
		t.Fatalf("got %v, want a refusal for money", err)
	}
	if n := len(rec.Attempts); n != 2 || rec.Attempts[1].Error == nil || rec.Attempts[1].Error.Kind != model.KindBudget || rec.Attempts[1].LatencyMS != 0 {
		t.Errorf("the attempts are %+v, want the second one refused unsent", rec.Attempts)
	}
	for _, e := range l.Endpoints() {
		if e.Upstream == "b" && (e.Health.Samples != 0 || e.Health.ErrorRate != 0) {
			t.Errorf("a budget's refusal counts against %s: %+v", e.ID, e.Health)
		}
	}
	l.spent("all", 0)
}

// away is a database that shares budgets, and is away after a gateway has joined.
type away struct {
	budget.ShareStore
	joined bool
}

func (*away) Join(context.Context, string, string) (int64, error) { return 1, nil }

func (a *away) Look(context.Context, budget.Query) (*budget.Sight, error) {
	if a.joined {
		return nil, io.ErrUnexpectedEOF
	}
	a.joined = true
	return &budget.Sight{Epoch: 1, Replicas: 1}, nil
}

// While the database that shares budgets is away, records of calls that are refused
// for it are small: they wait in the spool.
func TestRefusalsWithoutADatabaseAreSmall(t *testing.T) {
	l := newLabWith(t, script{"a": answers(`{}`, counted)}, func(c *cartrita.Config) { c.Budgets = purse(t) }, aDollarEach)
	shared := budget.NewEscrow(l.Budgets(), budget.EscrowConfig{Store: &away{}})
	if err := l.Budgets().Configure([]budget.Budget{{Name: "all", Period: budget.Total, LimitUSD: dollars(100)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := shared.Join(t.Context(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = shared.Run(ctx) })
	defer running.Wait()
	defer end()
	rec, err := l.Serve(t.Context(), newCall(t, false), &page{})
	if model.KindOf(err) != model.KindUnavailable {
		t.Fatalf("got %v, want a refusal for want of the database", err)
	}
	if rec = l.stored(rec.ID); rec.Plan != nil || rec.Attempts != nil || rec.Error == nil || rec.Error.Kind != model.KindUnavailable {
		t.Errorf("the record has the plan %+v, the attempts %+v and the error %+v", rec.Plan, rec.Attempts, rec.Error)
	}
}

// A call that is refused because every circuit is open keeps who was excluded: that
// is what a rule about availability counts, and explain shows.
func TestARefusalOfEveryEndpointKeepsItsPlan(t *testing.T) {
	l := newLab(t, script{"a": fails(model.KindTimeout), "b": fails(model.KindTimeout), "c": fails(model.KindTimeout)})
	for range 20 {
		rec, err := l.Serve(t.Context(), newCall(t, false), &page{})
		if model.KindOf(err) != model.KindUnavailable {
			continue
		}
		if rec = l.stored(rec.ID); rec.Plan == nil || len(rec.Plan.Excluded) == 0 {
			t.Errorf("the plan is %+v", rec.Plan)
		}
		return
	}
	t.Fatal("no call was refused for an open circuit")
}

// An endpoint whose own budget is used up is passed over for one that is not,
// and a call that names it is refused with 402.
func TestABudgetOfOneModelClosesItAlone(t *testing.T) {
	l := newLabWith(t, script{"a": answers(`{}`, counted), "b": answers(`{}`, counted)}, func(c *cartrita.Config) {
		c.Budgets = purse(t, budget.Budget{Name: "a-only", Scope: budget.Scope{Model: "m-a"}, Period: budget.Total, LimitUSD: dollars(1)})
	}, aDollarEach)
	var served []model.ModelID
	for range 2 {
		rec, err := l.Serve(t.Context(), newCall(t, false), &page{})
		if err != nil {
			t.Fatal(err)
		}
		served = append(served, rec.Model)
	}
	if served[0] != "m-a" || served[1] != "m-b" {
		t.Errorf("served by %v, want m-a and then m-b", served)
	}
	named := newCall(t, false)
	named.Model = "m-a"
	if _, err := l.Serve(t.Context(), named, &page{}); model.KindOf(err) != model.KindBudget {
		t.Errorf("got %v, want a refusal for money", err)
	}
	l.spent("a-only", model.USD)
}

// 500 calls at once, answers and streams, on a budget that pays for 37.
func TestOneBudgetOfThirtySeven(t *testing.T) {
	l := newLabWith(t, script{"a": func(ctx context.Context, call *model.Call) (*provider.Response, error) {
		if call.Stream {
			return streams(nil, role(), text("hi"), usage(10, 5), done())(ctx, call)
		}
		return answers(`{}`, counted)(ctx, call)
	}}, func(c *cartrita.Config) {
		c.Budgets = purse(t, budget.Budget{Name: "all", Period: budget.Total, LimitUSD: dollars(37)})
	}, aDollarEach, onlyA)
	var mu sync.Mutex
	got := map[model.Kind]int{}
	admitted := 0
	var wg sync.WaitGroup
	for i := range 500 {
		call := newCall(t, i%2 == 0)
		wg.Go(func() {
			_, err := l.Serve(t.Context(), call, &page{})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				admitted++
			} else {
				got[model.KindOf(err)]++
			}
		})
	}
	wg.Wait()
	if admitted != 37 || got[model.KindBudget] != 463 {
		t.Errorf("%d admitted, others %v; want 37 and 463 refused for money", admitted, got)
	}
	l.spent("all", 37*model.USD)
	l.idle()
}

// Random calls, failures and departures: the ledger always balances, and the
// charges in the records add up to it.
func TestChargesAddUpToTheLedger(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	pick := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	any := func(ctx context.Context, call *model.Call) (*provider.Response, error) {
		end := error(io.EOF) //nolint:unconvert // it is assigned another type below
		switch pick(6) {
		case 0:
			return fails(model.KindUpstream)(ctx, call)
		case 1:
			end = &model.Error{Kind: model.KindUpstream, Message: "cut"}
		case 2:
			<-ctx.Done()
			return nil, &model.Error{Kind: model.KindCanceled, Err: ctx.Err()}
		}
		if call.Stream {
			return streams(end, role(), text("words"), text("more"), usage(10, 5), done())(ctx, call)
		}
		return answers(`{}`, counted)(ctx, call)
	}
	l := newLabWith(t, script{"a": any, "b": any, "c": any}, func(c *cartrita.Config) {
		c.Budgets = purse(t,
			budget.Budget{Name: "all", Period: budget.Total, LimitUSD: dollars(1000)},
			budget.Budget{Name: "b", Scope: budget.Scope{Model: "m-b"}, Period: budget.Total, LimitUSD: dollars(1000)},
			budget.Budget{Name: "teams", Scope: budget.Scope{Team: "*"}, Period: budget.Monthly, LimitUSD: dollars(1000)})
	})
	var ids []model.CallID
	var wg sync.WaitGroup
	for i := range 300 {
		call := newCall(t, i%2 == 0)
		call.Caller.Team = []string{"", "x", "y"}[i%3]
		ids = append(ids, call.ID)
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(5+pick(20))*time.Millisecond)
			defer cancel()
			_, _ = l.Serve(ctx, call, &page{breakNow: pick(10) == 0})
		})
	}
	wg.Wait()
	var charges []model.Charge
	total := model.Money(0)
	for _, id := range ids {
		rec := l.stored(id)
		charges = append(charges, rec.Charges...)
		total += rec.Cost.Total
	}
	l.spent("all", total)
	if total == 0 {
		t.Error("nothing was spent: the test shows nothing")
	}
	for _, s := range l.Budgets().Status() {
		if s.Spent.USD == 0 {
			t.Errorf("nothing was spent of %s: the test shows nothing of it", s.ID)
		}
	}
	report := l.Budgets().Audit(func(yield func(model.Charge) bool) {
		for _, c := range charges {
			if !yield(c) {
				return
			}
		}
	}, nil)
	for _, ln := range report.Lines {
		if !ln.Equal {
			t.Errorf("%s at %s: the records say %+v, the ledger %+v", ln.Budget, ln.Period, ln.Entries, ln.Counter)
		}
	}
	if !report.Balanced {
		t.Errorf("the records do not add up to the ledger: %+v", report)
	}
}

// A step that caps tokens bounds what is sent, and the record says so.
func TestAStepCapsTheAnswer(t *testing.T) {
	var sent string
	l := newLabWith(t, script{"a": func(ctx context.Context, call *model.Call) (*provider.Response, error) {
		raw, _ := call.Body.Get("max_tokens")
		sent = string(raw)
		return answers(`{}`, counted)(ctx, call)
	}}, func(c *cartrita.Config) {
		c.Budgets = purse(t, budget.Budget{Name: "all", Period: budget.Total, LimitUSD: dollars(100),
			Ladder: []budget.Step{{At: 0, Action: budget.CapTokens, Value: "64"}, {At: 0, Action: budget.PreferCheaper}}})
	}, aDollarEach, onlyA)
	rec, err := l.Serve(t.Context(), newCall(t, false), &page{})
	if err != nil {
		t.Fatal(err)
	}
	if sent != "64" {
		t.Errorf("the upstream was sent max_tokens %q, want 64", sent)
	}
	if rec.Plan.Strategy != "cost-optimized" || len(rec.Degraded) != 2 {
		t.Errorf("decided by %s under %+v, want cost-optimized under two steps", rec.Plan.Strategy, rec.Degraded)
	}
	if err := l.Events().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, err := l.Decision(t.Context(), rec.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"The budget all, 0 % used, asked for cap-tokens 64.", "asked for prefer-cheaper."} {
		if !strings.Contains(d.Explanation, want) {
			t.Errorf("the explanation %q does not say %q", d.Explanation, want)
		}
	}
}

// A budget holds the quantile that it names: the lower, the less.
func TestBudgetsHoldTheirQuantile(t *testing.T) {
	held := map[string]model.Money{}
	var ledger *budget.Ledger
	answer := answers(`{"choices":[]}`, counted)
	look := func(ctx context.Context, call *model.Call) (*provider.Response, error) {
		for _, s := range ledger.Status() {
			held[string(s.ID)] = s.Held.USD
		}
		return answer(ctx, call)
	}
	var budgets []budget.Budget
	for _, mode := range []string{"p75", "p95", "p99", "worst"} {
		budgets = append(budgets, budget.Budget{Name: mode, Period: budget.Total, LimitUSD: dollars(100), Reserve: mode})
	}
	l := newLabWith(t, script{"a": look}, func(c *cartrita.Config) {
		ledger = purse(t, budgets...)
		c.Budgets = ledger
	}, func(e *model.Endpoint) { e.Pricing = &model.Pricing{Input: dollars(1), Output: dollars(100)} }, onlyA)
	call := newCall(t, false)
	call.MaxOutput = model.Known(900)
	if _, err := l.Serve(t.Context(), call, &page{}); err != nil {
		t.Fatal(err)
	}
	if !(0 < held["p75"] && held["p75"] < held["p95"] && held["p95"] < held["p99"] && held["p99"] < held["worst"]) {
		t.Errorf("held %v, want p75 < p95 < p99 < worst", held)
	}
}

// What a caller says of its own call does not lower what is held for it.
func TestACallerCannotTalkItsHoldDown(t *testing.T) {
	var held model.Money
	var l *lab
	l = newLabWith(t, script{"a": func(ctx context.Context, call *model.Call) (*provider.Response, error) {
		for _, s := range l.Budgets().Status() {
			held = s.Held.USD
		}
		return answers(`{}`, counted)(ctx, call)
	}}, func(c *cartrita.Config) {
		c.Budgets = purse(t, budget.Budget{Name: "all", Period: budget.Total, LimitUSD: dollars(100)})
	}, onlyA)
	holds := make([]model.Money, 2)
	for i := range holds {
		call := newCall(t, false)
		call.PromptBytes, call.MaxOutput = 500, model.Known(100)
		if i == 1 {
			none := int64(0)
			call.Criteria.InputTokens, call.Criteria.OutputTokens = &none, &none
		}
		if _, err := l.Serve(t.Context(), call, &page{}); err != nil {
			t.Fatal(err)
		}
		holds[i] = held
	}
	if holds[0] == 0 || holds[0] != holds[1] {
		t.Errorf("%s are held for a call, %s when its caller says that it is nothing", holds[0], holds[1])
	}
}
