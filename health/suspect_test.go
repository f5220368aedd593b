package health

import (
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

var began = time.Unix(1_790_000_000, 0)

func suspectable(t *testing.T) (*Tracker, *Endpoint, *int) {
	t.Helper()
	opened := new(int)
	tr, err := New(Config{Clock: func() time.Time { return began }, OnOpen: func() { *opened++ }})
	if err != nil {
		t.Fatal(err)
	}
	return tr, tr.Endpoint("e"), opened
}

// TestWhatOthersFoundBrokenIsTriedWithCare: one call at a time, and its end decides.
func TestWhatOthersFoundBrokenIsTriedWithCare(t *testing.T) {
	for _, failed := range []bool{false, true} {
		tr, e, opened := suspectable(t)
		now := began.Add(time.Minute)
		e.Suspect(now)
		if h := e.View(now); h.Circuit != model.CircuitOpen || !e.Suspected(now) || h.RetryAt.Sub(now) < suspectFor/2 || h.RetryAt.Sub(now) > suspectFor {
			t.Errorf("%+v", h)
		}
		if open := tr.Openings(now); len(open) != 0 {
			t.Errorf("what others said is passed on: %v", open)
		}
		probe, ok := e.Begin(now)
		if !ok || !probe.Probe() {
			t.Fatal("nobody may try it")
		}
		if _, ok := e.Begin(now); ok {
			t.Error("two may try it at once")
		}
		e.Done(now.Add(time.Second), probe, model.Outcome{Failed: failed, Kind: model.KindUpstream})
		now = now.Add(time.Second)
		if h := e.View(now); failed != (h.Circuit == model.CircuitOpen) || e.Suspected(now) {
			t.Errorf("after a call that failed (%v): %+v", failed, h)
		}
		if open := tr.Openings(now); failed != (len(open) == 1 && *opened == 1) {
			t.Errorf("after a call that failed (%v) %v are open, told %d times", failed, open, *opened)
		}
	}
}

// TestOwnSuccessOutweighsWhatOthersSay, for ten seconds: a gateway whose own
// network is broken takes an endpoint from nobody who uses it.
func TestOwnSuccessOutweighsWhatOthersSay(t *testing.T) {
	_, e, _ := suspectable(t)
	now := began
	ticket, _ := e.Begin(now)
	e.Done(now, ticket, model.Outcome{Latency: time.Millisecond})
	for range 9 {
		now = now.Add(time.Second)
		e.Suspect(now)
		if e.Suspected(now) || e.View(now).Circuit != model.CircuitClosed {
			t.Fatalf("avoided %s after it answered", now.Sub(began))
		}
	}
	now = began.Add(trustFor + time.Millisecond)
	e.Suspect(now)
	if !e.Suspected(now) {
		t.Error("an old success outweighs")
	}
}

// TestSuspicionEnds by itself, however often it is raised again, and with any
// call that succeeds.
func TestSuspicionEnds(t *testing.T) {
	_, e, _ := suspectable(t)
	before, _ := e.Begin(began)
	now := began.Add(time.Second)
	for range 20 {
		e.Suspect(now)
		now = now.Add(suspectFor / 20)
	}
	if h := e.View(now); h.Circuit != model.CircuitHalfOpen || e.Suspected(now) {
		t.Errorf("%+v after four seconds of it", h)
	}
	e.Done(now, before, model.Outcome{Latency: time.Second})
	if h := e.View(now); h.Circuit != model.CircuitClosed {
		t.Errorf("%+v after a success", h)
	}
	// An own opening is not shortened.
	for range DefaultFailures {
		ticket, ok := e.Begin(now)
		if !ok {
			t.Fatal("it takes no calls")
		}
		e.Done(now, ticket, model.Outcome{Failed: true, Kind: model.KindUpstream})
	}
	until := e.View(now).RetryAt
	e.Suspect(now)
	if h := e.View(now); h.RetryAt != until || e.Suspected(now) {
		t.Errorf("an own opening until %s is now %+v", until, h)
	}
}
