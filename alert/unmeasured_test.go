package alert_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
)

// last is the last thing that the channel heard.
func (c *channel) last() (e alert.Event, a alert.Alert) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.heard[len(c.heard)-1]
	return n.Event, n.Alerts[0]
}

func (w *world) calls(n int, c alert.Call) {
	for range n {
		c.Ended = w.now()
		w.gateways[1].Sampler().Add([]alert.Call{c})
	}
}

var (
	answered = alert.Call{LatencyMS: 10, Attempts: []alert.Attempt{{Target: alert.Target{Endpoint: "a/m"}}}}
	failing  = alert.Call{
		LatencyMS: 10, Failed: true, Fault: model.KindUpstream,
		Attempts: []alert.Attempt{{Target: alert.Target{Endpoint: "a/m"}, Failed: true, Fault: model.KindUpstream}},
	}
	slow = alert.Call{LatencyMS: 2000}
)

// TestWhatIsNotMeasuredIsNotOver: a share or a latency that fires goes on until it
// is measured and good, or was not measured for an hour.
func TestWhatIsNotMeasuredIsNotOver(t *testing.T) {
	for _, c := range []struct {
		of         alert.Type
		threshold  float64
		bad        alert.Call
		over, idle string // how it is resolved
	}{
		{alert.Availability, 0.5, failing, "availability of a/m in 5m is 100 %, no longer < 50 %", "availability of a/m in 5m was 0 % (< 50 %), nothing measured since "},
		{alert.ErrorRate, 0.5, failing, "error rate in 5m is 0 %, no longer > 50 %", "error rate in 5m was 100 % (> 50 %), nothing measured since "},
		{alert.LatencySpike, 900, slow, "latency_p95 in 5m is 9.93 ms, no longer > 900 ms", "latency_p95 in 5m was 1961 ms (> 900 ms), nothing measured since "},
	} {
		t.Run(string(c.of), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "ops")
				w.configure(alert.Settings{}, alert.Rule{Name: "r", Type: c.of, Threshold: &c.threshold, Repeat: model.Duration(50 * time.Minute)})
				w.calls(10, c.bad)
				w.ticks(40 * time.Minute)
				if e, _ := w.channels["ops"].last(); e != alert.Firing {
					t.Fatalf("without calls it is %s", e)
				}
				w.calls(9, answered) // fewer than it takes
				w.ticks(10 * time.Second)
				if e, _ := w.channels["ops"].last(); e != alert.Firing {
					t.Fatalf("with few calls it is %s", e)
				}
				w.calls(1, answered)
				w.tick()
				if e, a := w.channels["ops"].last(); e != alert.Resolved || a.Summary != c.over {
					t.Errorf("measured and good: %s %q, want %q", e, a.Summary, c.over)
				}

				w.ticks(10 * time.Minute)
				w.calls(50, c.bad)
				w.tick()
				if e, _ := w.channels["ops"].last(); e != alert.Firing {
					t.Fatalf("it is bad again: %s", e)
				}
				w.ticks(55 * time.Minute)
				if e, a := w.channels["ops"].last(); e != alert.Reminder || !strings.HasPrefix(a.Summary, c.idle) {
					t.Errorf("a reminder of what is not measured: %s %q, want %q", e, a.Summary, c.idle)
				}
				w.ticks(11 * time.Minute) // the window is full for 5 minutes
				if e, a := w.channels["ops"].last(); e != alert.Resolved || !strings.HasPrefix(a.Summary, c.idle) {
					t.Errorf("not measured for an hour: %s %q, want %q", e, a.Summary, c.idle)
				}
			})
		})
	}
}

// TestSumsOfNothingAreZero: in a window without calls nothing was spent, and
// nothing was refused.
func TestSumsOfNothingAreZero(t *testing.T) {
	for _, c := range []struct {
		rule alert.Rule
		bad  alert.Call
		over string
	}{
		{alert.Rule{Type: alert.CostThreshold, Threshold: number(5)}, alert.Call{Cost: model.USD}, "cost in 5m is $0.00, no longer > $5.00"},
		{alert.Rule{Type: alert.SafetyViolation, Threshold: number(3)}, alert.Call{Failed: true, Fault: model.KindContentPolicy}, "safety violations in 5m is 0 calls, no longer >= 3 calls"},
		{alert.Rule{Type: alert.BurnRate, Threshold: number(2)}, alert.Call{Charges: []model.Charge{{Budget: "b", Cost: model.USD}}}, "burn rate of b in 5m is 0.0×, no longer > 2.0×"},
	} {
		t.Run(string(c.rule.Type), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "ops")
				w.budgets = []alert.BudgetState{{ID: "b", Name: "b", LimitUSD: 24, Length: 24 * time.Hour}}
				c.rule.Name = "r"
				w.configure(alert.Settings{}, c.rule)
				w.calls(10, c.bad)
				w.ticks(6 * time.Minute)
				if e, a := w.channels["ops"].last(); e != alert.Resolved || a.Summary != c.over || a.Value != 0 {
					t.Errorf("%s %q, %v; want %q", e, a.Summary, a.Value, c.over)
				}
			})
		})
	}
}

// TestWhatIsGoneIsNotMeasuredWell: what is resolved because its rule or its subject
// is gone, or measures something else now, is not said to be well.
func TestWhatIsGoneIsNotMeasuredWell(t *testing.T) {
	rates := alert.Rule{Name: "r", Type: alert.ErrorRate, Threshold: number(0.5)}
	for _, c := range []struct {
		name string
		rule alert.Rule
		gone func(w *world)
		want string
	}{
		{"rule", rates, func(w *world) { w.configure(alert.Settings{}) }, "error rate in 5m was 100 % (> 50 %); it is not watched any more"},
		{"window", rates, func(w *world) {
			other := rates
			other.Window = model.Duration(time.Hour)
			w.configure(alert.Settings{}, other)
		}, "error rate in 5m was 100 % (> 50 %); it is not watched any more"},
		{"budget", budgetRule(), func(w *world) { w.spent() }, "share spent of b was 100 % (>= 100 %); it is not watched any more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "ops")
				w.spent("b")
				w.configure(alert.Settings{}, c.rule)
				w.calls(10, failing)
				w.tick()
				c.gone(w)
				w.ticks(3 * time.Minute)
				if e, a := w.channels["ops"].last(); e != alert.Resolved || a.Summary != c.want {
					t.Errorf("%s %q, want %q", e, a.Summary, c.want)
				}
			})
		})
	}
}
