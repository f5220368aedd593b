package event

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

// sharedBuffer is one in memory that can be made to fail, with the store's side
// of sharing.
type sharedBuffer struct {
	*sink
	mu      sync.Mutex
	entries []SharedEntry
	next    int
	fail    error
	most    int // entries that ever lay in it
}

func newSharedBuffer(s *sink) *sharedBuffer { return &sharedBuffer{sink: s} }

func (b *sharedBuffer) Put(_ context.Context, entries [][]byte, most int) (ids []string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return nil, b.fail
	}
	for _, e := range entries {
		b.next++
		id := fmt.Sprintf("%09d", b.next)
		b.entries = append(b.entries, SharedEntry{id, e})
		ids = append(ids, id)
	}
	b.entries = b.entries[max(len(b.entries)-most, 0):]
	b.most = max(b.most, len(b.entries))
	return ids, nil
}

func (b *sharedBuffer) After(_ context.Context, id string, limit int) (out []SharedEntry, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if e.ID > id && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, b.fail
}

func (b *sharedBuffer) Last(context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.entries); n > 0 {
		return b.entries[n-1].ID, b.fail
	}
	return "", b.fail
}

func (b *sharedBuffer) Remove(_ context.Context, ids []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail == nil {
		b.entries = slices.DeleteFunc(b.entries, func(e SharedEntry) bool { return slices.Contains(ids, e.ID) })
	}
	return b.fail
}

func (b *sharedBuffer) setFail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

func (b *sharedBuffer) length() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.entries)
}

var testSecret = bytes.Repeat([]byte{7}, 32)

func (b *sharedBuffer) SharedSecret(context.Context) ([]byte, error) { return testSecret, nil }

func (b *sharedBuffer) Stored(_ context.Context, ids []model.CallID) (map[model.CallID]bool, error) {
	out := map[model.CallID]bool{}
	for _, id := range ids {
		if b.count(id) > 0 {
			out[id] = true
		}
	}
	return out, nil
}

// storeAway makes a store that is down, and the buffer beside it.
func storeAway() (*sink, *sharedBuffer) {
	s := newSink()
	s.setFail(func(Batch) error { return errDown })
	return s, newSharedBuffer(s)
}

// background runs f until the returned function is called.
func background(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = f(ctx) }()
	return func() { cancel(); <-done }
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s in time", what)
		}
	}
}

func sharing(b *sharedBuffer, calls int) *SharedConfig {
	return &SharedConfig{Buffer: b, Store: b, Calls: calls}
}

// What ends while the store is away lies in the buffer, and leaves it when it
// is stored.
func TestACallIsSharedUntilItIsStored(t *testing.T) {
	s, b := storeAway()
	l := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0), BatchDelay: 10 * time.Millisecond})
	stopSharing := background(l.Share)
	stop := run(t, l)
	for range 300 {
		call(t, l)
	}
	eventually(t, "entries", func() bool { return b.length() == 300 })
	if n := l.Stats().Share.Shared; n != 300 {
		t.Errorf("%d calls are shared, want 300", n)
	}
	s.setFail(nil)
	eventually(t, "empty buffer", func() bool { return b.length() == 0 })
	stop()
	stopSharing()
	if len(l.share.calls) > 0 || len(l.share.waiting) > 0 || len(l.share.held) > 0 {
		t.Errorf("%d calls, %d waiting and %d held are left", len(l.share.calls), len(l.share.waiting), len(l.share.held))
	}
}

// A buffer that is away holds up nothing and is caught up with; of what is too
// much for it the oldest goes.
func TestABufferThatIsAway(t *testing.T) {
	s, b := storeAway()
	b.setFail(errDown)
	l := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 100), BatchDelay: 10 * time.Millisecond})
	stopSharing := background(l.Share)
	stop := run(t, l)
	for range sharedWaiting + 7 {
		call(t, l)
	}
	if n := l.Stats().Share.Unshared; n != 7 {
		t.Errorf("%d calls were left out, want 7", n)
	}
	b.setFail(nil)
	eventually(t, "shared calls", func() bool { return l.Stats().Share.Shared == sharedWaiting })
	if n := b.length(); n != 100 {
		t.Errorf("%d entries lie in the buffer, want 100", n)
	}
	b.setFail(errDown) // while they are stored
	s.setFail(nil)
	flush(t, l)
	b.setFail(nil)
	eventually(t, "empty buffer", func() bool { return b.length() == 0 })
	stop()
	stopSharing()
	if len(l.share.calls) > 0 || len(l.share.held) > 0 || len(l.share.gone) > 0 {
		t.Errorf("%d calls, %d held and %d to remove are left", len(l.share.calls), len(l.share.held), len(l.share.gone))
	}
}

// A gateway that is lost with its disk leaves what it recorded to the others:
// with its plan, under its own spool, once.
func TestTheCallsOfALostGatewayAreSalvaged(t *testing.T) {
	s, b := storeAway()
	lost := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0)})
	stopSharing := background(lost.Share)
	var ids []model.CallID
	for range 250 {
		ids = append(ids, call(t, lost))
	}
	eventually(t, "entries", func() bool { return b.length() == 250 })
	stopSharing()
	die(lost)
	s.setFail(nil)

	now := time.Now()
	other := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0), Clock: func() time.Time { return now }})
	defer other.Close()
	_, _ = b.Put(t.Context(), [][]byte{[]byte("not ours"), sealShared(bytes.Repeat([]byte{8}, 32), "x", &Call{Record: &model.Record{}})}, 1000)
	salvage := func() {
		t.Helper()
		if err := other.Salvage(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	salvage()
	if s.count(ids[0]) > 0 || b.length() != 250 {
		t.Fatalf("after a moment %d entries are left, want those that the gateway may still store itself", b.length())
	}
	now = now.Add(salvageAfter + time.Minute)
	salvage()
	salvage()
	for _, id := range ids {
		if n := s.count(id); n != 1 {
			t.Fatalf("call %s is stored %d times", id, n)
		}
		if rec := s.record(t, id); rec.Plan == nil || len(rec.Plan.Attempts) == 0 {
			t.Fatalf("call %s has lost its plan", id)
		}
	}
	if s.calls[0].Started.IsZero() || s.calls[0].Strategy == "" {
		t.Errorf("the first is %+v", s.calls[0])
	}
	if n := b.length(); n != 0 {
		t.Errorf("%d entries are left", n)
	}
	if got := other.Stats().Share; got.Salvaged != 250 || got.Foreign != 2 {
		t.Errorf("the counters are %+v", got)
	}
}

// What is stored already is only taken out, and what this process has itself is
// left to it.
func TestSalvageLeavesAloneWhatIsNotLost(t *testing.T) {
	s, b := storeAway()
	now := time.Now()
	clock := func() time.Time { return now }
	l := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0), Clock: clock})
	stopSharing := background(l.Share)
	own := call(t, l)
	eventually(t, "an entry", func() bool { return b.length() == 1 })
	stopSharing()
	s.setFail(nil)
	now = now.Add(time.Hour)
	if err := l.Salvage(t.Context()); err != nil || s.count(own) != 0 || b.length() != 1 {
		t.Errorf("a call of its own is stored %d times, %d entries are left, %v", s.count(own), b.length(), err)
	}
	s.ids[own] = 1 // as if a former run had stored it
	if err := l.Salvage(t.Context()); err != nil || b.length() != 0 {
		t.Errorf("a stored call is still in the buffer: %v", err)
	}
	die(l)
}

// Followers of one gateway see what another one did, while the store is away,
// each event once; and on after the buffer lost its data and counts anew.
func TestFollowersSeeWhatOthersShare(t *testing.T) {
	s, b := storeAway()
	b.next = 1000
	a := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0)})
	other := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0)})
	defer background(a.Share)()
	defer background(other.Share)()
	defer background(other.FollowShared)()
	defer die(a)
	defer die(other)
	old := call(t, a)
	eventually(t, "an entry", func() bool { return b.length() == 1 })

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	seen := make(chan Event, 10_000)
	go func() {
		for e := range other.Subscribe(ctx, Filter{}) {
			seen <- e
		}
		close(seen)
	}()
	ids := map[string]bool{}
	want := func(what string, id func() model.CallID) {
		t.Helper()
		last := id() // calls made before somebody follows are not shown
		for tick := time.NewTicker(300 * time.Millisecond); ; {
			select {
			case e := <-seen:
				if e.ID == "" {
					t.Fatalf("nothing %s is seen", what)
				}
				if ids[e.ID] || e.Call == old {
					t.Errorf("event %s is shown twice, or happened before", e.ID)
				}
				if ids[e.ID] = true; e.Call == last && e.Kind == CallCompleted {
					return
				}
			case <-tick.C:
				last = id()
			}
		}
	}
	want("of the other", func() model.CallID { return call(t, a) })
	want("of its own", func() model.CallID { return call(t, other) })
	b.mu.Lock()
	b.entries, b.next = nil, 0
	b.mu.Unlock()
	want("behind a loss", func() model.CallID { return call(t, a) })
}

// A call that is stored while it is put into the buffer does not stay there.
func TestACallIsStoredBeforeItIsShared(t *testing.T) {
	b := newSharedBuffer(newSink())
	s, err := newSharer(sharing(b, 0))
	if err != nil {
		t.Fatal(err)
	}
	c := Call{Summary: Summary{ID: model.NewCallID()}}
	s.add(&c)
	own, _ := s.next()
	s.settle([]Call{c})
	s.entered(own, []string{"1"}, nil)
	if !slices.Equal(s.gone, []string{"1"}) || len(s.held)+len(s.calls)+len(s.waiting) > 0 {
		t.Errorf("to remove %v; %d held, %d looked after, %d waiting", s.gone, len(s.held), len(s.calls), len(s.waiting))
	}
}

func TestSharingIsChecked(t *testing.T) {
	b := newSharedBuffer(newSink())
	for name, c := range map[string]*SharedConfig{
		"shared": {Store: b}, "shared.calls": {Buffer: b, Store: b, Calls: -1},
	} {
		if _, err := Open(Config{Sink: b.sink, Shared: c}); model.KindOf(err) != model.KindInvalid || model.AsError(err).Param != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A call that is too large for the buffer is left out of it, and the others go on.
func TestALargeCallIsNotShared(t *testing.T) {
	s := newSink()
	b := newSharedBuffer(s)
	l := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0)})
	defer die(l)
	rec := sampleRecord(model.NewCallID(), 3)
	rec.Error = &model.Failure{Message: string(bytes.Repeat([]byte("x"), maxShared))}
	if err := l.Outcome(rec); err != nil {
		t.Fatal(err)
	}
	call(t, l)
	defer background(l.Share)()
	eventually(t, "an entry", func() bool { return b.length() == 1 })
	if got := l.Stats().Share; got.Shared != 1 || got.Unshared != 1 {
		t.Errorf("the counters are %+v", got)
	}
}

func FuzzShared(f *testing.F) {
	c := Call{Summary: Summarize(sampleRecord(model.NewCallID(), 3)), Record: sampleRecord(model.NewCallID(), 3), Started: time.Now(), Ended: time.Now()}
	f.Add(sealShared(testSecret, "spool", &c))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := openShared(b)
		if !ok {
			return
		}
		if got.call.Ended.IsZero() || len(got.spool) > maxSpoolName {
			t.Errorf("%+v was read", got)
		}
		_, _ = ParseRecord(got.call.RecordJSON, got.call.PlanJSON)
	})
}
