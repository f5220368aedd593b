package alert_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
)

// TestTheClockIsSetBack by six hours: what is spent fires, whatever the window,
// and nothing waits until the clock is where it was.
func TestTheClockIsSetBack(t *testing.T) {
	const back = 6 * time.Hour
	for name, window := range map[string]time.Duration{"a short window": 20 * time.Minute, "a long window": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "ops")
				w.configure(alert.Settings{}, alert.Rule{Name: "r", Type: alert.CostThreshold, Threshold: number(5), Window: model.Duration(window)})
				w.calls(1, alert.Call{Cost: model.USD})
				w.ticks(10 * time.Minute)
				w.behind = back
				w.calls(6, alert.Call{Cost: model.USD})
				w.ticks(10 * time.Second)
				equal(t, "spending", w.channels["ops"].said(), "firing r ")
			})
		})
	}
	for name, c := range map[string]struct {
		err   error // of the channel, until the clock is set back
		quiet []alert.Quiet
		edit  func(r *alert.Rule)
		early time.Duration // until when nobody hears more
		late  time.Duration // after which somebody did
		want  []string
	}{
		"a message that is tried again": {err: errors.New("away"), late: 40 * time.Second, want: []string{"firing r a"}},
		"a channel that asked to be left alone": {
			err: &model.Error{Kind: model.KindRateLimited, RetryAfter: 10 * time.Minute}, early: 9 * time.Minute, late: 2 * time.Minute, want: []string{"firing r a"},
		},
		"quiet hours": { // synctest's clock begins at midnight, and it is six in the evening then
			quiet: []alert.Quiet{{From: "17:00", To: "07:00"}}, early: 12 * time.Hour, late: 2 * time.Hour, want: []string{"firing r a"},
		},
		"what must hold for a while": {
			edit: func(r *alert.Rule) { r.For = model.Duration(5 * time.Minute) }, early: 4 * time.Minute, late: 2 * time.Minute, want: []string{"firing r a"},
		},
		"a reminder": {
			edit: func(r *alert.Rule) { r.Repeat = model.Duration(time.Hour) }, late: time.Hour + time.Minute, want: []string{"firing r a", "reminder r a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "ops")
				rule := budgetRule()
				if c.edit != nil {
					c.edit(&rule)
				}
				w.configure(alert.Settings{Quiet: c.quiet}, rule)
				w.channels["ops"].set(c.err)
				w.spent("a")
				w.ticks(time.Minute)
				before := w.channels["ops"].said()
				w.behind = back
				w.channels["ops"].set(nil)
				w.ticks(c.early)
				equal(t, "before its time", w.channels["ops"].said(), before...)
				w.ticks(c.late)
				equal(t, "in its time", w.channels["ops"].said(), c.want...)
			})
		})
	}
	t.Run("a spool that fills up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "ops")
			w.configure(alert.Settings{}, alert.Rule{Name: "r", Type: alert.SpoolDepth, Threshold: number(1500)})
			w.ticks(time.Minute)
			w.behind = back
			w.spool = 1000 // at g2 twice as much
			w.ticks(10 * time.Second)
			equal(t, "it fills up", w.channels["ops"].said(), "firing r g2")
		})
	})
	t.Run("the end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "ops")
			w.configure(alert.Settings{}, budgetRule(func(r *alert.Rule) { r.Clear = model.Duration(5 * time.Minute) }))
			w.spent("a")
			w.tick()
			w.spent()
			w.ticks(time.Minute)
			w.behind = back
			w.ticks(6 * time.Minute)
			equal(t, "it is over", w.channels["ops"].said(), "firing r a", "resolved r a")
		})
	})
	t.Run("a rule that is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "ops")
			w.configure(alert.Settings{}, budgetRule())
			w.spent("a")
			w.tick()
			w.configure(alert.Settings{})
			w.ticks(time.Minute)
			w.behind = back
			w.ticks(3 * time.Minute)
			equal(t, "it is not watched", w.channels["ops"].said(), "firing r a", "resolved r a")
		})
	})
}
