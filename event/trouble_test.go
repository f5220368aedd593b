package event

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita/model"
)

func TestAFullDiskRefusesNewCallsAndKeepsThoseUnderWay(t *testing.T) {
	s, dir := newSink(), t.TempDir()
	d := newFaulty(dir)
	l := open(t, Config{Dir: dir, Sink: s, disk: d, SegmentBytes: 8 << 10})
	var under []*model.Record
	for range 5 {
		rec := sampleRecord(model.NewCallID(), 2)
		intend(t, l, rec)
		under = append(under, rec)
	}
	d.set(func() { d.room = 10 })

	if err := l.Intent(sampleRecord(model.NewCallID(), 2)); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("a new call on a full disk gives %v, want unavailable", err)
	}
	durable := 0
	for _, rec := range under { // into the reserve, then into memory
		switch err := l.Outcome(rec); {
		case err == nil:
			durable++
		case model.KindOf(err) != model.KindUnavailable:
			t.Errorf("an outcome that is not durable gives %v, want unavailable", err)
		}
	}
	if st := l.Stats(); durable == 0 || durable == len(under) || st.Undurable != uint64(len(under)-durable) {
		t.Errorf("%d of %d outcomes are durable, stats are %+v", durable, len(under), st)
	}
	stop := run(t, l)
	flush(t, l)
	for i, rec := range under {
		if s.count(rec.ID) != 1 || s.record(t, rec.ID).Plan == nil {
			t.Errorf("call %d under way did not reach the store", i)
		}
	}
	d.set(func() { d.room = 1 << 40 })
	for range 30 {
		after := call(t, l)
		flush(t, l)
		if s.count(after) != 1 {
			t.Error("after the disk has room again, a call is not stored")
		}
	}
	if n := l.Stats().Segments; n > 2 {
		t.Errorf("the call that took another way keeps %d segments", n)
	}
	stop()
	if st := l.Stats(); st.Refused != 1 || st.Lost != 0 {
		t.Errorf("stats are %+v", st)
	}
}

func TestAFullSpoolKeepsRoomForOutcomes(t *testing.T) {
	s := newSink()
	s.fail = func(Batch) error { return errDown }
	l := open(t, Config{Dir: t.TempDir(), Sink: s, SegmentBytes: 8 << 10, MaxBytes: 64 << 10, QueueCalls: 1})
	var under []*model.Record
	for {
		rec := sampleRecord(model.NewCallID(), 1)
		if err := l.Intent(beforeAttempts(rec)); err != nil {
			break
		}
		if under = append(under, rec); len(under) > 5 { // a few are always under way
			if err := l.Outcome(under[0]); err != nil {
				t.Fatal(err)
			}
			under = under[1:]
		}
	}
	if n := l.Stats().SpoolBytes; n > 64<<10 {
		t.Errorf("the spool has %d bytes", n)
	}
	for _, rec := range under {
		if err := l.Outcome(rec); err != nil {
			t.Errorf("a call under way cannot be recorded in a full spool: %v", err)
		}
	}
	s.setFail(nil)
	stop := run(t, l)
	flush(t, l)
	if err := l.Intent(sampleRecord(model.NewCallID(), 1)); err != nil {
		t.Errorf("when the store is back, a call is still refused: %v", err)
	}
	stop()
}

func TestARecordThatIsTooLargeIsRefusedAlone(t *testing.T) {
	l := open(t, Config{Dir: t.TempDir(), Sink: newSink()})
	defer l.Close()
	rec := sampleRecord(model.NewCallID(), 1)
	rec.Asked = strings.Repeat("x", maxPayload)
	if err := l.Intent(rec); model.KindOf(err) != model.KindInvalid {
		t.Errorf("got %v, want invalid", err)
	}
	call(t, l)
	rec = sampleRecord(model.NewCallID(), 1)
	rec.State = "somewhere"
	if err := l.Outcome(rec); model.KindOf(err) != model.KindInvalid {
		t.Errorf("an unknown state gives %v, want invalid", err)
	}
}

func TestSyncBatchReturnsWhenTheDiskHasIt(t *testing.T) {
	dir := t.TempDir()
	d := newFaulty(dir)
	s := newSink()
	l := open(t, Config{Dir: dir, Sink: s, Sync: SyncBatch, disk: d, SegmentBytes: 16 << 10})
	stop := run(t, l)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				call(t, l)
			}
		})
	}
	wg.Wait()
	if d.syncs == 0 {
		t.Error("nothing was synced")
	}
	d.set(func() { d.sync = errors.New("no") })
	if err := l.Outcome(sampleRecord(model.NewCallID(), 1)); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("a failed sync gives %v, want unavailable", err)
	}
	d.set(func() { d.sync = nil })
	flush(t, l)
	stop()
	if len(s.calls) != 161 {
		t.Errorf("%d calls are stored, want 161", len(s.calls))
	}
}

func TestDamageInTheMiddleCostsOnlyWhatItHit(t *testing.T) {
	s, dir := newSink(), t.TempDir()
	l := open(t, Config{Dir: dir, Sink: s})
	var ids []model.CallID
	var ends []int64
	for range 5 {
		rec := sampleRecord(model.NewCallID(), 3)
		intend(t, l, rec)
		if err := l.Outcome(rec); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rec.ID)
		ends = append(ends, l.tail.Offset)
	}
	name := segmentName(l.spool.active().number)
	die(l)
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 50), ends[2]-60); err != nil { // inside the third outcome
		t.Fatal(err)
	}
	f.Close()
	l = open(t, Config{Dir: dir, Sink: s})
	stop := run(t, l)
	flush(t, l)
	stop()
	if l.Stats().Corrupt == 0 {
		t.Error("the damage is not counted")
	}
	for i, id := range ids {
		if s.count(id) != 1 {
			t.Errorf("call %d is %d times in the sink", i, s.count(id))
		}
	}
	if rec := s.record(t, ids[2]); rec.State != model.StateFailed {
		t.Errorf("the call whose outcome was hit is %q, want failed", rec.State)
	}
}

func TestTheStoreWasPutBackFromAnOlderCopy(t *testing.T) {
	s, dir := newSink(), t.TempDir()
	l := open(t, Config{Dir: dir, Sink: s})
	first := call(t, l)
	die(l)
	l = open(t, Config{Dir: dir, Sink: s})
	s.pos[l.spool.name()] = Position{Segment: 99, Offset: 7} // it has seen more than this directory holds
	stop := run(t, l)
	flush(t, l)
	second := call(t, l)
	flush(t, l)
	stop()
	if s.count(first) != 1 || s.count(second) != 1 {
		t.Errorf("stored %d and %d times, want 1 and 1", s.count(first), s.count(second))
	}
}

func TestRunTriesAgainWithGrowingPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		var tries []time.Duration
		begin := time.Now()
		s.fail = func(b Batch) error {
			if b.Calls != nil {
				tries = append(tries, time.Since(begin))
			}
			return errDown
		}
		l := open(t, Config{Sink: s})
		call(t, l)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Run(ctx) }()
		time.Sleep(time.Minute)
		cancel()
		if err := <-done; model.KindOf(err) != model.KindUnavailable {
			t.Errorf("run ends with %v although a call is not stored", err)
		}
		if len(tries) < 30 || len(tries) > 40 || tries[0] != DefaultBatchDelay {
			t.Errorf("in a minute it tried at %v", tries)
		}
		l.Close()
	})
}

func TestFlushGivesUpWithItsContext(t *testing.T) {
	l := open(t, Config{Sink: newSink()})
	defer l.Close()
	call(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Flush(ctx); model.KindOf(err) != model.KindTimeout {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestTimesOfOutcomesNeverRepeatOrGoBack(t *testing.T) {
	s := newSink()
	now := time.UnixMicro(2e15)
	dir := t.TempDir()
	for range 2 {
		l := open(t, Config{Dir: dir, Sink: s, Clock: func() time.Time { now = now.Add(-100 * time.Millisecond); return now }})
		for range 5 {
			call(t, l)
		}
		die(l)
	}
	l := open(t, Config{Dir: dir, Sink: s})
	stop := run(t, l)
	flush(t, l)
	stop()
	for i := 1; i < len(s.calls); i++ {
		if !s.calls[i-1].Ended.Before(s.calls[i].Ended) {
			t.Errorf("call %d ended at %v, the one before at %v", i, s.calls[i].Ended, s.calls[i-1].Ended)
		}
	}
}

// A clock that was wrong for a while is wrong for the calls of that while only,
// also over a restart.
func TestAClockThatStepsSpoilsNoLaterTimes(t *testing.T) {
	s := newSink()
	begin := time.UnixMicro(2e15).UTC()
	now, dir := begin, t.TempDir()
	var l *Log
	for i, step := range []time.Duration{0, time.Hour, -time.Hour, 0, -time.Hour, time.Hour, 0} {
		now = now.Add(step)
		if i%2 == 0 {
			l = open(t, Config{Dir: dir, Sink: s, Clock: func() time.Time { return now }})
		}
		call(t, l)
		call(t, l)
		if i%2 == 1 {
			die(l)
		}
	}
	stop := run(t, l)
	flush(t, l)
	stop()
	at := []time.Duration{0, time.Hour, 0, 0, -time.Hour, 0, 0}
	for i, c := range s.calls {
		if off := c.Ended.Sub(begin.Add(at[i/2])); off < 0 || off > time.Second {
			t.Errorf("call %d ended %v from when it did", i, off)
		}
	}
	if len(s.calls) != 2*len(at) {
		t.Errorf("%d calls are stored", len(s.calls))
	}
}

func TestConfigIsChecked(t *testing.T) {
	for param, c := range map[string]Config{
		"sink":          {},
		"sync":          {Sink: newSink(), Sync: 9},
		"segment_bytes": {Sink: newSink(), SegmentBytes: 1},
		"max_bytes":     {Sink: newSink(), MaxBytes: 5},
		"batch_calls":   {Sink: newSink(), BatchCalls: -1},
		"batch_delay":   {Sink: newSink(), BatchDelay: -1},
		"queue_calls":   {Sink: newSink(), QueueCalls: -1},
	} {
		_, err := Open(c)
		var e *model.Error
		if !errors.As(err, &e) || e.Kind != model.KindInvalid || e.Param != param {
			t.Errorf("%s: got %v", param, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Sink: newSink(), Dir: file}); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("a directory that is a file gives %v, want unavailable", err)
	}
}

func TestACallWhoseOutcomeIsLostIsClosedByTheNextOpen(t *testing.T) {
	s := &oneTimeSink{sink: newSink(), accept: always, state: map[model.CallID]model.State{}}
	dir := t.TempDir()
	d := newFaulty(dir)
	l := open(t, Config{Dir: dir, Sink: s, disk: d, QueueCalls: 1})
	kept, lost := sampleRecord(model.NewCallID(), 2), sampleRecord(model.NewCallID(), 2)
	intend(t, l, kept)
	intend(t, l, lost)
	if err := d.Remove(reserveName); err != nil {
		t.Fatal(err)
	}
	d.set(func() { d.room = 0 })
	for _, rec := range []*model.Record{kept, lost} {
		if err := l.Outcome(rec); model.KindOf(err) != model.KindUnavailable {
			t.Errorf("got %v, want unavailable", err)
		}
	}
	if st := l.Stats(); st.Undurable != 1 || st.Lost != 1 {
		t.Errorf("stats are %+v", st)
	}
	d.set(func() { d.room = 1 << 40 })
	stop := run(t, l)
	flush(t, l)
	stop()
	l = open(t, Config{Dir: dir, Sink: s})
	stop = run(t, l)
	flush(t, l)
	stop()
	if rec := s.record(t, kept.ID); rec.State != model.StateCompleted || s.count(kept.ID) != 1 {
		t.Errorf("the outcome that memory held is stored %d times, as %q", s.count(kept.ID), rec.State)
	}
	if rec := s.record(t, lost.ID); rec.State != model.StateFailed || s.count(lost.ID) != 1 {
		t.Errorf("the lost one is stored %d times, as %q", s.count(lost.ID), rec.State)
	}
}

func TestAnOutcomeOfAnotherVersionIsSetAside(t *testing.T) {
	s := newSink()
	l := open(t, Config{Dir: t.TempDir(), Sink: s})
	before := call(t, l)
	b := append(make([]byte, frameHeader), "not a payload of this version"...)
	l.mu.Lock()
	at, err := l.append(&frame{kind: frameOutcome, id: model.NewCallID()}, b, payloadSum(b[frameHeader:]), 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	l.tail = at.end()
	l.mu.Unlock()
	stop := run(t, l)
	flush(t, l)
	after := call(t, l)
	flush(t, l)
	stop()
	if s.count(before) != 1 || s.count(after) != 1 || l.Stats().Rejected != 1 {
		t.Errorf("before %d, after %d, stats %+v", s.count(before), s.count(after), l.Stats())
	}
}

// A spool that was put back from an older copy is read from its beginning, and
// the store told that it may have had all of it long ago.
func TestASpoolThatWasPutBack(t *testing.T) {
	s := newSink()
	l := open(t, Config{Dir: t.TempDir(), Sink: s})
	s.pos[l.Spool()] = Position{Segment: 99, Offset: 1}
	again := 0
	s.setFail(func(b Batch) error {
		if b.Again {
			again += len(b.Calls)
		}
		return nil
	})
	stop := run(t, l)
	for range 3 {
		call(t, l)
	}
	flush(t, l)
	stop()
	if again != 3 || len(s.calls) != 3 {
		t.Errorf("%d calls are stored, %d of them as ones that may come again; want 3", len(s.calls), again)
	}
}
