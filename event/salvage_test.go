package event

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

// salvageWorld is a gateway that salvages, what others left, and a clock.
type salvageWorld struct {
	*sink
	b   *sharedBuffer
	l   *Log
	now time.Time
	out strings.Builder
}

func newSalvageWorld(t *testing.T) *salvageWorld {
	w := &salvageWorld{now: time.Now()}
	w.sink, w.b = storeAway()
	w.b.clock = func() time.Time { return w.now }
	w.l = open(t, Config{Dir: t.TempDir(), Sink: w.sink, Shared: sharing(w.b, 0), Logger: slog.New(slog.NewTextHandler(io.Writer(&w.out), nil))})
	t.Cleanup(func() { die(w.l) })
	return w
}

// salvage runs it after a time, with those gateways there.
func (w *salvageWorld) salvage(t *testing.T, later time.Duration, present ...*Log) {
	t.Helper()
	w.now = w.now.Add(later)
	there := map[string]bool{w.l.Spool(): true}
	for _, l := range present {
		there[l.Spool()] = true
	}
	if err := w.l.salvage(t.Context(), func(context.Context) (map[string]bool, error) { return there, nil }); err != nil {
		t.Fatal(err)
	}
}

// leave makes a gateway that puts calls into the buffer and stores none.
func (w *salvageWorld) leave(t *testing.T, calls int) (l *Log, ids []model.CallID) {
	t.Helper()
	l = open(t, Config{Dir: t.TempDir(), Sink: w.sink, Shared: sharing(w.b, 0)})
	t.Cleanup(func() { die(l) })
	stop, there := share(l), w.b.length()
	for range calls {
		ids = append(ids, call(t, l))
	}
	eventually(t, "entries", func() bool { return w.b.length() == there+calls })
	stop()
	return l, ids
}

// A gateway that is lost with its disk leaves what it recorded to the others:
// with its plan, under its own spool, once.
func TestTheCallsOfALostGatewayAreSalvaged(t *testing.T) {
	w := newSalvageWorld(t)
	_, ids := w.leave(t, 250)
	w.setFail(nil)
	_, _, _ = w.b.Put(t.Context(), [][]byte{[]byte("not ours"), sealShared(bytes.Repeat([]byte{8}, 32), &sharedCall{spool: "x", call: Call{Record: &model.Record{}}})}, 1000)
	w.salvage(t, 0)
	w.salvage(t, lostAfter)
	if w.count(ids[0]) > 0 {
		t.Fatal("what its gateway may still store is stored")
	}
	w.salvage(t, salvageAfter)
	w.salvage(t, lostAfter)
	for _, id := range ids {
		if n := w.count(id); n != 1 {
			t.Fatalf("call %s is stored %d times", id, n)
		}
		if rec := w.record(t, id); rec.Plan == nil || len(rec.Plan.Attempts) == 0 {
			t.Fatalf("call %s has lost its plan", id)
		}
	}
	if w.calls[0].Started.IsZero() || w.calls[0].Strategy == "" {
		t.Errorf("the first is %+v", w.calls[0])
	}
	if n := w.b.length(); n != 0 {
		t.Errorf("%d entries are left", n)
	}
	if got := w.l.Stats().Share; got.Salvaged != 250 || got.Foreign != 2 {
		t.Errorf("the counters are %+v", got)
	}
	if n := strings.Count(w.out.String(), "stored from the shared buffer"); n != 1 {
		t.Errorf("it says so %d times:\n%s", n, w.out.String())
	}
}

// What gateways have that are there, or were a moment ago, is left to them, and
// what is stored is only taken out.
func TestSalvageLeavesAloneWhatIsNotLost(t *testing.T) {
	w := newSalvageWorld(t)
	there, ids := w.leave(t, 3)
	gone, other := w.leave(t, 3)
	own := call(t, w.l)
	stop := share(w.l)
	eventually(t, "an entry", func() bool { return w.b.length() == 7 })
	stop()
	w.setFail(nil)
	left := func(want int, what string) {
		t.Helper()
		if n := w.b.length(); n != want || len(w.calls) > 0 {
			t.Fatalf("%s: %d entries are left and %d calls stored, want %d and none", what, n, len(w.calls), want)
		}
	}
	w.salvage(t, time.Hour, there)
	left(7, "one is not there")
	w.salvage(t, lostAfter-time.Second, there)
	left(7, "not for long")
	w.salvage(t, time.Second, there, gone)
	w.salvage(t, lostAfter, there)
	left(7, "it was there again")
	w.salvage(t, salvageClaim+time.Second, there)
	left(7, "nobody looked meanwhile")
	for _, id := range append(ids, own) {
		w.ids[id] = 1
	}
	w.salvage(t, time.Second, there)
	left(3, "others are stored")
	w.salvage(t, lostAfter, there)
	if len(w.calls) != 3 || w.count(other[0]) != 1 || w.b.length() != 0 {
		t.Errorf("in the end %d calls are stored, %d entries left", len(w.calls), w.b.length())
	}
}

// What a gateway could keep nowhere but in the buffer is stored from there while
// it lives.
func TestACallThatIsNowhereElseIsSalvaged(t *testing.T) {
	w := newSalvageWorld(t)
	full := open(t, Config{Sink: w.sink, QueueCalls: 1, Shared: sharing(w.b, 0)})
	stop := share(full)
	call(t, full)
	rec := sampleRecord(model.NewCallID(), 3)
	if err := full.Outcome(rec); model.KindOf(err) != model.KindUnavailable {
		t.Fatalf("memory is full, and it says %v", err)
	}
	eventually(t, "entries", func() bool { return w.b.length() == 2 })
	stop()
	w.setFail(nil)
	w.salvage(t, time.Hour, full)
	if len(w.calls) != 1 || w.count(rec.ID) != 1 || w.b.length() != 1 {
		t.Errorf("%d calls are stored, %d entries left", len(w.calls), w.b.length())
	}
	if len(full.share.held) != 1 {
		t.Errorf("%d calls are looked after, want the one that it has", len(full.share.held))
	}
}

// One process salvages, and the clocks of gateways do not matter.
func TestOneSalvagesByTheClockOfTheBuffer(t *testing.T) {
	w := newSalvageWorld(t)
	ahead := open(t, Config{Dir: t.TempDir(), Sink: w.sink, Shared: sharing(w.b, 0), Clock: func() time.Time { return time.Now().Add(24 * time.Hour) }})
	t.Cleanup(func() { die(ahead) })
	stop := share(ahead)
	id := call(t, ahead)
	eventually(t, "an entry", func() bool { return w.b.length() == 1 })
	stop()
	w.setFail(nil)
	w.b.holder = "another"
	w.salvage(t, time.Hour)
	w.salvage(t, lostAfter)
	if len(w.calls) > 0 {
		t.Fatal("it salvages while another one does")
	}
	w.b.holder = ""
	w.salvage(t, 0)
	w.salvage(t, lostAfter)
	if w.count(id) != 1 || w.b.length() != 0 {
		t.Errorf("the call of a gateway whose clock is ahead is stored %d times, %d entries left", w.count(id), w.b.length())
	}
}

// What gateways of another version left is not in the way of what lies behind it.
func TestSalvageLeavesOtherVersionsAlone(t *testing.T) {
	w := newSalvageWorld(t)
	other := append(make([]byte, sha256.Size), sharedVersion+1)
	copy(other, sharedSum(testSecret, other[sha256.Size:]))
	for range sharedAtOnce {
		if _, _, err := w.b.Put(t.Context(), [][]byte{other}, 1000); err != nil {
			t.Fatal(err)
		}
	}
	w.leave(t, 3)
	w.setFail(nil)
	w.salvage(t, time.Hour)
	w.salvage(t, lostAfter)
	if len(w.calls) != 3 || w.b.length() != sharedAtOnce {
		t.Errorf("%d calls are stored, %d entries left", len(w.calls), w.b.length())
	}
}

// A store that cannot take one call does not keep the others from being salvaged.
func TestSalvageGivesUpWhatCannotBeStored(t *testing.T) {
	w := newSalvageWorld(t)
	_, ids := w.leave(t, 5)
	w.setFail(func(b Batch) error {
		for i := range b.Calls {
			if b.Calls[i].ID == ids[2] {
				return model.Errorf("", model.KindInvalid, "no")
			}
		}
		return nil
	})
	w.salvage(t, time.Hour)
	w.salvage(t, lostAfter)
	if len(w.calls) != 4 || w.b.length() != 0 {
		t.Errorf("%d calls are stored, %d entries left", len(w.calls), w.b.length())
	}
	w.b.setFail(errDown)
	if err := w.l.salvage(t.Context(), nil); !errors.Is(err, errDown) {
		t.Errorf("a buffer that is away: %v", err)
	}
}
