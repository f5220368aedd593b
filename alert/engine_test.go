package alert_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
)

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestEachTypeFiresOnce: each type of alert fires once and is resolved once over
// three gateways, whoever leads meanwhile.
func TestEachTypeFiresOnce(t *testing.T) {
	fails := alert.Call{Failed: true, Fault: model.KindUpstream, Attempts: []alert.Attempt{{Target: alert.Target{Endpoint: "a/m"}, Failed: true, Fault: model.KindUpstream}}}
	for _, c := range []struct {
		of        alert.Type
		threshold float64
		subject   string
		call      alert.Call     // that makes it fire, at every gateway
		set       func(w *world) // likewise
		reset     func(w *world)
	}{
		{of: alert.CostThreshold, threshold: 5, call: alert.Call{Cost: model.USD}},
		{of: alert.LatencySpike, threshold: 900, call: alert.Call{LatencyMS: 1000}},
		{of: alert.ErrorRate, threshold: 0.5, call: fails},
		{of: alert.Availability, threshold: 0.5, subject: "a/m", call: fails},
		{of: alert.SafetyViolation, threshold: 3, call: alert.Call{Failed: true, Fault: model.KindContentPolicy}},
		{of: alert.BurnRate, threshold: 2, subject: "b", call: alert.Call{Charges: []model.Charge{{Budget: "b", Cost: model.USD}}}},
		{
			of: alert.BudgetThreshold, threshold: 0.8, subject: "b",
			set: func(w *world) { w.budgets[0].Used = 0.8 }, reset: func(w *world) { w.budgets[0].Used = 0 },
		},
		{
			of: alert.BenchmarkDrift, threshold: 0.1, subject: "m",
			set: func(w *world) { w.drifts = []alert.Drift{{Model: "m", Before: 0.8, Now: 0.7}} }, reset: func(w *world) { w.drifts = nil },
		},
		{
			of: alert.SpoolDepth, threshold: 1 << 20, subject: "g2",
			set: func(w *world) { w.spool = 600 << 10 }, reset: func(w *world) { w.spool = 0 },
		},
	} {
		t.Run(string(c.of), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "ops")
				w.budgets = []alert.BudgetState{{ID: "b", Name: "b", LimitUSD: 24, Length: 24 * time.Hour}}
				w.configure(alert.Settings{}, alert.Rule{Name: "r", Type: c.of, Threshold: &c.threshold, For: model.Duration(10 * time.Second)})
				w.ticks(time.Minute)
				equal(t, "nothing is wrong, and somebody heard", w.channels["ops"].said())
				if c.set != nil {
					w.mu.Lock()
					c.set(w)
					w.mu.Unlock()
				} else {
					for _, g := range w.gateways {
						calls := slices.Repeat([]alert.Call{c.call}, 4)
						for i := range calls {
							calls[i].Ended = time.Now()
						}
						g.Sampler().Add(calls)
					}
				}
				w.tick()
				equal(t, "it has not held for long", w.channels["ops"].said())
				for range 20 {
					w.leader = (w.leader + 1) % 3
					w.tick()
				}
				equal(t, "it fires", w.channels["ops"].said(), "firing r "+c.subject)
				if c.reset != nil {
					w.mu.Lock()
					c.reset(w)
					w.mu.Unlock()
				}
				for range 120 {
					w.calls(1, answered)
					w.leader = (w.leader + 1) % 3
					w.tick()
				}
				equal(t, "it is over", w.channels["ops"].said(), "firing r "+c.subject, "resolved r "+c.subject)
				equal(t, "events", w.told, "firing r "+c.subject, "resolved r "+c.subject)
				in, err := w.gateways[0].Incidents(t.Context(), "", 10)
				if err != nil || len(in) != 1 || !in[0].Until.After(in[0].Since) || in[0].Summary == "" {
					t.Errorf("on record: %+v, %v", in, err)
				}
			})
		})
	}
}

// budgetRule fires while the budget of its name is spent.
func budgetRule(edit ...func(r *alert.Rule)) alert.Rule {
	r := alert.Rule{Name: "r", Type: alert.BudgetThreshold, Threshold: number(1)}
	for _, e := range edit {
		e(&r)
	}
	return r
}

func (w *world) spent(ids ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.budgets = nil
	for _, id := range ids {
		w.budgets = append(w.budgets, alert.BudgetState{ID: id, Name: id, Used: 1})
	}
}

// TestAChannelIsDown: what a channel did not take comes once it is back, in order,
// and other channels do not wait for it.
// TestAMessageIsGrouped: what fires together is one message, also in the time for
// which the first waits.
func TestAMessageIsGrouped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "ops")
		w.configure(alert.Settings{GroupWait: 20 * time.Second}, budgetRule())
		w.spent("a", "b", "gone soon")
		w.tick()
		w.spent("a", "b", "c")
		w.tick()
		equal(t, "it waits", w.channels["ops"].said())
		w.ticks(30 * time.Second)
		equal(t, "what fired", w.channels["ops"].said(), "firing r a", "firing r b", "firing r c")
		if n := len(w.channels["ops"].heard); n != 1 {
			t.Errorf("%d messages", n)
		}
		w.spent()
		w.ticks(30 * time.Second)
		if n := len(w.channels["ops"].heard); n != 2 {
			t.Errorf("%d messages when all is over", n)
		}
	})
}

// TestPeopleAreLeftAlone in quiet hours: synctest's clock begins at midnight.
func TestPeopleAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "ops")
		w.configure(alert.Settings{Quiet: []alert.Quiet{{From: "22:00", To: "06:00"}, {From: "06:00", To: "07:00"}}},
			budgetRule(), budgetRule(func(r *alert.Rule) { r.Name, r.Severity, r.Scope.Budget = "bad", alert.Critical, "a" }))
		w.spent("a", "b")
		w.ticks(time.Minute)
		w.spent("a")
		w.ticks(time.Minute)
		equal(t, "at night", w.channels["ops"].said(), "firing bad a")
		w.ticks(6*time.Hour + 57*time.Minute)
		equal(t, "before seven", w.channels["ops"].said(), "firing bad a")
		w.ticks(2 * time.Minute)
		equal(t, "in the morning", w.channels["ops"].said(), "firing bad a", "firing r a")
		log, err := w.gateways[0].Incidents(t.Context(), "r", 10)
		if err != nil || len(log) != 2 {
			t.Errorf("both are on record: %+v, %v", log, err)
		}
	})
}

func TestPeopleAreReminded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "ops")
		w.configure(alert.Settings{}, budgetRule(func(r *alert.Rule) { r.Repeat = model.Duration(time.Hour) }))
		w.spent("a")
		w.ticks(2*time.Hour + time.Minute)
		equal(t, "in two hours", w.channels["ops"].said(), "firing r a", "reminder r a", "reminder r a")
		w.channels["ops"].set(errors.New("down"))
		w.ticks(3 * time.Hour)
		w.channels["ops"].set(nil)
		w.ticks(time.Minute)
		equal(t, "one reminder waited, not three", w.channels["ops"].said(), "firing r a", "reminder r a", "reminder r a", "reminder r a")
	})
}

// TestAChannelNamedTwice is refused where a rule is given. One that a store has all
// the same, and a message of the kind, tell the channel once and hold up nothing.
// TestRulesChangeWhileTheyFire: a rule that goes, or is disabled, resolves what it
// fired; one that comes over the API is in force everywhere.
func TestRulesChangeWhileTheyFire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "ops", "other")
		ctx := t.Context()
		if _, err := w.gateways[0].SaveRule(ctx, budgetRule(func(r *alert.Rule) { r.Channels = []string{"none"} })); model.AsError(err).Param != "channels" {
			t.Errorf("a channel that is not there: %v", err)
		}
		w.configure(alert.Settings{}, budgetRule(func(r *alert.Rule) { r.Name = "fixed"; r.Scope.Budget = "z" }))
		if _, err := w.gateways[0].SaveRule(ctx, budgetRule(func(r *alert.Rule) { r.Name = "fixed" })); model.KindOf(err) != model.KindConflict {
			t.Errorf("a rule of the configuration was replaced: %v", err)
		}
		if err := w.gateways[0].DeleteRule(ctx, "fixed"); model.KindOf(err) != model.KindConflict {
			t.Errorf("a rule of the configuration was deleted: %v", err)
		}
		if _, err := w.gateways[2].SaveRule(ctx, budgetRule(func(r *alert.Rule) { r.Channels = []string{"ops"} })); err != nil {
			t.Fatal(err)
		}
		w.spent("a")
		w.ticks(20 * time.Second)
		equal(t, "the rule is in force at the leader", w.channels["ops"].said(), "firing r a")
		equal(t, "and tells its channel alone", w.channels["other"].said())
		if err := w.gateways[1].DeleteRule(ctx, "r"); err != nil {
			t.Fatal(err)
		}
		w.ticks(20 * time.Second)
		equal(t, "the rule is gone", w.channels["ops"].said(), "firing r a", "resolved r a")
		if err := w.gateways[1].DeleteRule(ctx, "r"); model.KindOf(err) != model.KindNotFound {
			t.Errorf("deleted twice: %v", err)
		}
	})
}

// TestTheChannelsOfARuleChangeWhileItFires: who heard that it fires hears of its
// end, and who is to be told by now hears first that it fires.
// TestAChannelComesWhileARuleFires that tells all.
// TestLeadersDiffer: while a changed configuration reaches one gateway after the
// other, whoever leads resolves and discards nothing that another one knows.
func TestLeadersDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "ops")
		w.configure(alert.Settings{}, budgetRule())
		w.gateways[1].Configure(alert.Settings{}) // without the rule and the channel
		w.channels["ops"].set(errors.New("away"))
		w.spent("a")
		w.ticks(10 * time.Second)
		w.leader = 1
		w.ticks(time.Minute)
		w.channels["ops"].set(nil)
		w.leader = 0
		w.ticks(40 * time.Second)
		equal(t, "the leader is another for a minute", w.channels["ops"].said(), "firing r a")
		w.gateways[0].Configure(alert.Settings{Channels: map[string]alert.Channel{"ops": w.channels["ops"]}})
		w.ticks(time.Minute)
		equal(t, "the rule is gone for a minute", w.channels["ops"].said(), "firing r a")
		w.ticks(2 * time.Minute)
		equal(t, "the rule is gone", w.channels["ops"].said(), "firing r a", "resolved r a")
	})
}

// TestWhoDiesBeforeTelling: what was stored is told by whoever leads next.
func TestWhoDiesBeforeTelling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "ops")
		w.configure(alert.Settings{}, budgetRule())
		w.spent("a")
		w.tick()
		w.told = nil // it was not told
		if err := w.gateways[1].Evaluate(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		equal(t, "another one leads", w.told, "firing r a")
	})
}

// TestAQueueHasAnEnd: what cannot be delivered does not pile up.
// A filter by what there is not is refused; what was, and left something behind,
// is not.
func TestAHistoryOfNothingIsRefused(t *testing.T) {
	w := newWorld(t, "ops", "spare")
	w.configure(alert.Settings{}, alert.Rule{Name: "slow", Type: alert.LatencySpike, Threshold: new(1.0)})
	e := w.gateways[0]
	incidents := func(rule string) error { _, err := e.Incidents(t.Context(), rule, 10); return err }
	deliveries := func(channel string) error { _, err := e.Deliveries(t.Context(), channel, 10); return err }
	for _, err := range []error{incidents(""), incidents("slow"), deliveries(""), deliveries("ops"), deliveries("spare")} {
		if err != nil {
			t.Error(err)
		}
	}
	for err, want := range map[error][2]string{
		incidents("slw"):  {"rule", `is "slw": want one of slow`},
		deliveries("opp"): {"channel", `is "opp": want one of ops, spare`},
	} {
		if e := model.AsError(err); e.Kind != model.KindInvalid || e.Param != want[0] || !strings.Contains(e.Message, want[1]) {
			t.Errorf("%+v, want %q", e, want)
		}
	}
	if _, err := e.TestChannel(t.Context(), "spare"); err != nil {
		t.Fatal(err)
	}
	delete(w.channels, "spare")
	w.configure(alert.Settings{})
	if err := deliveries("spare"); err != nil {
		t.Errorf("a channel that was: %v", err)
	}
	if e := model.AsError(incidents("slow")); e.Kind != model.KindInvalid || !strings.Contains(e.Message, "there is no rule") {
		t.Errorf("%+v", e)
	}
}

// TestNobodyHearsTwice: whatever happens, each channel hears of each incident in
// order, its firing at most once and its end at most once, and at last of all.
func TestNobodyHearsTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.SliceOfN(rapid.IntRange(0, 99), 10, 60).Draw(rt, "steps")
		wait := time.Duration(rapid.IntRange(0, 30).Draw(rt, "group wait")) * time.Second
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "one", "two")
			w.configure(alert.Settings{GroupWait: wait}, budgetRule(func(r *alert.Rule) {
				r.For, r.Clear, r.Repeat = model.Duration(seed[0])*model.Duration(time.Second), model.Duration(seed[1])*model.Duration(time.Second), model.Duration(time.Minute)
			}))
			for _, n := range seed[2:] {
				switch {
				case n < 40:
					w.spent([][]string{nil, {"a"}, {"b"}, {"a", "b"}}[n%4]...)
				case n < 60:
					w.channels[[]string{"one", "two"}[n%2]].set([]error{nil, errors.New("down")}[n/2%2])
				case n < 70:
					w.leader = n % 3
				}
				w.ticks(time.Duration(1+n%5) * 5 * time.Second)
			}
			w.spent()
			for _, c := range w.channels {
				c.set(nil)
			}
			w.ticks(5 * time.Minute)
			incidents, err := w.gateways[0].Incidents(t.Context(), "", 1000)
			if err != nil {
				t.Fatal(err)
			}
			for name, c := range w.channels {
				heard := map[string][]alert.Event{}
				for _, n := range c.heard {
					for _, a := range n.Alerts {
						heard[a.Incident] = append(heard[a.Incident], n.Event)
					}
				}
				for _, in := range incidents {
					events := slices.DeleteFunc(heard[in.Incident], func(e alert.Event) bool { return e == alert.Reminder })
					whole := slices.Equal(events, []alert.Event{alert.Firing, alert.Resolved})
					if in.Until.IsZero() || !whole && (len(events) > 0 || wait == 0) {
						t.Errorf("%s heard %v of %+v", name, events, in)
					}
				}
			}
			if board, err := w.gateways[0].Board(t.Context()); err != nil || len(board.States)+len(board.Queue) > 0 {
				t.Errorf("%v: %+v", err, board)
			}
		})
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
}
