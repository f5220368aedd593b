package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
)

// RunLimits is the conformance suite of limit.Shared. open returns one that
// nobody else uses; its subtests run in parallel.
func RunLimits(t *testing.T, open func(t *testing.T) limit.Shared) {
	for _, c := range []struct {
		name string
		test func(*testing.T, limit.Shared)
	}{
		{"all or nothing", limitAllOrNothing},
		{"shares of what is left", limitShares},
		{"corrections", limitCorrections},
		{"epochs", limitEpochs},
		{"slots", limitSlots},
		{"the window slides", limitSlides},
		{"many at once", limitRace},
		{"several demands", limitBatch},
		{"beats", limitBeats},
		{"names", limitNames},
		{"does as the reference does", limitReference},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

// limited is a demand for n requests of a limit of 100 a minute.
func limited(n int64) limit.Demand {
	a := limit.Amount{Requests: n}
	return limit.Demand{Counter: "c", Window: time.Minute, Limit: limit.Amount{Requests: 100}, Least: a, Most: a}
}

func exchange(t *testing.T, s limit.Shared, replica string, d limit.Demand) limit.Grant {
	t.Helper()
	g, err := s.Exchange(t.Context(), replica, []limit.Demand{d})
	if err != nil || len(g) != 1 {
		t.Fatalf("%+v: %v, %v", d, g, err)
	}
	return g[0]
}

func limitAllOrNothing(t *testing.T, s limit.Shared) {
	d := limited(60)
	d.Limit.Tokens, d.Least.Tokens, d.Most.Tokens = 1000, 10, 10
	if g := exchange(t, s, "a", d); g.Refused != "" || g.Granted != d.Least || g.Sum != d.Least || g.Epoch == 0 || g.Now <= 0 {
		t.Errorf("the first: %+v", g)
	}
	g := exchange(t, s, "b", d)
	if g.Refused != limit.Requests || g.Granted != (limit.Amount{}) || g.Sum != d.Least {
		t.Errorf("more than what is left: %+v", g)
	}
	if g.Retry <= 55*time.Second || g.Retry > 63*time.Second || g.Reset[0] <= 55*time.Second || g.Reset[1] != g.Reset[0] {
		t.Errorf("it comes back in %v, all of it in %v", g.Retry, g.Reset)
	}
	d.Least, d.Most = limit.Amount{Requests: 1, Tokens: 991}, limit.Amount{Requests: 1, Tokens: 991}
	if g := exchange(t, s, "b", d); g.Refused != limit.TokensUnit || g.Sum.Requests != 60 {
		t.Errorf("more tokens than what is left: %+v", g)
	}
}

func limitShares(t *testing.T, s limit.Shared) {
	d := limited(2)
	d.Most.Requests = 1000
	for i, want := range []int64{2 + 98/8, 2 + 84/8} { // 74 are left
		if g := exchange(t, s, "a", d); g.Granted.Requests != want {
			t.Errorf("lease %d: %d, want %d", i, g.Granted.Requests, want)
		}
	}
	d.Most.Requests = 3
	if g := exchange(t, s, "a", d); g.Granted.Requests != 3 {
		t.Errorf("wanted at most 3: %+v", g)
	}
	d.Want.Requests, d.Most.Requests = 51, 200
	if g := exchange(t, s, "a", d); g.Granted.Requests != 51+20/8 {
		t.Errorf("others wait for 49: %+v", g)
	}
	if g := exchange(t, s, "a", d); g.Granted.Requests != 18 {
		t.Errorf("others wait for more than there is: %+v", g)
	}
}

func limitCorrections(t *testing.T, s limit.Shared) {
	first := exchange(t, s, "a", limited(50))
	step := int64(first.Now / stepWidth)
	back := limited(0)
	back.Epoch, back.Given = first.Epoch, []limit.Delta{{Step: step, Amount: limit.Amount{Requests: -20}}}
	if g := exchange(t, s, "a", back); g.Sum.Requests != 30 || g.Granted != (limit.Amount{}) || g.Refused != "" {
		t.Errorf("20 of 50 given back: %+v", g)
	}
	more := limited(0)
	more.Aged = []limit.Delta{{Step: 0, Amount: limit.Amount{Requests: 60}}, {Step: 61, Amount: limit.Amount{Requests: 30}}, {Step: 62, Amount: limit.Amount{Requests: 500}}}
	if g := exchange(t, s, "a", more); g.Sum.Requests != 120 {
		t.Errorf("60 now, 30 a minute ago and 500 before the window: %+v", g)
	}
	if g := exchange(t, s, "a", limited(1)); g.Refused != limit.Requests {
		t.Errorf("beyond the limit: %+v", g)
	}
}

const stepWidth = time.Second

func limitEpochs(t *testing.T, s limit.Shared) {
	g := exchange(t, s, "a", limited(1))
	d := limited(1)
	d.Epoch = g.Epoch
	if next := exchange(t, s, "a", d); next.Lost || next.Epoch != g.Epoch || next.Sum.Requests != 2 {
		t.Errorf("the same: %+v", next)
	}
	d.Epoch, d.Given = g.Epoch+1, []limit.Delta{{Step: int64(g.Now / stepWidth), Amount: limit.Amount{Requests: 5}}}
	if lost := exchange(t, s, "a", d); !lost.Lost || lost.Epoch != g.Epoch || lost.Granted != (limit.Amount{}) {
		t.Errorf("another: %+v", lost)
	}
	if next := exchange(t, s, "a", limited(0)); next.Sum.Requests != 2 {
		t.Errorf("what came with another epoch was added: %+v", next)
	}
}

func limitSlots(t *testing.T, s limit.Shared) {
	want := func(replica string, running, least, most int64) limit.Grant {
		t.Helper()
		return exchange(t, s, replica, limit.Demand{
			Counter: "c", Window: time.Minute, Slots: 10, Running: running, LeastSlots: least, MostSlots: most,
		})
	}
	if g := want("a", 0, 1, 100); g.Slots != 1+9/8 || g.Tight {
		t.Errorf("a: %+v", g)
	}
	if g := want("b", 0, 8, 8); g.Slots != 8 || !g.Tight {
		t.Errorf("b: %+v", g)
	}
	if g := want("c", 0, 1, 1); g.Refused != limit.Concurrency || g.Slots != 0 {
		t.Errorf("c beside 10: %+v", g)
	}
	if g := want("b", 3, 3, 3); g.Slots != 3 || g.Tight {
		t.Errorf("b with less: %+v", g)
	}
	if g := want("c", 0, 5, 5); g.Refused != "" || g.Slots != 5 {
		t.Errorf("c in the free ones: %+v", g)
	}
	if g := want("a", 7, 7, 7); g.Slots != 7 { // it was frozen: what runs, runs
		t.Errorf("a with more: %+v", g)
	}
	if g := want("a", 7, 8, 8); g.Refused != limit.Concurrency || g.Slots != 7 {
		t.Errorf("a with more than that: %+v", g)
	}
	want("a", 0, 0, 0)
	if g := want("d", 0, 2, 2); g.Slots != 2 {
		t.Errorf("after a's end: %+v", g)
	}
}

// limitSlides looks at a window of a second, which is soon over.
func limitSlides(t *testing.T, s limit.Shared) {
	d := limited(100)
	d.Window = time.Second
	first := exchange(t, s, "a", d)
	if first.Refused != "" {
		t.Fatalf("%+v", first)
	}
	for {
		g := exchange(t, s, "a", d)
		passed := g.Now - first.Now
		switch {
		case g.Refused == "" && passed <= time.Second:
			t.Fatalf("200 in %v", passed)
		case g.Refused == "":
			if g.Sum.Requests != 100 {
				t.Errorf("%+v", g)
			}
			return
		case passed > 2*time.Second:
			t.Fatalf("after %v still: %+v", passed, g)
		case g.Retry <= 0 || g.Retry > 1100*time.Millisecond:
			t.Fatalf("%+v", g)
		}
		time.Sleep(g.Retry)
	}
}

func limitRace(t *testing.T, s limit.Shared) {
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				d := limited(1)
				d.Most.Requests = 4
				g, err := s.Exchange(t.Context(), fmt.Sprint("r", i), []limit.Demand{d})
				if err != nil {
					t.Error(err)
					return
				}
				admitted.Add(g[0].Granted.Requests)
			}
		})
	}
	wg.Wait()
	if admitted.Load() != 100 {
		t.Errorf("%d of 100 granted", admitted.Load())
	}
}

func limitBatch(t *testing.T, s limit.Shared) {
	var demands []limit.Demand
	for i := range 7 {
		d := limited(int64(30 * i))
		d.Counter = fmt.Sprint("c", (i*3)%7)
		demands = append(demands, d)
	}
	g, err := s.Exchange(t.Context(), "a", demands)
	if err != nil || len(g) != len(demands) {
		t.Fatal(g, err)
	}
	for i := range g {
		if fits := i <= 3; (g[i].Refused == "") != fits || fits && g[i].Granted.Requests != int64(30*i) {
			t.Errorf("demand %d: %+v", i, g[i])
		}
	}
	if g, err := s.Exchange(t.Context(), "a", nil); err != nil || len(g) != 0 {
		t.Errorf("nothing: %v, %v", g, err)
	}
}

func limitBeats(t *testing.T, s limit.Shared) {
	for i, replica := range []string{"a", "b", "a", "c"} {
		n, err := s.Beat(t.Context(), replica)
		if want := []int{1, 2, 2, 3}[i]; err != nil || n != want {
			t.Errorf("beat %d: %d replicas, %v; want %d", i, n, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Beat(ctx, "a"); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("with a context that is over: %v", err)
	}
}

// limitNames uses names that callers could choose.
func limitNames(t *testing.T, s limit.Shared) {
	for i, name := range []string{"a/b", "a/b\x00c", "a}b{", "ü ☃", "'; DROP TABLE", "a\nb", string(make([]byte, 900))} {
		d := limited(100)
		d.Counter = name
		if g := exchange(t, s, "a", d); g.Refused != "" {
			t.Errorf("name %d is that of another: %+v", i, g)
		}
	}
}

// limitReference has the Shared and a State do the same at the same times.
func limitReference(t *testing.T, s limit.Shared) {
	var state limit.State
	random := uint32(1)
	next := func(n uint32) int64 { random = random*1664525 + 1013904223; return int64((random >> 8) % n) }
	epoch := int64(0)
	for i := range 200 {
		d := limit.Demand{
			Counter: "c", Window: 2 * time.Second, Limit: limit.Amount{Requests: 50, Tokens: 900}, Slots: 12, Epoch: epoch,
			Least:   limit.Amount{Requests: next(4), Tokens: next(40)},
			Running: next(4),
		}
		d.Want = limit.Amount{Requests: d.Least.Requests + next(4), Tokens: d.Least.Tokens + next(30)}
		d.Most = limit.Amount{Requests: d.Want.Requests + next(20), Tokens: d.Want.Tokens + next(100)}
		d.LeastSlots, d.WantSlots, d.MostSlots = d.Running+next(3), d.Running+next(4), d.Running+2+next(5)
		if next(3) == 0 {
			d.Aged = []limit.Delta{{Step: next(70), Amount: limit.Amount{Requests: next(9) - 4, Tokens: next(90) - 50}}}
		}
		replica := fmt.Sprint("r", next(3))
		got := exchange(t, s, replica, d)
		if i == 0 {
			state.Epoch = got.Epoch
		}
		epoch = got.Epoch
		want := state.Exchange(got.Now, replica, &d)
		if got != want {
			t.Fatalf("demand %d\n     %+v\ngot  %+v\nwant %+v", i, d, got, want)
		}
	}
}
