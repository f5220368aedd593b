package event

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

// world is a Log, its disk and its sink under random trouble, with what a
// client was told.
type world struct {
	dir  string
	disk *faulty
	sink *oneTimeSink
	log  *Log
	in   *ingester
	now  time.Time

	open      []*model.Record                // intent recorded, no outcome yet
	finished  map[model.CallID]bool          // Outcome said it is durable
	uncertain map[model.CallID]bool          // Outcome said it is not
	left      map[model.CallID]*model.Record // under way when a process died
	faults    bool                           // the disk failed at some time
}

const always = 1 << 30

// oneTimeSink keeps the contract of a Sink, and notes calls that it is offered
// although it has them.
type oneTimeSink struct {
	*sink
	again     int
	state     map[model.CallID]model.State
	ambiguous bool // store, but say that it failed
	accept    int  // batches until it goes down
}

func (s *oneTimeSink) Ingest(ctx context.Context, b Batch) (stored []*Call, err error) {
	if s.accept == 0 {
		return nil, errDown
	}
	s.accept--
	var fresh []Call
	for _, c := range b.Calls {
		if s.count(c.ID) > 0 {
			s.again++
			continue
		}
		s.state[c.ID] = c.State
		fresh = append(fresh, c)
	}
	b.Calls = fresh
	if stored, err = s.sink.Ingest(ctx, b); err != nil {
		return nil, err
	}
	if s.ambiguous {
		return nil, errDown
	}
	return stored, nil
}

func (w *world) start(t *rapid.T) {
	l, err := Open(Config{
		Dir: w.dir, Sink: w.sink, disk: w.disk, SegmentBytes: 4 << 10, MaxBytes: 64 << 10, QueueCalls: 3, BatchCalls: 4,
		Clock: func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.log, w.in = l, &ingester{Log: l}
}

// crash ends the process; a frame that was being written is torn.
func (w *world) crash(t *rapid.T) {
	g := w.log.spool.active()
	name, size := segmentName(g.number), g.size
	die(w.log)
	torn := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "torn")
	if rapid.Bool().Draw(t, "torn frame") {
		torn = append([]byte(frameMagic), torn...)
	}
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(torn, size); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.open {
		w.left[r.ID] = r
	}
	w.open = nil
}

// TestExactlyOnce drives a Log through random crashes, torn frames, full
// disks, sinks that are away and sinks that store and say they did not. When
// all is well again: what a client was told is finished is stored once, in its
// final state; what a dead process left is stored once, as interrupted;
// nothing is stored twice.
func TestExactlyOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "spool")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		w := &world{
			dir: dir, disk: newFaulty(dir), now: time.UnixMicro(1e15), sink: &oneTimeSink{sink: newSink(), accept: always, state: map[model.CallID]model.State{}},
			finished: map[model.CallID]bool{}, uncertain: map[model.CallID]bool{}, left: map[model.CallID]*model.Record{},
		}
		w.start(t)
		ambiguities := 0
		intent := func(t *rapid.T) {
			rec := sampleRecord(model.NewCallID(), 1)
			if err := w.log.Intent(beforeAttempts(rec)); err == nil {
				w.open = append(w.open, rec)
			} else if model.KindOf(err) != model.KindUnavailable {
				t.Fatal(err)
			}
		}
		outcome := func(t *rapid.T, rec *model.Record) {
			if err := w.log.Outcome(rec); err == nil {
				w.finished[rec.ID] = true
			} else {
				w.uncertain[rec.ID] = true
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"intent":  intent,
			"intent2": intent,
			"outcome": func(t *rapid.T) {
				if len(w.open) == 0 {
					t.Skip("nothing under way")
				}
				i := rapid.IntRange(0, len(w.open)-1).Draw(t, "which")
				rec := w.open[i]
				w.open = append(w.open[:i], w.open[i+1:]...)
				outcome(t, rec)
			},
			"refused": func(t *rapid.T) { outcome(t, sampleRecord(model.NewCallID(), 1)) },
			"move":    func(*rapid.T) { _ = w.in.moveAll(context.Background()) },
			"crash": func(t *rapid.T) {
				w.disk.set(func() { w.disk.room = 1 << 40 })
				w.crash(t)
				w.start(t)
			},
			"crash on the disk as it is": func(t *rapid.T) {
				w.crash(t)
				w.start(t)
			},
			"clock back": func(*rapid.T) { w.now = w.now.Add(-time.Second) },
			"time":       func(*rapid.T) { w.now = w.now.Add(3 * time.Microsecond) },
			"disk": func(t *rapid.T) {
				room := rapid.SampledFrom([]int64{0, 100, 3000, 1 << 40}).Draw(t, "room")
				w.faults = w.faults || room < 1<<40
				w.disk.set(func() { w.disk.room = room })
			},
			"sink": func(t *rapid.T) {
				w.sink.accept = rapid.SampledFrom([]int{0, 1, 2, always}).Draw(t, "accept")
				w.sink.ambiguous = rapid.IntRange(0, 3).Draw(t, "ambiguous") == 0
				if w.sink.ambiguous {
					ambiguities++
				}
			},
		})

		w.sink.accept, w.sink.ambiguous = always, false
		w.disk.set(func() { w.disk.room = 1 << 40 })
		if err := w.in.moveAll(context.Background()); err != nil {
			t.Fatal(err)
		}
		if st := w.log.Stats(); st.Pending == 0 && st.Segments > 2 {
			t.Errorf("with nothing under way %d segments are kept", st.Segments)
		}
		w.crash(t)
		w.start(t)
		if err := w.in.moveAll(context.Background()); err != nil {
			t.Fatal(err)
		}
		defer die(w.log)
		w.check(t, ambiguities)
	})
}

func (w *world) check(t *rapid.T, ambiguities int) {
	for id := range w.finished {
		if n, s := w.sink.count(id), w.sink.state[id]; n != 1 || s != model.StateCompleted {
			t.Errorf("a finished call is stored %d times, as %q", n, s)
		}
	}
	for id := range w.left {
		if n, s := w.sink.count(id), w.sink.state[id]; n != 1 || s != model.StateFailed {
			t.Errorf("an interrupted call is stored %d times, as %q", n, s)
		}
	}
	for _, c := range w.sink.calls {
		if !w.finished[c.ID] && !w.uncertain[c.ID] && w.left[c.ID] == nil {
			t.Errorf("a call is stored that never was: %s", c.ID)
		}
		if len(c.PlanJSON) == 0 {
			t.Errorf("a call is stored without its plan")
		}
	}
	if !w.faults && ambiguities == 0 && w.sink.again > 0 {
		t.Errorf("%d calls were handed over twice", w.sink.again)
	}
	if st := w.log.Stats(); st.Pending != 0 || st.Queued != 0 || st.Backlog != 0 || st.Segments > 2 {
		t.Errorf("at rest the stats are %+v", st)
	}
}
