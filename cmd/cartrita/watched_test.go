package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/memory"
	"github.com/cartrita/cartrita/store/storetest"
)

// A call that the store has already, as another gateway brought it, does not
// count for the alerts once more.
func TestACallCountsForAlertsOnce(t *testing.T) {
	s, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	one, other := alert.NewSampler("one", time.Now), alert.NewSampler("other", time.Now)
	threshold := 0.5
	rules, err := alert.CheckRules([]alert.Rule{{Name: "errors", Type: alert.ErrorRate, Threshold: &threshold}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Second)
	var calls []event.Call
	for i := range 3 {
		c := storetest.Sample(i)
		c.Ended = now
		calls = append(calls, c)
	}
	counted := 0
	for i, sampler := range []*alert.Sampler{one, other} {
		sampler.Watch(rules)
		if _, err := (watched{s, sampler}).Ingest(t.Context(), event.Batch{Calls: calls[:2+i]}); err != nil {
			t.Fatal(err)
		}
		if err := sampler.Flush(t.Context(), func(_ context.Context, samples []alert.Sample) error {
			for _, sample := range samples {
				counted += int(sample.Sum.Calls)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if counted != 3 {
		t.Errorf("3 calls count as %d", counted)
	}
}

// An endpoint whose circuit is open is not available to the calls that find it so.
func TestAnOpenCircuitCountsForAlerts(t *testing.T) {
	c := storetest.Sample(0)
	c.PlanJSON = event.AppendPlan(nil, &model.Plan{
		Candidates: []model.Candidate{{Endpoint: "near/m", Model: "m"}},
		Excluded: []model.Exclusion{
			{Endpoint: "far/m", Model: "m", Filter: model.FilterCircuit}, {Endpoint: "dear/m", Model: "m", Filter: model.FilterMaxCost},
		},
	})
	got := alertCall(&c, true)
	if want := []alert.Target{{Model: "m", Endpoint: "far/m", Provider: "far"}}; !slices.Equal(got.Shut, want) {
		t.Errorf("shut %v, want %v", got.Shut, want)
	}
	if want := []alert.Target{{Model: "m", Endpoint: "near/m", Provider: "near"}}; !slices.Equal(got.Eligible, want) {
		t.Errorf("eligible %v, want %v", got.Eligible, want)
	}
	if got = alertCall(&c, false); got.Shut != nil {
		t.Errorf("nobody asked, and got %v", got.Shut)
	}
}
