package event

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cartrita/cartrita/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a store in memory that can be made to fail.
type sink struct {
	mu    sync.Mutex
	calls []Call // documents copied
	ids   map[model.CallID]int
	pos   map[string]Position
	fail  func(Batch) error
}

func newSink() *sink { return &sink{ids: map[model.CallID]int{}, pos: map[string]Position{}} }

func (s *sink) Ingest(_ context.Context, b Batch) (stored []*Call, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(b); err != nil {
			return nil, err
		}
	}
	for i, c := range b.Calls {
		s.ids[c.ID]++
		stored = append(stored, &b.Calls[i])
		c.RecordJSON, c.PlanJSON = bytes.Clone(c.RecordJSON), bytes.Clone(c.PlanJSON)
		s.calls = append(s.calls, c)
	}
	if b.Position != (Position{}) {
		s.pos[b.Spool] = b.Position
	}
	return stored, nil
}

func (s *sink) Position(_ context.Context, spool string) (Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(Batch{}); err != nil {
			return Position{}, err
		}
	}
	return s.pos[spool], nil
}

func (s *sink) setFail(f func(Batch) error) {
	s.mu.Lock()
	s.fail = f
	s.mu.Unlock()
}

func (s *sink) count(id model.CallID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[id]
}

func (s *sink) record(t testing.TB, id model.CallID) *model.Record {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c.ID == id {
			rec, err := ParseRecord(c.RecordJSON, c.PlanJSON)
			if err != nil {
				t.Fatal(err)
			}
			return rec
		}
	}
	t.Fatalf("call %s is not in the sink", id)
	return nil
}

var errDown = errors.New("the store is down")

func open(t testing.TB, c Config) *Log {
	t.Helper()
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start runs l; the returned function ends it cleanly.
func run(t testing.TB, l *Log) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// die gives the spool back as kill -9 does: nothing is moved, nothing is said.
func die(l *Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.spool.close()
	l.lock.Close()
}

func flush(t testing.TB, l *Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := l.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// call records a whole call and returns its id.
func call(t testing.TB, l *Log) model.CallID {
	t.Helper()
	rec := sampleRecord(model.NewCallID(), 3)
	intend(t, l, rec)
	if err := l.Outcome(rec); err != nil {
		t.Fatal(err)
	}
	return rec.ID
}

// intend records the intent of rec as the service does: before its outcome is known.
func intend(t testing.TB, l *Log, rec *model.Record) {
	t.Helper()
	if err := l.Intent(beforeAttempts(rec)); err != nil {
		t.Fatal(err)
	}
}

func TestOutcomesReachTheSinkOnceWithTheirPlan(t *testing.T) {
	s := newSink()
	l := open(t, Config{Dir: t.TempDir(), Sink: s, SegmentBytes: 16 << 10})
	stop := run(t, l)
	var ids []model.CallID
	for range 100 {
		ids = append(ids, call(t, l))
	}
	flush(t, l)
	for _, id := range ids {
		if n := s.count(id); n != 1 {
			t.Errorf("call %s is %d times in the sink, want 1", id, n)
		}
		if rec := s.record(t, id); rec.Plan == nil || len(rec.Plan.Candidates) != 3 || rec.State != model.StateCompleted {
			t.Errorf("the stored record is not whole: %+v", rec)
		}
	}
	stop()
	if st := l.Stats(); st.Stored != 100 || st.Lost+st.Undurable+st.Refused != 0 || st.Pending != 0 {
		t.Errorf("stats are %+v", st)
	}
}

func TestACleanEndLeavesNothingToRead(t *testing.T) {
	s, dir := newSink(), t.TempDir()
	for range 3 {
		l := open(t, Config{Dir: dir, Sink: s, SegmentBytes: 16 << 10})
		stop := run(t, l)
		for range 20 {
			call(t, l)
		}
		flush(t, l)
		if n := l.Stats().Segments; n > 3 {
			t.Errorf("%d segments are kept although everything is stored", n)
		}
		stop()
	}
	names, _ := directory(dir).List()
	if len(names) != 2 { // lock and an empty segment that carries the numbering on
		t.Errorf("a clean end leaves %v", names)
	}
	if len(s.calls) != 60 {
		t.Errorf("%d calls are stored, want 60", len(s.calls))
	}
}

func TestADeadProcessLosesNothing(t *testing.T) {
	s, dir := newSink(), t.TempDir()
	l := open(t, Config{Dir: dir, Sink: s})
	finished := call(t, l)
	under := sampleRecord(model.NewCallID(), 2)
	intend(t, l, under)
	die(l)

	for range 2 { // the second start finds nothing more to do
		l = open(t, Config{Dir: dir, Sink: s})
		stop := run(t, l)
		flush(t, l)
		stop()
	}
	if n := s.count(finished); n != 1 {
		t.Errorf("the finished call is %d times in the sink", n)
	}
	if n := s.count(under.ID); n != 1 {
		t.Errorf("the interrupted call is %d times in the sink", n)
	}
	rec := s.record(t, under.ID)
	if rec.State != model.StateFailed || rec.Error == nil || rec.Error.Kind != model.KindUnavailable || rec.Error.Message != "interrupted" || rec.Plan == nil {
		t.Errorf("the interrupted call is recorded as %+v", rec)
	}
}

// A process that is killed when everything is stored leaves a spool in which
// there is nothing to move; whoever waits for that learns of it.
func TestAProcessThatDiesAtRest(t *testing.T) {
	s, dir := newSink(), t.TempDir()
	l := open(t, Config{Dir: dir, Sink: s})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	id := call(t, l)
	flush(t, l)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	die(l)

	l = open(t, Config{Dir: dir, Sink: s})
	stop := run(t, l)
	flush(t, l)
	stop()
	if n := s.count(id); n != 1 {
		t.Errorf("the call is %d times in the sink", n)
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, Sink: newSink()})
	_, err := Open(Config{Dir: dir, Sink: newSink()})
	if model.KindOf(err) != model.KindConflict {
		t.Errorf("got %v, want a conflict", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, Config{Dir: dir, Sink: newSink()})
	l.Close()
}

func TestWhileTheSinkIsAwayOutcomesWaitInTheSpool(t *testing.T) {
	s := newSink()
	s.fail = func(Batch) error { return errDown }
	l := open(t, Config{Dir: t.TempDir(), Sink: s, SegmentBytes: 16 << 10, BatchCalls: 7})
	stop := run(t, l)
	var ids []model.CallID
	for range 60 {
		ids = append(ids, call(t, l))
	}
	if err := l.Flush(t.Context()); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("flush says %v while the sink is away", err)
	}
	if st := l.Stats(); st.Queued != 0 || st.Backlog == 0 || st.SinkError == "" {
		t.Errorf("stats are %+v", st)
	}
	s.setFail(nil)
	for range 20 {
		ids = append(ids, call(t, l))
	}
	flush(t, l)
	ids = append(ids, call(t, l))
	flush(t, l)
	for i, id := range ids {
		if n := s.count(id); n != 1 {
			t.Errorf("call %d is %d times in the sink", i, n)
		}
		if s.record(t, id).Plan == nil {
			t.Errorf("call %d lost its plan", i)
		}
	}
	if n := l.Stats().Backlog; n != 0 {
		t.Errorf("at rest %d bytes are behind", n)
	}
	stop()
}

func TestACallThatTheSinkCanNeverTakeIsSetAside(t *testing.T) {
	s := newSink()
	l := open(t, Config{Dir: t.TempDir(), Sink: s})
	bad := call(t, l)
	s.fail = func(b Batch) error {
		for _, c := range b.Calls {
			if c.ID == bad {
				return model.Invalidf("sink", "record", "cannot be stored")
			}
		}
		return nil
	}
	good := call(t, l)
	stop := run(t, l)
	flush(t, l)
	stop()
	if s.count(bad) != 0 || s.count(good) != 1 || l.Stats().Rejected != 1 {
		t.Errorf("bad %d, good %d, stats %+v", s.count(bad), s.count(good), l.Stats())
	}
}

func TestInMemoryTheQueueIsTheBound(t *testing.T) {
	s := newSink()
	s.fail = func(Batch) error { return errDown }
	l := open(t, Config{Sink: s, QueueCalls: 3})
	for range 3 {
		call(t, l)
	}
	if err := l.Outcome(sampleRecord(model.NewCallID(), 1)); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("got %v, want unavailable", err)
	}
	if l.Stats().Lost != 1 {
		t.Errorf("stats are %+v", l.Stats())
	}
	s.setFail(nil)
	stop := run(t, l)
	flush(t, l)
	stop()
	if len(s.calls) != 3 || s.calls[0].PlanJSON == nil {
		t.Errorf("%d calls are stored", len(s.calls))
	}
}

func TestALongCallIsCarriedForward(t *testing.T) {
	s, dir := newSink(), t.TempDir()
	l := open(t, Config{Dir: dir, Sink: s, SegmentBytes: 8 << 10})
	stop := run(t, l)
	long := sampleRecord(model.NewCallID(), 2)
	intend(t, l, long)
	for range 200 {
		call(t, l)
		flush(t, l)
	}
	if n := l.Stats().Segments; n > keepSegments+2 {
		t.Errorf("one long call keeps %d segments", n)
	}
	if rec, ok := l.Pending(long.ID); !ok || rec.Plan == nil || rec.State != model.StatePlanned {
		t.Errorf("the long call is not found under way: %+v", rec)
	}
	die2 := sampleRecord(model.NewCallID(), 2)
	intend(t, l, die2)
	if err := l.Outcome(long); err != nil {
		t.Fatal(err)
	}
	flush(t, l)
	if s.count(long.ID) != 1 || s.record(t, long.ID).Plan == nil {
		t.Error("the long call is not stored whole")
	}
	stop()
	l = open(t, Config{Dir: dir, Sink: s})
	stop = run(t, l)
	flush(t, l)
	stop()
	if s.count(die2.ID) != 1 || s.count(long.ID) != 1 {
		t.Errorf("after a restart: interrupted %d, long %d", s.count(die2.ID), s.count(long.ID))
	}
}

func TestManyLongCallsAreNotCarriedInCircles(t *testing.T) {
	s := newSink()
	l := open(t, Config{Dir: t.TempDir(), Sink: s, SegmentBytes: 8 << 10, MaxBytes: 1 << 20})
	stop := run(t, l)
	var long []*model.Record
	for range 60 { // far more than keepSegments segments hold
		rec := sampleRecord(model.NewCallID(), 2)
		intend(t, l, rec)
		long = append(long, rec)
		call(t, l)
		flush(t, l)
	}
	for _, rec := range long {
		if err := l.Outcome(rec); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, l)
	for _, rec := range long {
		if s.count(rec.ID) != 1 || s.record(t, rec.ID).Plan == nil {
			t.Fatal("a long call is not stored whole")
		}
	}
	if n := l.Stats().Segments; n > 2 {
		t.Errorf("%d segments are left", n)
	}
	stop()
}

func TestAnIntentIsReadBackFromNearAndFar(t *testing.T) {
	s := newSink()
	l := open(t, Config{Dir: t.TempDir(), Sink: s})
	stop := run(t, l)
	far, bare := sampleRecord(model.NewCallID(), 2), sampleRecord(model.NewCallID(), 2)
	bare.Plan = nil
	intend(t, l, far)
	intend(t, l, bare)
	for l.Stats().SpoolBytes < 2*(readWindow+lookBack) {
		call(t, l)
		if l.Stats().Outcomes%100 == 0 {
			flush(t, l)
		}
	}
	near, nearBare := sampleRecord(model.NewCallID(), 2), sampleRecord(model.NewCallID(), 2)
	nearBare.Plan = nil
	intend(t, l, near)
	intend(t, l, nearBare)
	for _, rec := range []*model.Record{far, bare, near, nearBare} {
		if err := l.Outcome(rec); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, l)
	stop()
	for i, rec := range []*model.Record{far, bare, near, nearBare} {
		if got := s.record(t, rec.ID); (got.Plan != nil) != (rec.Plan != nil) {
			t.Errorf("call %d comes back with plan %v", i, got.Plan)
		}
	}
	for _, c := range s.calls {
		if c.Started.IsZero() || c.PlanJSON != nil && len(c.PlanJSON) == 0 {
			t.Errorf("a call started at %v and has a plan of %d bytes", c.Started, len(c.PlanJSON))
		}
	}
}

// TestFlushOfWhatAFormerProcessStored: who asked before Run knew where the store
// stands is told that there is nothing to wait for.
func TestFlushOfWhatAFormerProcessStored(t *testing.T) {
	s, dir := newSink(), t.TempDir()
	l := open(t, Config{Dir: dir, Sink: s})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	call(t, l)
	flush(t, l)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	die(l)

	l = open(t, Config{Dir: dir, Sink: s})
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		flush(t, l)
	}()
	for len(l.now) == 0 { // it waits
		runtime.Gosched()
	}
	stop := run(t, l)
	<-flushed
	stop()
}
