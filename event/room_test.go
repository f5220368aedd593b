package event

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/model"
)

// until calls that start are refused, it records calls, and returns their ids.
func untilRefused(t *testing.T, l *Log) (ids []model.CallID) {
	t.Helper()
	for range 1000 {
		rec := sampleRecord(model.NewCallID(), 3)
		err := l.Intent(beforeAttempts(rec))
		if model.KindOf(err) == model.KindUnavailable {
			return ids
		}
		if err == nil {
			err = l.Outcome(rec)
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rec.ID)
	}
	t.Fatal("no call is refused")
	return nil
}

// segments counts the segment files.
func segments(t *testing.T, dir string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// The disk is smaller than a segment. What is stored makes room for what comes,
// and readiness says when there is none.
func TestADiskThatIsSmallerThanASegment(t *testing.T) {
	s, dir := newSink(), t.TempDir()
	d := newFaulty(dir)
	d.room = 200 << 10
	l := open(t, Config{Dir: dir, Sink: s, disk: d, SegmentBytes: 128 << 10})
	var ids []model.CallID
	stop := func() {}
	for round := range 4 {
		if err := l.Ready(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		ids = append(ids, untilRefused(t, l)...)
		err := l.Ready()
		if model.KindOf(err) != model.KindUnavailable || !strings.Contains(model.AsError(err).Message, "no space left") {
			t.Errorf("round %d: while calls are refused, readiness is %v", round, err)
		}
		if round == 0 {
			stop = run(t, l)
		}
		flush(t, l)
		eventually(t, "calls are taken again", func() bool { return l.Ready() == nil })
	}
	stop()
	for i, id := range ids {
		if n := s.count(id); n != 1 {
			t.Errorf("call %d is stored %d times", i, n)
		}
	}
	if st := l.Stats(); st.Undurable+st.Lost+st.Rejected > 0 || len(ids) < 40 {
		t.Errorf("%d calls, stats are %+v", len(ids), st)
	}
}

// Space comes back long before a segment is full.
func TestASegmentThatIsStoredIsNotKept(t *testing.T) {
	s := newSink()
	l := open(t, Config{Dir: t.TempDir(), Sink: s})
	stop := run(t, l)
	for l.Stats().Intents < 1000 {
		for range 50 {
			call(t, l)
		}
		flush(t, l)
	}
	if n := l.Stats().SpoolBytes; n > maxReserve {
		t.Errorf("%d bytes of stored calls are kept", n)
	}
	stop()
}

// Calls under way are recorded durably on a disk that is full, also by a process
// that starts on it.
func TestOnAFullDiskCallsUnderWayAreRecorded(t *testing.T) {
	s, dir := newSink(), t.TempDir()
	d := newFaulty(dir)
	l := open(t, Config{Dir: dir, Sink: s, disk: d})
	var under []*model.Record
	for range 100 {
		rec := sampleRecord(model.NewCallID(), 3)
		intend(t, l, rec)
		under = append(under, rec)
	}
	d.set(func() { d.room = 0 })
	for i, rec := range under[:80] {
		if err := l.Outcome(rec); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	die(l)

	l = open(t, Config{Dir: dir, Sink: s, disk: d})
	stop := run(t, l)
	flush(t, l)
	eventually(t, "calls are taken again", func() bool { return l.Ready() == nil })
	stop()
	for i, rec := range under {
		want := model.StateCompleted
		if i >= 80 {
			want = model.StateFailed
		}
		if n := s.count(rec.ID); n != 1 || s.record(t, rec.ID).State != want {
			t.Errorf("call %d is stored %d times", i, n)
		}
	}
}

// A process that starts on a full disk stores what is there, by which it gets the
// room to go on, whether the reserve is left or not.
func TestASpoolIsOpenedOnAFullDisk(t *testing.T) {
	for name, with := range map[string]func(t *testing.T, d *faulty, l *Log) []model.CallID{
		"with the reserve": func(*testing.T, *faulty, *Log) []model.CallID { return nil },
		"with the reserve in use": func(t *testing.T, d *faulty, l *Log) []model.CallID {
			rec := sampleRecord(model.NewCallID(), 3)
			intend(t, l, rec)
			d.set(func() { d.room = 0 })
			if err := l.Outcome(rec); err != nil {
				t.Fatal(err)
			}
			return []model.CallID{rec.ID}
		},
		"without a reserve": func(t *testing.T, d *faulty, _ *Log) []model.CallID {
			if err := d.Remove(reserveName); err != nil {
				t.Fatal(err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := newSink(), t.TempDir()
			s.setFail(func(Batch) error { return errDown })
			d := newFaulty(dir)
			c := Config{Dir: dir, Sink: s, disk: d, SegmentBytes: 128 << 10, QueueCalls: 1}
			l := open(t, c)
			spool := l.Spool()
			var left []*model.Record
			for range 3 {
				rec := sampleRecord(model.NewCallID(), 3)
				intend(t, l, rec)
				left = append(left, rec)
			}
			var ids []model.CallID
			for range 30 {
				ids = append(ids, call(t, l))
			}
			ids = append(ids, with(t, d, l)...)
			d.set(func() { d.room = 0 })
			die(l)
			for range 5 {
				l = open(t, c)
				if err := l.Ready(); err == nil {
					t.Error("on a full disk a gateway is ready")
				}
				die(l)
				if n := segments(t, dir); n > 3 {
					t.Fatalf("starts that could not write left %d segments", n)
				}
			}
			l = open(t, c)
			stop := run(t, l)
			s.setFail(nil)
			flush(t, l)
			eventually(t, "calls are taken", func() bool { return l.Ready() == nil })
			ids = append(ids, call(t, l))
			flush(t, l)
			stop()
			if l.Spool() != spool {
				t.Error("the spool has another name")
			}
			for i, id := range ids {
				if n := s.count(id); n != 1 || s.record(t, id).State != model.StateCompleted {
					t.Errorf("call %d is stored %d times", i, n)
				}
			}
			for i, rec := range left {
				if n := s.count(rec.ID); n != 1 || s.record(t, rec.ID).State != model.StateFailed {
					t.Errorf("interrupted call %d is stored %d times", i, n)
				}
			}
		})
	}
}

func TestASpoolThatIsFullIsNotReady(t *testing.T) {
	s := newSink()
	s.setFail(func(Batch) error { return errDown })
	l := open(t, Config{Dir: t.TempDir(), Sink: s, SegmentBytes: 64 << 10, MaxBytes: 256 << 10})
	if err := l.Ready(); err != nil {
		t.Fatal(err)
	}
	untilRefused(t, l)
	if err := l.Ready(); model.KindOf(err) != model.KindUnavailable || !strings.Contains(model.AsError(err).Message, "size limit") {
		t.Errorf("got %v", err)
	}
	s.setFail(nil)
	stop := run(t, l)
	flush(t, l)
	if err := l.Ready(); err != nil {
		t.Errorf("with everything stored: %v", err)
	}
	stop()
	if err := l.Ready(); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("closed: %v", err)
	}
}
