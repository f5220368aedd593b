package budget

import (
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestCrossingsOnceUnderConcurrency: however many calls settle at once, each
// mark is reported once in a period, and again in the next.
func TestCrossingsOnceUnderConcurrency(t *testing.T) {
	type key struct {
		threshold string
		action    Action
		period    time.Time
	}
	var mu sync.Mutex
	seen := map[key]int{}
	c := newClock(start)
	l, err := New(Config{Clock: c.now, OnCross: func(x Crossing) {
		mu.Lock()
		seen[key{x.Threshold, x.Action, x.Period}]++
		mu.Unlock()
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Configure([]Budget{{Name: "all", Period: Daily, LimitUSD: money(1)}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				for {
					h, err := l.Reserve(&Subject{}, Target{}, costs(0.001))
					if err != nil {
						return
					}
					h.Settle(nil, spends(0.001))
				}
			})
		}
		wg.Wait()
		c.add(24 * time.Hour)
	}
	if len(seen) != 8 {
		t.Errorf("%d kinds of events, want 4 in each of two periods: %v", len(seen), seen)
	}
	for k, n := range seen {
		if n != 1 {
			t.Errorf("%v was reported %d times", k, n)
		}
	}
}

// TestConcurrentEverything runs calls, reloads, overrides, the end of periods
// and checks at the same time: at no instant is the ledger out of balance.
func TestConcurrentEverything(t *testing.T) {
	c := newClock(start)
	budgets := []Budget{
		{Name: "all", Period: Hourly, LimitUSD: money(0.5)},
		{Name: "teams", Scope: Scope{Team: Any}, Period: Hourly, Rolling: true, LimitUSD: money(0.2), LimitRequests: number(500)},
		{Name: "models", Scope: Scope{Model: Any}, Period: Daily, LimitTokens: number(100_000)},
	}
	l := newLedger(t, c, budgets...)
	var callers, others sync.WaitGroup
	stop := make(chan struct{})
	for w := range 8 {
		callers.Go(func() {
			s := &Subject{Team: string(rune('a' + w%3))}
			for i := range 3000 {
				a := costs(0.001)
				a.Tokens = 5
				h, err := l.Reserve(s, Target{Model: "m"}, a)
				if l.View(s); err != nil {
					continue
				}
				switch i % 3 {
				case 0:
					h.Release()
				case 1:
					h.Assume(nil)
				default:
					h.Settle(nil, Spend{Cost: *money(0.0004), Known: true, Tokens: 5, Requests: 1})
				}
			}
		})
	}
	others.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			c.add(7 * time.Second)
			switch i % 4 {
			case 0:
				if err := l.Configure(budgets[:1+i/4%3]); err != nil {
					t.Error(err)
				}
			case 1:
				_ = l.Override("all", Override{Until: c.now().Add(time.Minute), Reason: "test", LimitUSD: money(0.1)})
			default:
				if im := l.Check(); !im.Balanced() {
					t.Errorf("out of balance: %+v", im)
					return
				}
				l.Status()
			}
		}
	})
	callers.Wait()
	close(stop)
	others.Wait()
	sound(t, l, 0)
}

// TestLeaksAreReported: a hold that nobody ended is seen, and not freed.
func TestLeaksAreReported(t *testing.T) {
	c := newClock(start)
	l := newLedger(t, c, Budget{Name: "all", Period: Daily, LimitUSD: money(1)})
	h, _ := l.Reserve(&Subject{}, Target{}, costs(0.5))
	c.add(DefaultMaxHold)
	if im := l.Check(); im.Leaks != 0 {
		t.Errorf("%+v: a long call is no leak yet", im)
	}
	c.add(1)
	if im := l.Check(); im.Leaks != 1 || im.Holds != 1 || !im.Balanced() {
		t.Errorf("%+v, want one leak", im)
	}
	h.Release()
	sound(t, l, 0)
}

// TestProjection: ten calls of a dollar in two hours spend a limit of 40 within
// six more hours, give or take.
func TestProjection(t *testing.T) {
	c := newClock(start)
	l := newLedger(t, c, Budget{Name: "all", Period: Monthly, LimitUSD: money(40)})
	if p := l.Status()[0].Projection; p != nil {
		t.Errorf("%+v before anything was spent", p)
	}
	for range 10 {
		h, _ := l.Reserve(&Subject{}, Target{}, costs(1))
		h.Settle(nil, spends(1))
		c.add(12 * time.Minute)
	}
	p := l.Status()[0].Projection
	if p.PerHour != *money(5) || *p.Exhausted != 6*3600 || p.Calls != 10 {
		t.Errorf("%+v, want $5 an hour and six hours", p)
	}
	// ±1.645 √10 dollars in two hours
	if *p.ExhaustedLow > 14300 || *p.ExhaustedLow < 14100 || *p.ExhaustedHigh < 44900 || *p.ExhaustedHigh > 45100 {
		t.Errorf("interval %v to %v seconds", *p.ExhaustedLow, *p.ExhaustedHigh)
	}
}

// TestReloadReportsNothingTwice: what was reported stays so when a reload
// changes the ladder; a new step that is passed is reported.
func TestReloadReportsNothingTwice(t *testing.T) {
	var got []string
	l, err := New(Config{Clock: newClock(start).now, OnCross: func(c Crossing) { got = append(got, c.Threshold+" "+string(c.Action)) }})
	if err != nil {
		t.Fatal(err)
	}
	b := Budget{Name: "all", Period: Daily, LimitUSD: money(1), Ladder: []Step{{At: 0.6, Action: PreferCheaper}}}
	configure := func() {
		t.Helper()
		if err := l.Configure([]Budget{b}); err != nil {
			t.Fatal(err)
		}
	}
	configure()
	h, _ := l.Reserve(&Subject{}, Target{}, costs(0.75))
	h.Settle(nil, spends(0.75))
	configure()
	b.Ladder = append([]Step{{At: 0.5, Action: SelfHostedOnly}}, b.Ladder...)
	configure()
	if want := []string{"ladder prefer-cheaper", "warning ", "ladder self-hosted-only"}; !slices.Equal(got, want) {
		t.Errorf("reported %q, want %q", got, want)
	}
}

// TestPastCountersAreDropped: runs of a workflow come and go; their counters do
// not stay for good, what is spent and held in them does.
func TestPastCountersAreDropped(t *testing.T) {
	c := newClock(start)
	l := newLedger(t, c, Budget{Name: "runs", Scope: Scope{Workflow: Any}, Period: Hourly, LimitUSD: money(1)},
		Budget{Name: "all", Period: Total, LimitUSD: money(1e6)})
	run := func(i int) *Hold {
		h, err := l.Reserve(&Subject{Workflow: strconv.Itoa(i)}, Target{}, costs(0.5))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	long := run(-1)
	for i := range 2 * minPrune {
		c.add(2 * time.Second)
		run(i).Settle(nil, spends(0.5))
	}
	if n := len(l.Status()); n > minPrune+1 {
		t.Errorf("%d counters after an hour has passed several times", n)
	}
	if im := l.Check(); !im.Balanced() || im.Holds != 1 {
		t.Errorf("%+v", im)
	}
	long.Settle(nil, spends(0.25))
	sound(t, l, 0)
	if got, want := spentOf(t, l, "all").USD, *money(minPrune + 0.25); got != want {
		t.Errorf("%s spent in all, want %s", got, want)
	}
	// Within its hour a counter keeps what it has spent.
	run(2*minPrune-1).Settle(nil, spends(0.5))
	if _, err := l.Reserve(&Subject{Workflow: strconv.Itoa(2*minPrune - 1)}, Target{}, costs(0.5)); err == nil {
		t.Error("a counter forgot what it had spent")
	}
}
