package health_test

import (
	"testing"
	"time"

	"github.com/cartrita/cartrita/health"
	"github.com/cartrita/cartrita/model"
)

func TestOpensAfterFaultsInARow(t *testing.T) {
	l := newLine(t, health.Config{})
	for i := range 4 {
		l.call(fault(model.KindTimeout))
		if l.circuit() != model.CircuitClosed {
			t.Fatalf("open after %d faults", i+1)
		}
	}
	l.call(good(100))
	for range 4 {
		l.call(fault(model.KindTimeout))
	}
	if l.circuit() != model.CircuitClosed {
		t.Fatal("a success did not end the row")
	}
	l.call(fault(model.KindTimeout))
	v := l.View(l.now)
	if v.Circuit != model.CircuitOpen || !v.RetryAt.Equal(l.now.Add(5*time.Second)) {
		t.Fatalf("after five in a row: %v until %v", v.Circuit, v.RetryAt)
	}
	if l.call(good(1)) {
		t.Error("a call passed the open circuit")
	}
}

func TestOpensByErrorRate(t *testing.T) {
	l := newLine(t, health.Config{Failures: 1000})
	for i := range 9 { // nine samples judge nothing
		l.call([]model.Outcome{fault(model.KindUpstream), good(10)}[i%2])
	}
	if l.circuit() != model.CircuitClosed {
		t.Fatal("opened on too few samples")
	}
	l.call(fault(model.KindUpstream))
	if l.circuit() != model.CircuitOpen {
		t.Fatalf("six faults of ten did not open it: %+v", l.View(l.now))
	}
}

func (l *line) beginAll(t *testing.T, n int) (out []health.Ticket) {
	t.Helper()
	for range n {
		tk, ok := l.Begin(l.now)
		if !ok {
			t.Fatal("not begun")
		}
		out = append(out, tk)
	}
	return out
}

func TestWhatOpenedItDoesNotOpenItAgain(t *testing.T) {
	l := newLine(t, health.Config{Failures: 1000})
	old := l.beginAll(t, 30)
	trip(l)
	for _, tk := range old {
		l.Done(l.now, tk, fault(model.KindUpstream))
	}
	l.after(5 * time.Second)
	l.call(good(1))
	l.call(fault(model.KindUpstream))
	if l.circuit() != model.CircuitClosed {
		t.Error("one fault after closing opened it")
	}
}

func TestRateLimitsNeverOpen(t *testing.T) {
	l := newLine(t, health.Config{})
	for _, tk := range l.beginAll(t, 30) {
		l.Done(l.now, tk, fault(model.KindRateLimited))
	}
	l.now = l.View(l.now).RetryAt
	l.call(fault(model.KindUpstream))
	if l.circuit() != model.CircuitClosed {
		t.Error("429s opened the circuit")
	}
}

func TestRefusedCredentialsOpenAtOnce(t *testing.T) {
	l := newLine(t, health.Config{})
	l.call(fault(model.KindUpstreamAuth))
	if l.circuit() != model.CircuitOpen {
		t.Error("still closed")
	}
}

func trip(l *line) {
	for l.circuit() == model.CircuitClosed {
		l.call(fault(model.KindUpstream))
	}
}

func TestHalfOpenProbe(t *testing.T) {
	l := newLine(t, health.Config{})
	trip(l)
	l.after(5 * time.Second)
	if l.circuit() != model.CircuitHalfOpen {
		t.Fatalf("after the time: %v", l.circuit())
	}
	probe, ok := l.Begin(l.now)
	if !ok || !probe.Probe() {
		t.Fatalf("no probe was let through: %v", ok)
	}
	if v := l.View(l.now); v.Circuit != model.CircuitOpen || !v.RetryAt.Equal(l.now.Add(30*time.Second)) {
		t.Errorf("while probing: %v until %v, want open until the lease ends", v.Circuit, v.RetryAt)
	}
	if _, ok := l.Begin(l.now); ok {
		t.Error("a second probe was let through")
	}
	l.Done(l.now, probe, good(100))
	if v := l.View(l.now); v.Circuit != model.CircuitClosed || !v.RetryAt.IsZero() || v.InFlight != 0 {
		t.Errorf("after a good probe: %+v", v)
	}
}

func TestBackOffDoublesToItsCap(t *testing.T) {
	l := newLine(t, health.Config{OpenFor: 5 * time.Second, OpenMax: 30 * time.Second})
	trip(l)
	for _, seconds := range []int{5, 10, 20, 30, 30} {
		want := time.Duration(seconds) * time.Second
		v := l.View(l.now)
		if got := v.RetryAt.Sub(l.now); got != want {
			t.Fatalf("open for %v, want %v", got, want)
		}
		l.now = v.RetryAt
		if !l.call(fault(model.KindUpstream)) {
			t.Fatal("no probe")
		}
	}
	l.now = l.View(l.now).RetryAt
	l.call(good(1))
	trip(l)
	if got := l.View(l.now).RetryAt.Sub(l.now); got != 30*time.Second {
		t.Errorf("opened again at once: for %v, want the cap", got)
	}
	l.now = l.View(l.now).RetryAt
	l.call(good(1))
	l.after(31 * time.Second)
	trip(l)
	if got := l.View(l.now).RetryAt.Sub(l.now); got != 5*time.Second {
		t.Errorf("opened after a calm time: for %v, want 5s", got)
	}
}

func TestProbeThatSaysNothing(t *testing.T) {
	l := newLine(t, health.Config{})
	trip(l)
	l.after(5 * time.Second)
	for _, k := range []model.Kind{model.KindCanceled, model.KindBudget, model.KindInvalid, model.KindContextLength} {
		if !l.call(fault(k)) || l.circuit() != model.CircuitHalfOpen {
			t.Fatalf("after a probe that ended as %v: %v, want half-open", k, l.circuit())
		}
	}
	if l.call(fault(model.KindRateLimited)); l.circuit() != model.CircuitHalfOpen {
		t.Errorf("a rate-limited probe decided the circuit: %v", l.circuit())
	}
}

func TestLostProbeFreesTheCircuit(t *testing.T) {
	l := newLine(t, health.Config{})
	trip(l)
	l.after(5 * time.Second)
	lost, _ := l.Begin(l.now)
	l.after(30 * time.Second)
	probe, ok := l.Begin(l.now)
	if !ok {
		t.Fatal("the lost probe still keeps others out")
	}
	l.Done(l.now, lost, fault(model.KindCanceled)) // comes back late and says nothing
	if _, ok := l.Begin(l.now); ok {
		t.Fatal("the late end of the lost probe let a second one through")
	}
	l.Done(l.now, probe, good(1))
	if l.circuit() != model.CircuitClosed {
		t.Error("the second probe did not close the circuit")
	}
}

func TestSlowCallsCloseTheCircuit(t *testing.T) {
	l := newLine(t, health.Config{})
	trip(l)
	var out []health.Ticket
	var begun []time.Time
	for range 120 { // one arrival per second
		l.after(time.Second)
		if len(out) > 0 && l.now.Sub(begun[0]) >= 45*time.Second {
			l.Done(l.now, out[0], good(45_000))
			if l.circuit() != model.CircuitClosed {
				t.Fatalf("after a call of 45 s that succeeded: %v", l.circuit())
			}
			return
		}
		if tk, ok := l.Begin(l.now); ok {
			out, begun = append(out, tk), append(begun, l.now)
		}
	}
	t.Fatal("no call came to its end")
}

func TestLateProbes(t *testing.T) {
	l := newLine(t, health.Config{})
	trip(l)
	l.after(5 * time.Second)
	var probes []health.Ticket
	for range 3 {
		tk, ok := l.Begin(l.now)
		if !ok {
			t.Fatal("no probe")
		}
		probes = append(probes, tk)
		l.after(30 * time.Second)
	}
	l.Done(l.now, probes[0], fault(model.KindTimeout))
	until := l.View(l.now).RetryAt
	if got := until.Sub(l.now); got != 10*time.Second {
		t.Fatalf("a late probe that failed: open for %v, want 10s", got)
	}
	l.after(time.Second)
	l.Done(l.now, probes[1], fault(model.KindTimeout))
	l.Done(l.now, probes[2], good(1))
	if v := l.View(l.now); v.Circuit != model.CircuitOpen || !v.RetryAt.Equal(until) || v.InFlight != 0 {
		t.Errorf("probes of the opening before: %+v, want open until %v", v, until)
	}
}

func TestCallsFromBeforeTheOpeningDecideNothing(t *testing.T) {
	l := newLine(t, health.Config{})
	var old []health.Ticket
	for range 20 {
		tk, _ := l.Begin(l.now)
		old = append(old, tk)
	}
	trip(l)
	until := l.View(l.now).RetryAt
	l.after(time.Second)
	for i, tk := range old {
		l.Done(l.now, tk, []model.Outcome{fault(model.KindTimeout), good(1)}[i%2])
	}
	if v := l.View(l.now); v.Circuit != model.CircuitOpen || !v.RetryAt.Equal(until) || v.InFlight != 0 {
		t.Errorf("%+v, want open until %v", v, until)
	}
}
