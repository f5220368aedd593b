package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/sink"
	"github.com/cartrita/cartrita/store/memory"
	"github.com/cartrita/cartrita/store/storetest"
)

// target records what it takes, and fails as it is told.
type target struct {
	mu     sync.Mutex
	taken  []sink.Message
	fail   func(messages []sink.Message) error
	closed bool
}

func (t *target) Send(_ context.Context, messages []sink.Message) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fail != nil {
		if err := t.fail(messages); err != nil {
			return err
		}
	}
	t.taken = append(t.taken, messages...)
	return nil
}

func (t *target) Close() error { t.closed = true; return nil }

func (t *target) ids() (out []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.taken {
		out = append(out, m.ID)
	}
	return out
}

func newStore(t *testing.T) *memory.Store {
	t.Helper()
	s, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// add stores calls and returns the ids of their events.
func add(t *testing.T, s *memory.Store, from, to int) (ids []string) {
	t.Helper()
	before, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{storetest.Sample(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := s.After(t.Context(), before, to-from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range stored.Events() {
		ids = append(ids, e.ID)
	}
	return ids
}

func start(t *testing.T, c sink.Config) (r *sink.Runner, stop func()) {
	t.Helper()
	if c.Name == "" {
		c.Name = "s"
	}
	if c.Holder == "" {
		c.Holder = "h"
	}
	r, err := sink.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not so after 20 s: ", what)
		}
	}
}

func TestEveryEventIsSentInOrder(t *testing.T) {
	defer goleak.VerifyNone(t)
	s, to := newStore(t), &target{}
	old := add(t, s, 0, 10)
	r, stop := start(t, sink.Config{Target: to, Feed: s, FromStart: true})
	until(t, "what was there is sent", func() bool { return len(to.ids()) == len(old) })
	want := append(old, add(t, s, 10, 250)...)
	until(t, "what came is sent", func() bool { return len(to.ids()) >= len(want) })
	if got := to.ids(); !slices.Equal(got, want) {
		t.Errorf("%d events are sent, want %d, or in another order", len(got), len(want))
	}
	until(t, "there is no lag", func() bool { s := r.Stats(); return s.Lag == 0 && s.Active && s.Sent == uint64(len(want)) })
	stop()
	if !to.closed {
		t.Error("the target is not closed")
	}

	// Another process goes on where this one was, at once.
	next := &target{}
	more := add(t, s, 250, 260)
	_, stop = start(t, sink.Config{Target: next, Feed: s, Holder: "other", FromStart: true})
	until(t, "the rest is sent", func() bool { return len(next.ids()) >= len(more) })
	stop()
	if got := next.ids(); !slices.Equal(got, more) {
		t.Errorf("the second process sent %v, want %v", got, more)
	}
	if got := to.ids(); len(got) != len(want) {
		t.Error("the first process sent on")
	}
}

func TestANewSinkBeginsNow(t *testing.T) {
	s, to := newStore(t), &target{}
	add(t, s, 0, 10)
	r, _ := start(t, sink.Config{Target: to, Feed: s, Kinds: []event.Kind{event.CallCompleted, event.CallFailed}})
	until(t, "it reads", func() bool { return r.Stats().Active })
	add(t, s, 10, 20)
	until(t, "ten calls are sent", func() bool { return len(to.ids()) >= 10 })
	for _, m := range to.taken {
		if m.Type != "cartrita.model_call.completed.v1" && m.Type != "cartrita.model_call.failed.v1" {
			t.Errorf("an event of type %s is sent", m.Type)
		}
		var e struct{ ID, Type, Subject string }
		if err := json.Unmarshal(m.JSON, &e); err != nil || e.ID != m.ID || e.Type != m.Type || e.Subject != m.Subject {
			t.Errorf("%v: %s is not the message of %s", err, m.JSON, m.ID)
		}
	}
}

func TestATargetThatIsAwayGetsEverythingOnce(t *testing.T) {
	s, to := newStore(t), &target{}
	away := true
	to.fail = func([]sink.Message) error {
		if away {
			return errors.New("away")
		}
		return nil
	}
	want := add(t, s, 0, 120)
	r, _ := start(t, sink.Config{Target: to, Feed: s, FromStart: true})
	until(t, "it fails", func() bool { st := r.Stats(); return st.Failures > 0 && st.Error == "away" && st.Lag > 0 })
	to.mu.Lock()
	away = false
	to.mu.Unlock()
	until(t, "everything is sent", func() bool { return len(to.ids()) >= len(want) })
	if got := to.ids(); !slices.Equal(got, want) {
		t.Errorf("%d events are sent, want each of %d once", len(got), len(want))
	}
	if st := r.Stats(); st.Error != "" {
		t.Errorf("the error stays: %s", st.Error)
	}
}

func TestAMessageThatIsRefusedHoldsUpNothing(t *testing.T) {
	s, to := newStore(t), &target{}
	want := add(t, s, 0, 60)
	bad := want[77]
	to.fail = func(messages []sink.Message) error {
		if slices.ContainsFunc(messages, func(m sink.Message) bool { return m.ID == bad }) {
			return model.Invalidf("test", "", "too large")
		}
		return nil
	}
	r, _ := start(t, sink.Config{Target: to, Feed: s, FromStart: true})
	until(t, "the others are sent", func() bool { return len(to.ids()) >= len(want)-1 })
	want = slices.Delete(want, 77, 78)
	if got := to.ids(); !slices.Equal(got, want) {
		t.Errorf("%d events are sent, want the other %d in order", len(got), len(want))
	}
	until(t, "it is counted", func() bool { return r.Stats().Refused == 1 })
}

func TestOfTwoProcessesOneSends(t *testing.T) {
	s, a, b := newStore(t), &target{}, &target{}
	_, stopA := start(t, sink.Config{Target: a, Feed: s, Holder: "a", FromStart: true})
	_, stopB := start(t, sink.Config{Target: b, Feed: s, Holder: "b", FromStart: true})
	want := add(t, s, 0, 100)
	until(t, "everything is sent", func() bool { return len(a.ids())+len(b.ids()) >= len(want) })
	stop, rest := stopA, b
	if len(b.ids()) > 0 {
		stop, rest = stopB, a
	}
	if len(rest.ids()) != 0 {
		t.Error("both send")
	}
	stop()
	more := add(t, s, 100, 110)
	until(t, "the other goes on", func() bool { return len(rest.ids()) >= len(more) })
	if got := rest.ids(); !slices.Equal(got, more) {
		t.Errorf("the other sent %v, want %v", got, more)
	}
}

// slow takes a message at a time, and its time.
type slow struct {
	mu    sync.Mutex
	taken map[string]int
	fails int // so many single messages first
}

func (s *slow) Send(_ context.Context, messages []sink.Message) error {
	time.Sleep(8 * time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(messages) > 1 {
		return model.Invalidf("test", "", "one at a time")
	}
	if s.fails > 0 && len(s.taken) > 3 {
		s.fails--
		return model.Errorf("test", model.KindUnavailable, "not now")
	}
	s.taken[messages[0].ID]++
	return nil
}

func (s *slow) Close() error { return nil }

// TestHalvingKeepsTheSink: however long it takes to find out what a target takes,
// nobody else sends the same meanwhile, and what was taken is not sent again when
// the rest fails.
func TestHalvingKeepsTheSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, to := newStore(t), &slow{taken: map[string]int{}, fails: 2}
		want := add(t, s, 0, 10)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, holder := range []string{"a", "b"} {
			r, err := sink.New(sink.Config{Name: "s", Holder: holder, Target: to, Feed: s, FromStart: true})
			if err != nil {
				t.Fatal(err)
			}
			running.Go(func() { _ = r.Run(ctx) })
		}
		time.Sleep(time.Hour)
		stop()
		running.Wait()
		if len(to.taken) != len(want) {
			t.Errorf("%d messages of %d were taken", len(to.taken), len(want))
		}
		for id, n := range to.taken {
			if n != 1 {
				t.Errorf("%s was taken %d times", id, n)
			}
		}
	})
}

// leisurely takes each message in its time, whether or not anybody waits for it.
type leisurely struct {
	mu      sync.Mutex
	each    time.Duration
	sizes   []int // of what it was sent
	taken   map[string]int
	givenUp int
	busy    bool
	crossed bool // it was sent something while it had something to do
}

func (l *leisurely) Send(ctx context.Context, messages []sink.Message) error {
	l.mu.Lock()
	l.sizes = append(l.sizes, len(messages))
	l.crossed = l.crossed || l.busy
	l.busy = true
	defer func() { l.mu.Lock(); l.busy = false; l.mu.Unlock() }()
	for _, m := range messages {
		l.taken[m.ID]++
	}
	done := time.After(time.Duration(len(messages)) * l.each)
	l.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		l.mu.Lock()
		l.givenUp++
		l.mu.Unlock()
		return ctx.Err()
	}
}

func (l *leisurely) Close() error { return nil }

// TestASlowTargetGetsWhatItTakesInTime: one that cannot take all at once is sent
// less, until it can, and then no more again; when it gets faster it is sent more.
func TestASlowTargetGetsWhatItTakesInTime(t *testing.T) {
	for each, givenUp := range map[time.Duration]int{time.Millisecond: 0, 30 * time.Millisecond: 1, 6 * time.Second: 9} {
		t.Run(each.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, to := newStore(t), &leisurely{each: each, taken: map[string]int{}}
				want := add(t, s, 0, 500)
				_, stop := start(t, sink.Config{Target: to, Feed: s, FromStart: true})
				all := func(want []string) {
					t.Helper()
					time.Sleep(6 * time.Hour)
					to.mu.Lock()
					defer to.mu.Unlock()
					for _, id := range want {
						if to.taken[id] == 0 {
							t.Fatalf("%s never came; %d of %d did, in requests of %v", id, len(to.taken), len(want), to.sizes)
						}
					}
				}
				all(want)
				to.mu.Lock()
				if to.givenUp > givenUp {
					t.Errorf("%d requests were given up, want %d: %v", to.givenUp, givenUp, to.sizes)
				}
				to.each, to.sizes = 0, nil
				to.mu.Unlock()
				all(add(t, s, 500, 1000))
				if most := slices.Max(to.sizes); most < 200 {
					t.Errorf("one that is fast again is sent no more than %d at once", most)
				}
				stop()
			})
		})
	}
}

// TestATimeoutOfItsOwn: a target that needs a minute for one message gets it when it
// may, and nobody else sends meanwhile.
func TestATimeoutOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, to := newStore(t), &leisurely{each: time.Minute, taken: map[string]int{}}
		want := add(t, s, 0, 3)
		var sent uint64
		var runners []*sink.Runner
		for _, holder := range []string{"a", "b"} {
			r, stop := start(t, sink.Config{Holder: holder, Target: to, Feed: s, FromStart: true, Timeout: 90 * time.Second})
			defer stop()
			runners = append(runners, r)
		}
		time.Sleep(6 * time.Hour)
		for _, r := range runners {
			sent += r.Stats().Sent
		}
		to.mu.Lock()
		defer to.mu.Unlock()
		if sent != uint64(len(want)) || to.crossed {
			t.Errorf("%d of %d messages were taken; two processes sent at once: %v", sent, len(want), to.crossed)
		}
	})
}
