package alert

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

func complete(t interface{ Fatal(...any) }, r Rule) Rule {
	if r.Name == "" {
		r.Name = string(r.Type)
	}
	if r.Threshold == nil {
		r.Threshold = number(0.5)
	}
	r, err := r.Complete()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What is stored adds up to the calls, whatever fails and however late they come.
func TestSamplesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		now := begin
		s := NewSampler("g", func() time.Time { return now })
		r := complete(t, Rule{Type: CostThreshold, By: "user", Window: model.Duration(time.Minute)})
		s.Watch([]Rule{r})
		stored := map[SampleKey]Sample{}
		var calls int64
		var cost float64
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				ended := begin.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "ended")) * time.Second)
				c := Call{Ended: ended, User: fmt.Sprint(rapid.IntRange(0, 1).Draw(t, "user")), Cost: model.USD}
				s.Add([]Call{c, c})
				calls, cost = calls+2, cost+2
			case 2:
				now = now.Add(time.Duration(rapid.IntRange(1, 200).Draw(t, "pass")) * time.Second)
			case 3:
				fails, half := rapid.Bool().Draw(t, "fails"), rapid.Bool().Draw(t, "stored nevertheless")
				_ = s.Flush(t.Context(), func(_ context.Context, samples []Sample) error {
					for _, p := range samples {
						if !fails || half {
							stored[p.Key()] = p
						}
					}
					if fails {
						return errors.New("away")
					}
					return nil
				})
			}
		}
		if err := s.Flush(t.Context(), func(_ context.Context, samples []Sample) error {
			for _, p := range samples {
				stored[p.Key()] = p
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for _, p := range stored {
			calls, cost = calls-p.Sum.Calls, cost-p.Sum.Total
		}
		if calls != 0 || cost != 0 {
			t.Fatalf("%d calls and %v dollars are missing in what is stored", calls, cost)
		}
	})
}

// Callers name users: neither their number nor their names grow without bound.
func TestSubjectsAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := NewSampler("g", func() time.Time { return now })
	s.Watch([]Rule{complete(t, Rule{Type: CostThreshold, By: "user"})})
	for i := range MaxSubjects + 50 {
		s.Add([]Call{{Ended: now, User: fmt.Sprintf("\x00%d\n%s", i, strings.Repeat("é", 300))}})
	}
	seen := map[string]int64{}
	err := s.Flush(t.Context(), func(_ context.Context, samples []Sample) error {
		for _, p := range samples {
			seen[p.Subject] += p.Sum.Calls
			if len(p.Subject) > maxSubject || strings.ContainsAny(p.Subject, "\x00\n") {
				t.Errorf("subject %q", p.Subject)
			}
		}
		return nil
	})
	if err != nil || len(seen) != MaxSubjects+1 || seen[Others] != 50 {
		t.Errorf("%v: %d subjects, %d others", err, len(seen), seen[Others])
	}
}

// What each type counts of a call.
func TestWhatCounts(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	failed := func(k model.Kind) Call { return Call{Ended: now, Failed: true, Fault: k, LatencyMS: 100} }
	there := Target{"m", "a/m", "a"}
	saved := Call{Ended: now, Endpoint: "b/m", Attempts: []Attempt{
		{Target: there, Failed: true, Fault: model.KindUpstream}, {Target: Target{"m", "b/m", "b"}},
	}}
	refused := Call{Ended: now, Attempts: []Attempt{{Target: Target{Endpoint: "a/m"}, Failed: true, Fault: model.KindContentPolicy}, {Target: Target{Endpoint: "b/m"}}}}
	// The circuits of a/m and a/n are open; b/m answers.
	around := Call{
		Ended: now, Model: "m", Endpoint: "b/m", Provider: "b", Attempts: []Attempt{{Target: Target{"m", "b/m", "b"}}},
		Shut: []Target{there, {"n", "a/n", "a"}}, Eligible: []Target{{"m", "b/m", "b"}},
	}
	charged := Call{Ended: now, Charges: []model.Charge{{Budget: "team/one", Cost: 2 * model.USD}, {Budget: "all", Cost: 3 * model.USD}}}
	for _, c := range []struct {
		rule Rule
		call Call
		want map[string]Sum
	}{
		{Rule{Type: ErrorRate}, failed(model.KindUpstream), map[string]Sum{"": {Calls: 1, Bad: 1}}},
		{Rule{Type: ErrorRate}, failed(model.KindTimeout), map[string]Sum{"": {Calls: 1, Bad: 1}}},
		{Rule{Type: ErrorRate}, failed(model.KindInvalid), nil}, // the caller's own fault says nothing of us
		{Rule{Type: ErrorRate}, failed(model.KindBudget), nil},
		{Rule{Type: ErrorRate}, failed(model.KindCanceled), nil},
		{Rule{Type: ErrorRate}, saved, map[string]Sum{"": {Calls: 1}}},
		{Rule{Type: ErrorRate, Scope: Scope{Endpoint: "a/m"}}, saved, nil},
		{Rule{Type: Availability}, saved, map[string]Sum{"a/m": {Calls: 1, Bad: 1}, "b/m": {Calls: 1}}},
		{Rule{Type: Availability, Scope: Scope{Provider: "a"}, By: "provider"}, saved, map[string]Sum{"a": {Calls: 1, Bad: 1}}},
		{Rule{Type: Availability}, refused, map[string]Sum{"b/m": {Calls: 1}}},
		{Rule{Type: Availability}, around, map[string]Sum{"a/m": {Calls: 1, Bad: 1}, "a/n": {Calls: 1, Bad: 1}, "b/m": {Calls: 1}}},
		{Rule{Type: Availability, By: "model"}, around, map[string]Sum{"m": {Calls: 1}, "n": {Calls: 1, Bad: 1}}},    // m could be had
		{Rule{Type: Availability, By: "provider"}, around, map[string]Sum{"a": {Calls: 1, Bad: 1}, "b": {Calls: 1}}}, // a call counts once
		{Rule{Type: Availability, By: "model", Scope: Scope{Provider: "a"}}, around, map[string]Sum{"m": {Calls: 1, Bad: 1}, "n": {Calls: 1, Bad: 1}}},
		{Rule{Type: ErrorRate}, around, map[string]Sum{"": {Calls: 1}}},
		{Rule{Type: SafetyViolation}, refused, map[string]Sum{"": {Bad: 1}}},
		{Rule{Type: SafetyViolation}, failed(model.KindContentPolicy), map[string]Sum{"": {Bad: 1}}},
		{Rule{Type: SafetyViolation}, saved, nil},
		{Rule{Type: LatencySpike}, failed(model.KindTimeout), nil}, // how long one waits for nothing is another matter
		{Rule{Type: LatencySpike}, Call{Ended: now, LatencyMS: 1}, map[string]Sum{"": {Calls: 1, Total: 1, Times: map[int]int64{0: 1}}}},
		{Rule{Type: LatencySpike, Metric: "ttft_p50"}, Call{Ended: now, LatencyMS: 1}, nil},
		{Rule{Type: BurnRate}, charged, map[string]Sum{"team/one": {Calls: 1, Total: 2}, "all": {Calls: 1, Total: 3}}},
		{Rule{Type: BurnRate, Scope: Scope{Budget: "team"}}, charged, map[string]Sum{"team/one": {Calls: 1, Total: 2}}},
		{Rule{Type: CostThreshold}, Call{Ended: now.Add(-25 * time.Hour), Cost: model.USD}, nil},
	} {
		s := NewSampler("g", func() time.Time { return now })
		s.Watch([]Rule{complete(t, c.rule)})
		s.Add([]Call{c.call})
		got := map[string]Sum{}
		if err := s.Flush(t.Context(), func(_ context.Context, samples []Sample) error {
			for _, p := range samples {
				got[p.Subject] = p.Sum
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(orEmpty(c.want)) {
			t.Errorf("%s of %+v: %v, want %v", c.rule.Type, c.call, got, c.want)
		}
	}
}

func orEmpty(m map[string]Sum) map[string]Sum {
	if m == nil {
		return map[string]Sum{}
	}
	return m
}
