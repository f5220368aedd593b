package event

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
	last    EntryID
	bytes   int // the most that were put at once
	secret  []byte
	clock   func() time.Time // nil: it stands still
	holder  string           // who salvages
	fail    error
	most    int // entries that ever lay in it
}

func newSharedBuffer(s *sink) *sharedBuffer { return &sharedBuffer{sink: s, secret: testSecret} }

func (b *sharedBuffer) Put(_ context.Context, entries [][]byte, most int) (ids []EntryID, oldest EntryID, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return nil, oldest, b.fail
	}
	size := 0
	for _, e := range entries {
		size += len(e)
		b.next++
		id := EntryID{Time: 1, Number: uint64(b.next)}
		if b.clock != nil {
			id.Time = uint64(b.clock().UnixMilli())
		}
		b.entries = append(b.entries, SharedEntry{id, e})
		ids = append(ids, id)
	}
	b.entries = b.entries[max(len(b.entries)-most, 0):]
	b.most = max(b.most, len(b.entries))
	b.bytes = max(b.bytes, size)
	b.last = ids[len(ids)-1]
	return ids, b.entries[0].ID, nil
}

func (b *sharedBuffer) After(_ context.Context, id EntryID, limit int) (out []SharedEntry, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if e.ID.Compare(id) > 0 && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, b.fail
}

func (b *sharedBuffer) Last(context.Context) (EntryID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last, b.fail
}

func (b *sharedBuffer) Remove(_ context.Context, ids []EntryID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail == nil {
		b.entries = slices.DeleteFunc(b.entries, func(e SharedEntry) bool { return slices.Contains(ids, e.ID) })
	}
	return b.fail
}

func (b *sharedBuffer) Claim(_ context.Context, holder string, _ time.Duration) (time.Time, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holder == "" {
		b.holder = holder
	}
	return b.clock(), b.holder == holder, b.fail
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

func (b *sharedBuffer) SharedSecret(context.Context) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.secret, nil
}

func (b *sharedBuffer) setSecret(secret []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.secret = secret
}

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

// share has a Log that does not Run share its calls.
func share(l *Log) (stop func()) {
	return background(func(ctx context.Context) error { l.share.run(ctx, l.Spool()); return nil })
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
	return &SharedConfig{Buffer: func(string) SharedBuffer { return b }, Store: b, Calls: calls}
}

// What ends while the store is away lies in the buffer, and leaves it when it
// is stored.
func TestACallIsSharedUntilItIsStored(t *testing.T) {
	s, b := storeAway()
	l := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0), BatchDelay: 10 * time.Millisecond})
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
	if len(l.share.calls) > 0 || len(l.share.held) > 0 || len(l.share.gone) > 0 {
		t.Errorf("%d calls, %d held and %d to remove are left", len(l.share.calls), len(l.share.held), len(l.share.gone))
	}
}

// Followers of one gateway see what another one did, while the store is away,
// each event once; and on after the buffer lost its data and counts anew.
func TestFollowersSeeWhatOthersShare(t *testing.T) {
	s, b := storeAway()
	b.next = 1000
	a := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0)})
	other := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0)})
	defer share(a)()
	defer share(other)()
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
	ids, calls := map[string]bool{}, map[model.CallID]bool{}
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
				ids[e.ID], calls[e.Call] = true, true
				if e.Call == last && e.Kind == CallCompleted {
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
	b.entries, b.next, b.last = nil, 0, EntryID{}
	b.mu.Unlock()
	first := call(t, a)
	want("behind a loss", func() model.CallID { return call(t, a) })
	if !calls[first] {
		t.Error("the first call behind a loss is not seen")
	}
}

// A call that is stored while it is put into the buffer does not stay there.
func TestACallIsStoredBeforeItIsShared(t *testing.T) {
	b := newSharedBuffer(newSink())
	s, err := newSharer(sharing(b, 0), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c := Call{Summary: Summary{ID: model.NewCallID()}}
	s.add(&c, false)
	own, _ := s.next()
	s.settle([]Call{c})
	s.entered(own, []EntryID{{1, 1}}, EntryID{1, 1}, nil)
	if !slices.Equal(s.gone, []EntryID{{1, 1}}) || len(s.held)+len(s.calls)+len(s.waiting) > 0 {
		t.Errorf("to remove %v; %d held, %d looked after, %d waiting", s.gone, len(s.held), len(s.calls), len(s.waiting))
	}
}

func TestSharingIsChecked(t *testing.T) {
	b := newSharedBuffer(newSink())
	for name, c := range map[string]*SharedConfig{
		"shared": {Store: b}, "shared.calls": sharing(b, -1),
	} {
		if _, err := Open(Config{Sink: b.sink, Shared: c}); model.KindOf(err) != model.KindInvalid || model.AsError(err).Param != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A call that is too large for the buffer goes without its plan, or is left out
// of it, and the others go on.
func TestALargeCallIsNotShared(t *testing.T) {
	s := newSink()
	b := newSharedBuffer(s)
	l := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0)})
	defer die(l)
	plan, large := sampleRecord(model.NewCallID(), 3), sampleRecord(model.NewCallID(), 3)
	plan.Plan.Candidates[0].Endpoint = model.EndpointID(bytes.Repeat([]byte("x"), maxShared))
	large.Error = &model.Failure{Message: string(bytes.Repeat([]byte("x"), maxShared))}
	for _, rec := range []*model.Record{plan, large} {
		if err := l.Outcome(rec); err != nil {
			t.Fatal(err)
		}
	}
	call(t, l)
	defer share(l)()
	eventually(t, "entries", func() bool { return b.length() == 2 })
	if got := l.Stats().Share; got.Shared != 2 || got.Unshared != 1 {
		t.Errorf("the counters are %+v", got)
	}
	for i, e := range b.entries {
		if c, ok := openShared(e.Data); !ok || (c.call.PlanJSON == nil) != (i == 0) {
			t.Errorf("entry %d has a plan of %d bytes, %v", i, len(c.call.PlanJSON), ok)
		}
	}
}

// No more is put at once than a buffer takes in well under its timeout.
func TestMuchIsPutInParts(t *testing.T) {
	s, b := storeAway()
	l := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0)})
	defer die(l)
	for range 50 {
		rec := sampleRecord(model.NewCallID(), 3)
		rec.Error = &model.Failure{Message: string(bytes.Repeat([]byte("x"), maxShared*3/4))}
		if err := l.Outcome(rec); err != nil {
			t.Fatal(err)
		}
	}
	defer share(l)()
	eventually(t, "entries", func() bool { return b.length() == 50 })
	if b.bytes > sharedBytes || b.bytes < sharedBytes/2 {
		t.Errorf("%d bytes were put at once, want about %d", b.bytes, sharedBytes)
	}
}

// What a full or emptied buffer loses before it is stored is counted.
func TestWhatTheBufferLosesIsCounted(t *testing.T) {
	s, b := storeAway()
	l := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 100)})
	defer die(l)
	defer share(l)()
	for range 130 {
		call(t, l)
	}
	eventually(t, "entries", func() bool { return l.Stats().Share.Shared == 130 })
	if n := l.Stats().Share.Dropped; n != 30 {
		t.Errorf("a full buffer lost %d calls, want 30", n)
	}
	b.mu.Lock()
	b.entries = nil
	b.mu.Unlock()
	call(t, l)
	eventually(t, "a count", func() bool { return l.Stats().Share.Dropped == 130 })
	if n := l.Stats().Share.Shared; n != 131 || len(l.share.calls) != 1 {
		t.Errorf("%d calls are shared and %d looked after, want 131 and 1", n, len(l.share.calls))
	}
}

// A buffer that is there and takes nothing is said once, and that it takes again.
func TestABufferThatTakesNothingIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := storeAway()
		b.setFail(errDown)
		var said safeBuffer
		l := open(t, Config{Sink: s, Shared: sharing(b, 0), Logger: slog.New(slog.NewTextHandler(&said, nil))})
		stop := share(l)
		call(t, l)
		time.Sleep(troubleAfter - time.Second)
		if said.String() != "" {
			t.Errorf("it is said at once: %s", said.String())
		}
		time.Sleep(time.Hour)
		b.setFail(nil)
		time.Sleep(time.Minute)
		stop()
		if bad, good := strings.Count(said.String(), "cannot be put into"), strings.Count(said.String(), "are put into"); bad != 1 || good != 1 {
			t.Errorf("it is said %d and %d times:\n%s", bad, good, said.String())
		}
	})
}

// safeBuffer is what was logged so far.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// When Run ends with the store away, all that ended is in the buffer.
func TestWhatIsLeftIsSharedWhenRunEnds(t *testing.T) {
	s, b := storeAway()
	b.setFail(errDown)
	l := open(t, Config{Dir: t.TempDir(), Sink: s, Shared: sharing(b, 0)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { _ = l.Run(ctx); close(done) }()
	for range 300 {
		call(t, l)
	}
	cancel()
	b.setFail(nil)
	<-done
	if n := b.length(); n != 300 {
		t.Errorf("%d calls are in the buffer, want 300", n)
	}
	die(l)
}

// A database that takes the place of another one has a buffer of its own.
func TestAnotherStoreHasAnotherBuffer(t *testing.T) {
	s, b := storeAway()
	buffers := map[string]*sharedBuffer{}
	l := open(t, Config{Dir: t.TempDir(), Sink: s, BatchDelay: time.Millisecond, Shared: &SharedConfig{Store: b, Buffer: func(name string) SharedBuffer {
		buffers[name] = newSharedBuffer(s)
		return buffers[name]
	}}})
	defer die(l)
	defer run(t, l)()
	call(t, l)
	eventually(t, "an entry, and that the store is away", func() bool { st := l.Stats(); return st.Share.Shared == 1 && st.SinkError != "" })
	b.setSecret(bytes.Repeat([]byte{9}, 32))
	s.setFail(nil)
	flush(t, l)
	s.setFail(func(Batch) error { return errDown })
	call(t, l)
	eventually(t, "an entry", func() bool { return l.Stats().Share.Shared == 2 })
	if len(buffers) != 2 {
		t.Fatalf("there are %d buffers, want 2", len(buffers))
	}
	for name, b := range buffers {
		if b.length() != 1 {
			t.Errorf("%d entries are in %s, want 1", b.length(), name)
		}
	}
	s.setFail(nil)
}

func FuzzShared(f *testing.F) {
	c := Call{Summary: Summarize(sampleRecord(model.NewCallID(), 3)), Record: sampleRecord(model.NewCallID(), 3), Started: time.Now(), Ended: time.Now()}
	f.Add(sealShared(testSecret, &sharedCall{"spool", true, c}))
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
