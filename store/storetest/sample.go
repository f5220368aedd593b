package storetest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// base is when the calls of the suite end; some minutes before a whole hour.
var base = time.Date(2026, 11, 23, 17, 50, 0, 123_000, time.UTC)

// Sample makes the n-th of a series of calls: deterministic, with a plan, and
// varied in everything that can be asked for. Each ends one second after the last.
func Sample(n int) event.Call {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	id := model.CallID{0: 1, 1: 0x90, 6: 0x70, 8: 0x80, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}
	endpoint := fmt.Sprintf("p%d/model-%d", n%2, n%3)
	ended := base.Add(time.Duration(n) * time.Second)
	r := &model.Record{
		ID: id, Received: ended.Add(-2 * time.Second), Surface: model.SurfaceChat, Task: model.Task(n % 4), Asked: "auto", Stream: n%2 == 0,
		State: model.StateCompleted, Model: model.ModelID(fmt.Sprintf("model-%d", n%3)), Endpoint: model.EndpointID(endpoint), Provider: fmt.Sprintf("p%d", n%2),
		Usage:     model.Usage{Input: model.Known(int64(100 + n)), CachedRead: model.Known(7), Output: model.Known(int64(rng.IntN(900))), Source: model.UsageUpstream},
		Cost:      model.CostBreakdown{Total: model.Money(rng.IntN(1e9)), Unpriced: n%11 == 0},
		Estimated: model.Money(rng.IntN(1e9)), LatencyMS: 1500.25, OverheadMS: 0.5,
		Plan: &model.Plan{
			Strategy: []string{"balanced", "speed-first"}[n/2%2], Weights: model.Weights{Quality: .5, Cost: .5}, Seed: uint64(n), Considered: 2, Eligible: 1, Confidence: 0.75,
			Candidates: []model.Candidate{{Endpoint: model.EndpointID(endpoint), Model: model.ModelID(fmt.Sprintf("model-%d", n%3)), Score: 0.5, Estimate: model.Estimate{Method: model.MethodPrior}}},
			Excluded:   []model.Exclusion{{Endpoint: "x", Model: "x", Filter: model.FilterMaxCost, Want: 1, Have: 2, Detail: "per call"}},
			Attempts:   []model.PlannedAttempt{{Candidate: 0, Step: model.StepBest}},
		},
	}
	r.Attempts = []model.Attempt{{Endpoint: r.Endpoint, Model: r.Model, Step: model.StepBest, LatencyMS: 1400, Status: 200, Usage: r.Usage, Cost: r.Cost.Total}}
	if n%6 == 4 { // it fell back from the other provider, which had billed for what had come
		first := model.Attempt{
			Endpoint: model.EndpointID(fmt.Sprintf("p%d/model-%d", (n+1)%2, n%3)), Model: r.Model, Step: model.StepBest, LatencyMS: 90, Status: 200,
			Usage: model.Usage{Input: model.Known(100), Output: model.Known(11), Source: model.UsageCounted}, Cost: r.Cost.Total / 4,
			Error: &model.Failure{Kind: model.KindUpstream, Message: "the stream broke off"},
		}
		r.Attempts[0].Cost -= first.Cost
		r.Attempts = append([]model.Attempt{first, first}, r.Attempts...)
		r.Attempts[1].Usage, r.Attempts[1].Cost = model.Usage{}, 0 // one that billed nothing
	}
	if n%3 > 0 {
		r.Context.UserID = fmt.Sprintf("user-%d", n%3)
		r.TTFTMS = 200
	}
	if n%4 == 0 {
		r.Context.WorkflowRunID, r.Context.Stage, r.Context.SessionID = fmt.Sprintf("run-%d", n%8), "draft", fmt.Sprintf("session-%d", n%5)
	}
	if n%5 > 0 {
		r.Caller = model.Caller{
			Key: model.KeyID(fmt.Sprintf("key-%d", n%5)), Team: fmt.Sprintf("team-%d", n%2), Project: fmt.Sprintf("project-%d", n%3),
			Tags: [][]string{nil, {"eu"}, {"batch", "eu"}}[n%3],
		}
		r.Context.Supervisor = fmt.Sprintf("boss-%d", n%2)
		r.Charges = []model.Charge{
			{Budget: "all", Period: base.Truncate(24 * time.Hour), Cost: r.Cost.Total, Tokens: 10, Requests: 1, Assumed: n%7 == 3},
			{Budget: model.BudgetID(fmt.Sprintf("teams/team-%d", n%2)), Period: ended.Truncate(time.Hour), Cost: r.Cost.Total, Tokens: 10, Requests: 1},
		}
	}
	if n%7 == 3 {
		r.State, r.Error = model.StateFailed, &model.Failure{Kind: model.KindTimeout, Message: "too late"}
	}
	c := event.Call{Started: ended.Add(-time.Second), Ended: ended, Record: r}
	return encode(c)
}

// encode gives a call the documents that the Log would give it.
func encode(c event.Call) event.Call {
	c.Summary, c.RecordJSON, c.PlanJSON = event.Summarize(c.Record), event.AppendRecord(nil, c.Record), nil
	if c.Record.Plan != nil {
		c.PlanJSON = event.AppendPlan(nil, c.Record.Plan)
	}
	return c
}

// decision makes a decision without a call, refused a call without intent or plan.
func decision(n int) event.Call {
	c := Sample(n)
	r := c.Record
	r.State, r.Attempts, r.Cost, r.Usage = model.StatePlanned, nil, model.CostBreakdown{}, model.Usage{}
	c.Started = time.Time{}
	return encode(c)
}

func refused(n int) event.Call {
	c := Sample(n)
	c.Started = time.Time{}
	c.Record = &model.Record{ID: c.Record.ID, Received: c.Record.Received, Surface: model.SurfaceChat, Task: model.TaskChat, Asked: "nobody",
		State: model.StateFailed, Error: &model.Failure{Kind: model.KindNoCandidate, Message: "nobody may serve it"}, LatencyMS: 0.3}
	return encode(c)
}

// unpaid makes a call that a budget refused before it was sent.
func unpaid(n int) event.Call {
	c := Sample(n)
	r := c.Record
	failure := &model.Failure{Kind: model.KindBudget, Message: "no money left"}
	r.State, r.Error, r.Usage, r.Cost, r.TTFTMS, r.LatencyMS = model.StateFailed, failure, model.Usage{}, model.CostBreakdown{}, 0, 0.2
	r.Attempts = []model.Attempt{{Endpoint: r.Endpoint, Model: r.Model, Step: model.StepBest, Error: failure}}
	return encode(c)
}

// ingest stores calls in batches of the given size.
func ingest(t *testing.T, s event.Sink, batch int, calls ...event.Call) {
	t.Helper()
	for len(calls) > 0 {
		n := min(batch, len(calls))
		if _, err := s.Ingest(t.Context(), event.Batch{Spool: "spool", Calls: calls[:n]}); err != nil {
			t.Fatal(err)
		}
		calls = calls[n:]
	}
}

func samples(n int) []event.Call {
	out := make([]event.Call, n)
	for i := range out {
		out[i] = Sample(i)
	}
	return out
}
