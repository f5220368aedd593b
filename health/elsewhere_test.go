package health

import (
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

// What runs elsewhere counts as load, for as long as it is told anew.
func TestElsewhere(t *testing.T) {
	now := time.Now()
	tr, err := New(Config{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	e := tr.Endpoint("p/m")
	if _, ok := e.Begin(now); !ok {
		t.Fatal("no call is let through")
	}
	check := func(want, elsewhere int32) {
		t.Helper()
		if h := e.View(now); h.InFlight != want || h.Elsewhere != elsewhere {
			t.Errorf("%d in flight, %d of them elsewhere; want %d, %d", h.InFlight, h.Elsewhere, want, elsewhere)
		}
	}
	check(1, 0)
	if own := tr.Load(); len(own) != 1 || own["p/m"] != 1 {
		t.Errorf("own load %v", own)
	}
	tr.Elsewhere("a", map[model.EndpointID]int32{"p/m": 3, "unknown": 7, "broken": -5}, now)
	tr.Elsewhere("b", map[model.EndpointID]int32{"p/m": 4}, now)
	check(8, 7)
	if own := tr.Load(); own["p/m"] != 1 {
		t.Errorf("what others have is told as one's own: %v", own)
	}
	now = now.Add(2 * time.Second)
	tr.Elsewhere("a", nil, now)
	check(5, 4)
	now = now.Add(2 * time.Second)
	tr.ForgetReports(now) // b was not heard of for four seconds
	check(1, 0)
}
