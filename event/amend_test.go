package event

import (
	"testing"

	"github.com/cartrita/cartrita/model"
)

// A fallback changes what is at stake. The process dies during it: what its
// successor closes is the amended call, once, with the charges held last.
func TestAnAmendedIntentIsWhatACrashLeaves(t *testing.T) {
	s, dir := newSink(), t.TempDir()
	l := open(t, Config{Dir: dir, Sink: s})
	rec := sampleRecord(model.NewCallID(), 2)
	first := rec.Attempts[0]
	first.Error = &model.Failure{Kind: model.KindUpstream, Message: "broke"}
	rec.State, rec.Attempts = model.StatePlanned, nil
	rec.Charges = []model.Charge{{Budget: "all", Cost: 10}}
	intend(t, l, rec)
	rec.Attempts = []model.Attempt{first, {Endpoint: "lab/b", Model: "m-b", Step: model.StepNextBest}}
	rec.Charges = []model.Charge{{Budget: "all", Cost: 75}}
	if err := l.Amend(rec); err != nil {
		t.Fatal(err)
	}
	die(l)

	l = open(t, Config{Dir: dir, Sink: s})
	stop := run(t, l)
	flush(t, l)
	stop()
	if n := s.count(rec.ID); n != 1 {
		t.Fatalf("the call is %d times in the sink", n)
	}
	got := s.record(t, rec.ID)
	if got.State != model.StateFailed || got.Endpoint != "lab/b" || len(got.Attempts) != 2 || got.Attempts[0].Error.Message != "broke" || got.Attempts[1].Error == nil {
		t.Errorf("the call is recorded as %+v", got)
	}
	if len(got.Charges) != 1 || got.Charges[0].Cost != 75 || !got.Charges[0].Assumed {
		t.Errorf("the charges are %+v, want those of the amended intent, assumed", got.Charges)
	}
}

// An amended intent that ends releases every segment that it was written to.
func TestAmendedIntentsKeepNoSegment(t *testing.T) {
	s := newSink()
	l := open(t, Config{Dir: t.TempDir(), Sink: s, SegmentBytes: 64 << 10})
	stop := run(t, l)
	for range 100 {
		rec := sampleRecord(model.NewCallID(), 10)
		intend(t, l, rec)
		for range 2 {
			if err := l.Amend(rec); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Outcome(rec); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, l)
	defer stop()
	if st := l.Stats(); st.Intents != 100 || st.Outcomes != 100 {
		t.Errorf("%d intents and %d outcomes, want 100 of each", st.Intents, st.Outcomes)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.spool.segments {
		if g.refs != 0 {
			t.Errorf("segment %d is held by %d intents", g.number, g.refs)
		}
	}
}
