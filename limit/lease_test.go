package limit

import (
	"context"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

// warm asks until the replica holds a lease that is not used up.
func warm(t *testing.T, l *Limiter) (admitted int64) {
	t.Helper()
	for range 100 {
		if _, _, err := acquire(l, Subject{}, 0); err != nil {
			t.Fatal(err)
		}
		admitted++
		if leased(l) >= 5 {
			return admitted
		}
	}
	t.Fatal("no lease is larger than what is asked for")
	return 0
}

// leased is how many requests the lease of the first limit has left.
func leased(l *Limiter) int64 {
	c := l.rules.Load().callers[0].counters.all()[""]
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link.left.Requests
}

// A lease that was granted at the beginning of a window is not used at its end, when
// the Shared counts it no more.
func TestALeaseEndsWithItsStep(t *testing.T) {
	const limit = 200
	c := new(clock)
	all, _, _ := replicas(t, 2, c, Limit{Name: "all", Requests: limit})
	a, b := all[0], all[1]
	warm(t, a)
	c.add(58 * time.Second)
	admitted := int64(0)
	for range 30 {
		if _, _, err := acquire(a, Subject{}, 0); err == nil {
			admitted++
		}
	}
	c.add(5 * time.Second)
	for range 2 * limit {
		if _, _, err := acquire(b, Subject{}, 0); err == nil {
			admitted++
		}
	}
	if admitted > limit {
		t.Errorf("%d are admitted within five seconds by a limit of %d", admitted, limit)
	}
}

// What a replica did not use of its lease is there for others a step later.
func TestWhatIsLeftOfALeaseIsGivenBack(t *testing.T) {
	const limit = 200
	c := new(clock)
	all, _, _ := replicas(t, 2, c, Limit{Name: "all", Requests: limit})
	admitted := warm(t, all[0])
	c.add(time.Second)
	all[0].tend(t.Context(), false)
	for range 2 * limit {
		if _, _, err := acquire(all[1], Subject{}, 0); err == nil {
			admitted++
		}
	}
	if admitted != limit {
		t.Errorf("%d of %d are admitted", admitted, limit)
	}
}

// A replica that ends gives back what it holds.
func TestTheEndOfAReplicaGivesBack(t *testing.T) {
	const limit = 200
	c := new(clock)
	all, _, _ := replicas(t, 2, c, Limit{Name: "all", Requests: limit})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	admitted := warm(t, all[0])
	_ = all[0].Run(ctx) // at once at its end
	for range 2 * limit {
		if _, _, err := acquire(all[1], Subject{}, 0); err == nil {
			admitted++
		}
	}
	if admitted != limit {
		t.Errorf("%d of %d are admitted", admitted, limit)
	}
}

// late is a Shared whose answers wait until they are let go.
type late struct {
	Shared
	met, letGo chan struct{}
}

func (s *late) Exchange(ctx context.Context, replica string, d []Demand) ([]Grant, error) {
	g, err := s.Shared.Exchange(ctx, replica, d)
	if s.met != nil {
		s.met <- struct{}{}
		<-s.letGo
	}
	return g, err
}

// Slots that a replica is giving back are not used while the answer is on its way:
// another replica may have them already.
func TestSlotsThatAreBeingGivenBack(t *testing.T) {
	const limit = 8
	c := new(clock)
	shared := &Local{Clock: c.server}
	slow := &late{Shared: shared}
	rule := Limit{Name: "all", Concurrency: limit}
	a := configured(t, New(Config{Shared: slow, Replica: "a", Clock: c.now, Timeout: time.Minute}), rule)
	b := configured(t, New(Config{Shared: shared, Replica: "b", Clock: c.now}), rule)
	begin := func(l *Limiter) (*Hold, *model.Error) { h, _, err := acquire(l, Subject{}, 0); return h, err }
	var holds []*Hold
	for range limit {
		h, err := begin(a)
		if err != nil {
			t.Fatal(err)
		}
		holds = append(holds, h)
	}
	for _, h := range holds[2:] {
		h.Release(0)
	}
	slow.met, slow.letGo = make(chan struct{}), make(chan struct{})
	tended, asked := make(chan struct{}), make(chan *model.Error)
	go func() { a.tend(t.Context(), false); close(tended) }()
	<-slow.met // 2 are a's, as the Shared knows
	for range 6 {
		if _, err := begin(b); err != nil {
			t.Fatalf("of the slots that were given back: %v", err)
		}
	}
	go func() { _, err := begin(a); asked <- err }()
	k := a.rules.Load().callers[0].counters.all()[""]
	for waits := int64(0); waits == 0; {
		k.mu.Lock()
		waits = k.link.calls
		k.mu.Unlock()
		select {
		case err := <-asked:
			t.Fatalf("it did not wait for the answer: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	slow.letGo <- struct{}{}
	<-tended
	<-slow.met
	slow.letGo <- struct{}{}
	if err := <-asked; err == nil {
		t.Error("a ninth call runs")
	}
}

// What was given back with an answer that was lost is not given back twice.
func TestNothingIsGivenBackTwice(t *testing.T) {
	c := new(clock)
	all, shared, kept := replicas(t, 1, c, Limit{Name: "all", Tokens: 1000})
	l := all[0]
	first, _, _ := acquire(l, Subject{}, 100)
	_, _, _ = acquire(l, Subject{}, 100) // runs on
	c.add(2 * time.Second)
	l.tend(t.Context(), false)
	first.Release(0)
	shared.mute.Store(true)
	l.tend(t.Context(), false)
	shared.mute.Store(false)
	l.beat(t.Context())
	l.tend(t.Context(), false)
	counted := int64(0)
	for _, n := range kept.counters["all/1m0s/"].Steps {
		counted += n.Tokens
	}
	if counted != 100 {
		t.Errorf("%d tokens are counted, a call that runs holds 100", counted)
	}
}

// A replica that was frozen for longer than slots are held does not begin calls in
// those that it had: others may have them.
func TestSlotsThatAreOver(t *testing.T) {
	c := new(clock)
	all, _, _ := replicas(t, 2, c, Limit{Name: "all", Concurrency: 4})
	frozen, other := all[0], all[1]
	var holds []*Hold
	for range 4 {
		h, _, _ := acquire(frozen, Subject{}, 0)
		holds = append(holds, h)
	}
	holds[0].Release(0) // in the moment before
	c.add(SlotTTL + time.Millisecond)
	for range 4 {
		if _, _, err := acquire(other, Subject{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := acquire(frozen, Subject{}, 0); err == nil {
		t.Error("it begins a call in a slot that is another's")
	}
}
