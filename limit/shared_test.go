package limit

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTheSharedGoesAwayAndComesBack(t *testing.T) {
	for _, empty := range []bool{false, true} {
		c := new(clock)
		all, shared, kept := replicas(t, 3, c, Limit{Name: "all", Requests: 30})
		ask := func(each int) (admitted int) {
			for i := range 3 * each {
				if _, _, err := acquire(all[i%3], Subject{}, 0); err == nil {
					admitted++
				}
			}
			return admitted
		}
		if got := ask(4); got != 12 {
			t.Fatalf("%d of 12 admitted", got)
		}
		shared.away.Store(true)
		if got := ask(100); got != 18 { // 10 each, 4 of which are used
			t.Errorf("while it is away: %d more are admitted, want 18", got)
		}
		for _, l := range all {
			if _, answers := l.Sharing(); answers {
				t.Error("a replica does not know that it is alone")
			}
		}
		c.add(10 * time.Second)
		shared.away.Store(false)
		if empty {
			kept.Forget()
		}
		for range 2 { // a counter that was lost takes a second exchange
			for _, l := range all {
				l.beat(context.Background())
				l.tend(context.Background(), false)
			}
		}
		if got := ask(100); got != 0 {
			t.Errorf("empty %v: back again, %d are admitted of a limit that is used up", empty, got)
		}
		c.add(63 * time.Second)
		if got := ask(100); got != 30 {
			t.Errorf("empty %v: in the next window %d are admitted", empty, got)
		}
	}
}

func TestReplicasAreCountedElsewhere(t *testing.T) {
	c := new(clock)
	elsewhere := &Local{Clock: c.server}
	shared := &flaky{Shared: &Local{Clock: c.server}}
	shared.away.Store(true)
	var all []*Limiter
	for i := range 3 {
		all = append(all, configured(t, New(Config{Shared: shared, Replica: fmt.Sprint("r", i), Clock: c.now, Count: elsewhere.Beat}), Limit{Name: "all", Requests: 30}))
	}
	for range 2 {
		for _, l := range all {
			l.beat(t.Context())
		}
	}
	admitted := 0
	for i := range 300 {
		if _, _, err := acquire(all[i%3], Subject{}, 0); err == nil {
			admitted++
		}
	}
	if admitted != 30 {
		t.Errorf("%d are admitted, want 10 by each of 3", admitted)
	}
}

func TestALossAdmitsLittle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := new(clock)
		limit := rapid.Int64Range(1, 500).Draw(rt, "limit")
		all, _, kept := replicas(rt, 3, c, Limit{Name: "all", Requests: limit})
		var admitted past
		at := rapid.IntRange(0, int(2*limit)).Draw(rt, "when")
		for i := range int(3 * limit) {
			if i == at {
				kept.Forget()
			}
			if _, _, err := acquire(all[i%3], Subject{}, 0); err == nil {
				admitted.add(c.since(), 1)
			}
			c.add(time.Millisecond)
		}
		if got := admitted.most(time.Minute); got > 2*limit {
			rt.Fatalf("%d admitted at a limit of %d", got, limit)
		}
	})
}

func TestTheClockOfTheSharedIsSet(t *testing.T) {
	for _, by := range []time.Duration{-time.Hour, time.Hour} {
		c := new(clock)
		set := time.Duration(0)
		shared := &Local{Clock: func() time.Duration { return c.server() + set }}
		l := configured(t, New(Config{Shared: shared, Clock: c.now}), Limit{Name: "all", Requests: 10})
		ask := func() (n int) {
			for range 30 {
				if _, _, err := acquire(l, Subject{}, 0); err == nil {
					n++
				}
				c.add(RefusalTTL)
			}
			return n
		}
		first := ask()
		set = by
		second, third := ask(), ask()
		c.add(63 * time.Second)
		if fourth := ask(); first != 10 || second != 10 || third != 0 || fourth != 10 {
			t.Errorf("set by %v: %d, then %d, %d, and in the next window %d of 10", by, first, second, third, fourth)
		}
	}
}

func TestLostAnswersAdmitNoMore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := new(clock)
		limit := rapid.Int64Range(3, 200).Draw(rt, "limit")
		all, shared, _ := replicas(rt, 1, c, Limit{Name: "all", Requests: limit})
		l := all[0] // alone its part is the whole limit: what it admits itself bounds it
		var admitted past
		for _, lost := range rapid.SliceOfN(rapid.Bool(), 1, 300).Draw(rt, "lost") {
			shared.mute.Store(lost)
			l.beat(context.Background())
			if _, _, err := acquire(l, Subject{}, 0); err == nil {
				admitted.add(c.since(), 1)
			}
			l.tend(context.Background(), false)
			c.add(400 * time.Millisecond)
		}
		if got := admitted.most(time.Minute); got > limit {
			rt.Fatalf("%d admitted at a limit of %d", got, limit)
		}
	})
}

func TestSlotsOfADeadReplica(t *testing.T) {
	c := new(clock)
	all, _, _ := replicas(t, 2, c, Limit{Name: "all", Concurrency: 4})
	dead, alive := all[0], all[1]
	for range 4 {
		if _, _, err := acquire(dead, Subject{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 30 { // it lives for half a minute
		c.add(time.Second)
		dead.tend(t.Context(), false)
		if _, _, err := acquire(alive, Subject{}, 0); err == nil {
			t.Fatal("a fifth call runs")
		}
	}
	c.add(SlotTTL)
	for i := range 4 {
		if _, _, err := acquire(alive, Subject{}, 0); err != nil {
			t.Fatalf("call %d after the other's end: %v", i, err)
		}
	}
	// The dead one was only frozen: its calls run on, and it may not begin others.
	if _, _, err := acquire(dead, Subject{}, 0); err == nil {
		t.Error("a fifth call began")
	}
}
