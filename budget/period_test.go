package budget

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	x, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestPeriods is litellm#20532, #22013, #5651, #7129 and #24675, where budgets
// of some scopes never started anew, or at the wrong time: every period, over
// changes of the clocks and ends of months.
func TestPeriods(t *testing.T) {
	for _, tc := range []struct {
		why, zone       string
		every           Every
		now, start, end string
	}{
		{"spring in Berlin has a day of 23 hours", "Europe/Berlin", Daily, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"autumn in Berlin has a day of 25 hours", "Europe/Berlin", Daily, "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		{"spring in New York", "America/New_York", Daily, "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"},
		{"autumn in New York", "America/New_York", Daily, "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		{"the last instant of a day", "America/New_York", Daily, "2026-03-09T03:59:59.999999999Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"},
		{"the first of the next", "America/New_York", Daily, "2026-03-09T04:00:00Z", "2026-03-09T04:00:00Z", "2026-03-10T04:00:00Z"},
		{"the hour that comes twice, first", "Europe/Berlin", Hourly, "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"},
		{"and again", "Europe/Berlin", Hourly, "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"},
		{"hours of India begin at the half", "Asia/Kolkata", Hourly, "2026-05-01T10:15:00Z", "2026-05-01T09:30:00Z", "2026-05-01T10:30:00Z"},
		{"a week over the change", "Europe/Berlin", Weekly, "2026-03-29T12:00:00Z", "2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"a Monday begins its week", "UTC", Weekly, "2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-06-08T00:00:00Z"},
		{"a Sunday ends it, across a month", "UTC", Weekly, "2026-05-31T23:59:59Z", "2026-05-25T00:00:00Z", "2026-06-01T00:00:00Z"},
		{"a month with the change in it", "Europe/Berlin", Monthly, "2026-03-31T21:59:59Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"},
		{"January the 31st", "America/New_York", Monthly, "2026-01-31T23:30:00-05:00", "2026-01-01T00:00:00-05:00", "2026-02-01T00:00:00-05:00"},
		{"February in a leap year", "UTC", Monthly, "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
		{"a year", "America/New_York", Yearly, "2026-12-31T23:59:59-05:00", "2026-01-01T00:00:00-05:00", "2027-01-01T00:00:00-05:00"},
		{"clocks put forward at midnight", "Africa/Cairo", Daily, "2026-04-24T10:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"},
		{"midnight comes twice", "America/Havana", Daily, "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
	} {
		c, err := newCalendar(tc.every, false, tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		start, end := c.bounds(at(t, tc.now).UnixNano())
		if !instant(start).Equal(at(t, tc.start)) || !instant(end).Equal(at(t, tc.end)) {
			t.Errorf("%s: %s %s at %s is %s to %s, want %s to %s", tc.why, tc.every, tc.zone, tc.now,
				instant(start).Format(time.RFC3339), instant(end).Format(time.RFC3339), tc.start, tc.end)
		}
	}
}

// TestPeriodsFollowOneAnother: each instant is in one period, and where one
// ends the next begins.
func TestPeriodsFollowOneAnother(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "America/Havana", "Asia/Beirut", "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu"}
	rapid.Check(t, func(t *rapid.T) {
		every := rapid.SampledFrom([]Every{Daily, Weekly, Monthly, Yearly}).Draw(t, "every")
		c, err := newCalendar(every, every != Total && rapid.Bool().Draw(t, "rolling"), rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		now := rapid.Int64Range(1_000_000_000, 2_500_000_000).Draw(t, "now") * int64(time.Second)
		start, end := c.bounds(now)
		if start > now || end <= now {
			t.Fatalf("%s is not in %s to %s", instant(now), instant(start), instant(end))
		}
		if next, _ := c.bounds(end); next != end {
			t.Fatalf("ends at %s, the next begins at %s", instant(end), instant(next))
		}
		if same, _ := c.bounds(start); same != start {
			t.Fatalf("began at %s, but its first instant says %s", instant(start), instant(same))
		}
		if _, same := c.bounds(end - 1); same != end {
			t.Fatalf("ends at %s, its last instant says %s", instant(end), instant(same))
		}
	})
}

// TestScopesStartAnew crosses every scope with every window: what was spent
// counts until the period ends, and not after (litellm#20532, #5651).
func TestScopesStartAnew(t *testing.T) {
	s := &Subject{Key: "k", User: "u", Team: "t", Project: "p", Workflow: "w", Tags: []string{"g"}}
	target := Target{Model: "m", Provider: "v"}
	scopes := []Scope{
		{}, {Key: "k"}, {User: Any}, {Team: "t"}, {Project: Any}, {Workflow: Any}, {Model: "m"}, {Provider: Any}, {Tag: Any},
		{Team: Any, Model: Any, Tag: "g"},
	}
	for _, every := range []Every{Hourly, Daily, Weekly, Monthly, Yearly} {
		for _, rolling := range []bool{false, true} {
			for _, zone := range []string{"Europe/Berlin", "America/New_York"} {
				for _, scope := range scopes {
					c := newClock(at(t, "2026-03-28T22:30:00Z")) // clocks change within the next day or so
					b := Budget{Name: "b", Scope: scope, Period: every, Rolling: rolling, TimeZone: zone, LimitUSD: money(1)}
					l := newLedger(t, c, b)
					h, err := l.Reserve(s, target, costs(1))
					if err != nil {
						t.Fatalf("%+v: %v", b, err)
					}
					h.Settle(nil, spends(1))
					_, refused := l.Reserve(s, target, costs(0.5))
					if refused == nil || refused.RetryAfter <= 0 {
						t.Fatalf("%+v: admitted, or nothing said of when to come back: %v", b, refused)
					}
					c.add(refused.RetryAfter - 1)
					if _, err := l.Reserve(s, target, costs(0.5)); err == nil {
						t.Errorf("%+v: admitted before it starts anew", b)
					}
					c.add(1)
					h, err = l.Reserve(s, target, costs(1))
					if err != nil {
						t.Errorf("%+v: refused after it started anew: %v", b, err)
					}
					h.Release()
					sound(t, l, 0)
				}
			}
		}
	}
}

// TestNewWindowOnOldKey is litellm#34492 and #34270: a budget that is added to
// a key which has spent before starts at zero.
func TestNewWindowOnOldKey(t *testing.T) {
	c := newClock(start)
	old := Budget{Name: "k-month", Scope: Scope{Key: "k"}, Period: Monthly, LimitUSD: money(100)}
	l := newLedger(t, c, old)
	h, _ := l.Reserve(&Subject{Key: "k"}, Target{}, costs(50))
	h.Settle(nil, spends(50))
	if err := l.Configure([]Budget{old, {Name: "k-day", Scope: Scope{Key: "k"}, Period: Daily, LimitUSD: money(1)}}); err != nil {
		t.Fatal(err)
	}
	h, err := l.Reserve(&Subject{Key: "k"}, Target{}, costs(1))
	if err != nil {
		t.Fatalf("the new window refuses at once: %v", err)
	}
	h.Settle(nil, spends(1))
	if got := spentOf(t, l, "k-month").USD; got != *money(51) {
		t.Errorf("the old window says %s, want $51", got)
	}
	sound(t, l, 0)
}

// TestReloadKeepsWhatWasSpent is bifrost#5925: a reload with the same or other
// limits keeps counters and holds, one that fails changes nothing, and a budget
// that comes back finds what it had spent.
func TestReloadKeepsWhatWasSpent(t *testing.T) {
	c := newClock(start)
	b := Budget{Name: "teams", Scope: Scope{Team: Any}, Period: Daily, LimitUSD: money(10)}
	l := newLedger(t, c, b)
	s := &Subject{Team: "a"}
	h, _ := l.Reserve(s, Target{}, costs(4))
	h.Settle(nil, spends(3))
	ask := costs(2)
	ask.Tokens = 60
	running, _ := l.Reserve(s, Target{}, ask)

	b.LimitUSD, b.LimitTokens = money(6), number(100)
	if err := l.Configure([]Budget{b}); err != nil {
		t.Fatal(err)
	}
	sound(t, l, 1)
	if st := l.Status()[0]; st.Spent.USD != *money(3) || st.Held.USD != *money(2) || *st.Remaining.USD != *money(1) {
		t.Errorf("after a reload: %+v", st)
	}
	if _, err := l.Reserve(s, Target{}, costs(1.5)); err == nil {
		t.Error("the lower limit is not kept")
	}
	if _, err := l.Reserve(s, Target{}, Amounts{Known: true, Tokens: 50}); err == nil {
		t.Error("the new limit on tokens forgets the call that is running")
	}
	bad := b
	bad.LimitUSD = money(-1)
	if err := l.Configure([]Budget{bad}); err == nil || model.AsError(err).Param != "[0].limit_usd" {
		t.Errorf("a negative limit is accepted: %v", err)
	}
	running.Settle(nil, spends(2))
	sound(t, l, 0)
	if err := l.Configure(nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Configure([]Budget{b}); err != nil {
		t.Fatal(err)
	}
	if got := spentOf(t, l, "teams/a").USD; got != *money(5) {
		t.Errorf("after it came back: %s spent, want $5", got)
	}
	sound(t, l, 0)
}

// TestLoadAfterRestart: what a store has counts in its own period, also in the
// buckets of a rolling window, and before the budget is first asked for.
func TestLoadAfterRestart(t *testing.T) {
	c := newClock(start)
	day, roll := Budget{Name: "day", Scope: Scope{Team: Any}, Period: Daily, LimitUSD: money(10)}, Budget{Name: "roll", Period: Daily, Rolling: true, LimitUSD: money(10)}
	entries := []Spent{
		{Budget: "day/a", Period: at(t, "2026-03-10T00:00:00Z"), Quantities: Quantities{USD: *money(4)}},
		{Budget: "day/a", Period: at(t, "2026-03-09T00:00:00Z"), Quantities: Quantities{USD: *money(9)}},
		{Budget: "gone", Period: at(t, "2026-03-10T00:00:00Z"), Quantities: Quantities{USD: *money(7)}},
		{Budget: "roll", Period: at(t, "2026-03-10T11:36:00Z"), Quantities: Quantities{USD: *money(2)}},
		{Budget: "roll", Period: at(t, "2026-03-09T12:24:00Z"), Quantities: Quantities{USD: *money(3)}},
		{Budget: "roll", Period: at(t, "2026-03-09T11:12:00Z"), Quantities: Quantities{USD: *money(5)}}, // ended 24 h ago
	}
	for _, loadFirst := range []bool{false, true} {
		l := newLedger(t, c)
		if loadFirst {
			l.Load(entries)
		}
		if err := l.Configure([]Budget{day, roll}); err != nil {
			t.Fatal(err)
		}
		if !loadFirst {
			l.Load(entries)
		}
		if d, r := spentOf(t, l, "day/a").USD, spentOf(t, l, "roll").USD; d != *money(4) || r != *money(5) {
			t.Errorf("loaded first %v: day/a %s, roll %s, want $4 and $5", loadFirst, d, r)
		}
		sound(t, l, 0)
	}
}

// TestRollingWindowNeverHoldsMore: within any window of the true length, not
// more than the limit is reserved and spent.
func TestRollingWindowNeverHoldsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock(start)
		l := newTestLedger(t, c, []Budget{{Name: "r", Period: Hourly, Rolling: true, LimitUSD: (*model.Money)(number(100))}})
		type call struct {
			at   time.Time
			cost model.Money
		}
		var calls []call
		for range 60 {
			c.add(time.Duration(rapid.Int64Range(0, int64(10*time.Minute)).Draw(t, "gap")))
			cost := model.Money(rapid.Int64Range(1, 60).Draw(t, "cost"))
			h, err := l.Reserve(&Subject{}, Target{}, Amounts{Worst: cost, Known: true})
			if err != nil {
				continue
			}
			h.Settle(nil, Spend{Cost: cost, Known: true})
			calls = append(calls, call{c.now(), cost})
			var sum model.Money
			for _, x := range calls {
				if c.now().Sub(x.at) < time.Hour {
					sum += x.cost
				}
			}
			if sum > 100 {
				t.Fatalf("%d within an hour", sum)
			}
		}
		if im := l.Check(); !im.Balanced() {
			t.Fatalf("%+v", im)
		}
	})
}

// TestLateSettle: a call belongs to the period in which it was reserved.
func TestLateSettle(t *testing.T) {
	c := newClock(at(t, "2026-03-10T23:59:00Z"))
	l := newLedger(t, c, Budget{Name: "day", Period: Daily, LimitUSD: money(1)})
	h, _ := l.Reserve(&Subject{}, Target{}, costs(1))
	c.set(at(t, "2026-03-11T00:01:00Z"))
	next, err := l.Reserve(&Subject{}, Target{}, costs(1))
	if err != nil {
		t.Fatalf("what yesterday's call holds counts today: %v", err)
	}
	sound(t, l, 2)
	got := h.Settle(nil, spends(0.8))
	if len(got) != 1 || !got[0].Period.Equal(at(t, "2026-03-10T00:00:00Z")) {
		t.Errorf("charged %+v, want to the 10th", got)
	}
	if got := spentOf(t, l, "day").USD; got != 0 {
		t.Errorf("today shows %s of yesterday", got)
	}
	next.Release()
	sound(t, l, 0)
}
