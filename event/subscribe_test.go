package event

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/model"
)

func kinds(es []Event) (out []Kind) {
	for _, e := range es {
		out = append(out, e.Kind)
	}
	return out
}

func TestSubscribersSeeWhatIsStored(t *testing.T) {
	s := newSink()
	l := open(t, Config{Dir: t.TempDir(), Sink: s})
	live := l.Subscribe(t.Context(), Filter{})
	costs := l.Subscribe(t.Context(), Filter{Kinds: []Kind{CostAccumulated}, User: "user-17"})
	nobody := l.Subscribe(t.Context(), Filter{User: "nobody"})
	team := l.Subscribe(t.Context(), Filter{Team: "search"})
	stop := run(t, l)
	whole := call(t, l)
	failed := sampleRecord(model.NewCallID(), 1)
	failed.State, failed.Error = model.StateFailed, &model.Failure{Kind: model.KindTimeout, Message: "late"}
	failed.Caller.Team = "search"
	intend(t, l, failed)
	if err := l.Outcome(failed); err != nil {
		t.Fatal(err)
	}
	decided := sampleRecord(model.NewCallID(), 1)
	decided.State, decided.Attempts = model.StatePlanned, nil
	if err := l.Outcome(decided); err != nil {
		t.Fatal(err)
	}
	refused := &model.Record{ID: model.NewCallID(), State: model.StateFailed}
	if err := l.Outcome(refused); err != nil {
		t.Fatal(err)
	}
	flush(t, l)
	stop() // ends the subscriptions

	got := slices.Collect(live)
	want := []Kind{
		CallPlanned, CallStarted, CallCompleted, CostAccumulated,
		CallPlanned, CallStarted, CallFailed, CostAccumulated,
		CallPlanned,
		CallFailed,
	}
	if diff := cmp.Diff(want, kinds(got)); diff != "" {
		t.Errorf("live events: want -, got +:\n%s", diff)
	}
	var stored []Event
	for _, c := range s.calls {
		c.Record = s.record(t, c.ID)
		stored = append(stored, Of(c)...)
	}
	if diff := cmp.Diff(stored, got, planOptions); diff != "" {
		t.Errorf("what is read back differs from what was seen: stored -, live +:\n%s", diff)
	}
	seen := map[string]bool{}
	for _, e := range got {
		if seen[e.ID] {
			t.Errorf("id %s is given twice", e.ID)
		}
		seen[e.ID] = true
	}
	if got := slices.Collect(team); len(got) != 4 || got[0].Call != failed.ID {
		t.Errorf("of the team's call %d events are seen, want all 4", len(got))
	}
	if got := slices.Collect(costs); len(got) != 2 || got[0].Call != whole {
		t.Errorf("costs of one user: %v", kinds(got))
	}
	if got := slices.Collect(nobody); len(got) != 0 {
		t.Errorf("events of nobody: %v", kinds(got))
	}
	if n := l.Stats().Subscribers; n != 0 {
		t.Errorf("%d subscribers are left", n)
	}
}

func TestASlowSubscriberIsToldWhatItMissed(t *testing.T) {
	l := open(t, Config{Sink: newSink(), QueueCalls: 1000})
	const fit, extra = 20, 10
	l.subs.room = fit * weight(&Event{Record: sampleRecord(model.NewCallID(), 3)}, false)
	slow := l.Subscribe(t.Context(), Filter{Kinds: []Kind{CallCompleted}})
	for range fit + extra {
		call(t, l)
	}
	n := 0
	for e := range slow {
		n++
		if n == 1 {
			call(t, l) // there is room again: this one arrives, and says what did not
		}
		want := uint64(0)
		if n == fit+1 {
			want = extra
			call(t, l)
		}
		if e.Missed != want {
			t.Errorf("event %d says that %d were missed, want %d", n, e.Missed, want)
		}
		if n == fit+2 {
			break
		}
	}
	if st := l.Stats(); st.Missed != extra || st.Subscribers != 0 {
		t.Errorf("stats are %+v", st)
	}
	l.Close()
	for range l.Subscribe(t.Context(), Filter{}) {
		t.Error("a closed log has events")
	}
}

// What was lost last is told without waiting for another event, whatever the
// subscriber asked for.
func TestTheLastMissedAreTold(t *testing.T) {
	l := open(t, Config{Sink: newSink(), QueueCalls: 1000})
	l.subs.room = 1
	slow := l.Subscribe(t.Context(), Filter{Kinds: []Kind{CallCompleted}, User: "user-17"})
	for range 4 {
		call(t, l)
	}
	l.Close()
	var got []Event
	for e := range slow {
		got = append(got, e)
	}
	if len(got) != 2 || got[0].Kind != CallCompleted || got[1].Kind != EventsMissed || got[1].Missed != 3 || got[1].At.IsZero() {
		t.Fatalf("the events are %+v", got)
	}
	if b, err := json.Marshal(got[1]); err != nil || !strings.Contains(string(b), `"type":"events.missed"`) || !strings.Contains(string(b), `"missed":3,"data":{}`) || strings.Contains(string(b), "call_id") {
		t.Errorf("it is written as %s, %v", b, err)
	}
}

// After an outage of the store thousands of calls come at once, before any
// subscriber can have read one.
func TestABacklogFits(t *testing.T) {
	l := open(t, Config{Sink: newSink()})
	all := l.Subscribe(t.Context(), Filter{})
	const calls = 5000
	for range calls {
		rec := sampleRecord(model.NewCallID(), 1)
		l.subs.publish(Of(Call{Summary: Summarize(rec), Started: rec.Received, Ended: rec.Received, Record: rec}))
	}
	l.Close()
	n := 0
	for e := range all {
		n++
		if e.Missed > 0 {
			t.Fatalf("%d of the first %d events were missed", e.Missed, n)
		}
	}
	if n != 4*calls {
		t.Errorf("%d events, want %d", n, 4*calls)
	}
}

func TestASubscriptionEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, Config{Sink: newSink()})
		defer l.Close()
		ctx, cancel := context.WithCancel(t.Context())
		events := l.Subscribe(ctx, Filter{})
		never := l.Subscribe(ctx, Filter{}) // not even ranged over
		_ = never
		done := make(chan int)
		go func() {
			n := 0
			for range events {
				n++
			}
			done <- n
		}()
		synctest.Wait()
		cancel()
		if n := <-done; n != 0 {
			t.Errorf("%d events from nowhere", n)
		}
		synctest.Wait()
		if n := l.Stats().Subscribers; n != 0 {
			t.Errorf("%d subscribers are left", n)
		}
	})
}

func TestEventsCrossTheWire(t *testing.T) {
	rec := sampleRecord(model.NewCallID(), 2)
	c := Call{Summary: Summarize(rec), Started: rec.Received, Ended: rec.Received, Record: rec}
	for _, e := range Of(c) {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var got Event
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%v in %s", err, b)
		}
		if got.ID != e.ID || got.Kind != e.Kind || !got.At.Equal(e.At) || got.Call != e.Call || got.Record.Endpoint == "" {
			t.Errorf("%s is read as %+v", b, got)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(b, &members); err != nil {
			t.Fatal(err)
		}
		var data map[string]json.RawMessage
		if err := json.Unmarshal(members["data"], &data); err != nil {
			t.Fatal(err)
		}
		_, plan := data["plan"]
		_, cost := data["cost"]
		_, attempts := data["attempts"]
		if plan != (e.Kind == CallPlanned) || cost != (e.Kind.Terminal() || e.Kind == CostAccumulated) || attempts != e.Kind.Terminal() {
			t.Errorf("%s carries %s", e.Kind, members["data"])
		}
	}
}
