// Package rows makes as many stored events as a test of a store's speed wants,
// always the same ones: the calls of three months at a company with a thousand
// users, with the documents that a gateway would store.
//
// Everything about the n-th call follows from n and from the size of the set.
// What is common is skewed, as in life: few users, models and keys make most
// calls. One call in a thousand carries the tag that a search for a needle
// looks for.
package rows

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// The time in which the calls ended.
var (
	Since = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	Until = Since.AddDate(0, 3, 0)
)

// Needle is a tag of one call in a thousand.
const Needle = "needle"

// How many there are of what calls are told apart by.
const (
	Users  = 1000
	models = 12
	hosts  = 5
)

// Set is a set of calls of about so many events.
type Set struct{ Events int }

// perCall is how many events a call is on average, in hundredths: four of a
// call that was sent, one of a decision without a call and of a refusal.
const perCall = 382

// Calls is how many calls the set has.
func (s Set) Calls() int { return max(s.Events*100/perCall, 1) }

// ID returns the id of the n-th call.
func (s Set) ID(n int) model.CallID {
	var id model.CallID
	binary.BigEndian.PutUint64(id[:8], uint64(s.ended(n).UnixMilli())<<16)
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	id[6], id[8] = id[6]|0x70, 0x80
	return id
}

func (s Set) ended(n int) time.Time {
	return Since.Add(Until.Sub(Since) / time.Duration(s.Calls()) * time.Duration(n)).Truncate(time.Microsecond)
}

// Call makes the n-th call, from 0.
func (s Set) Call(n int) event.Call {
	rng := rand.New(rand.NewPCG(uint64(n), 11))
	ended := s.ended(n)
	r := &model.Record{
		ID: s.ID(n), Received: ended.Add(-2 * time.Second), Surface: model.SurfaceChat, Task: model.Task(rng.IntN(4)), Asked: "auto",
		Stream: rng.IntN(2) == 0, OverheadMS: rng.Float64(),
	}
	r.Context, r.Caller = origin(rng, n)
	c := event.Call{Ended: ended, Record: r}
	switch {
	case n%33 == 7: // refused before any decision
		r.State, r.Error, r.LatencyMS = model.StateFailed, &model.Failure{Kind: model.KindNoCandidate, Message: "nobody may serve it"}, 0.3
	case n%33 == 20: // a question for a decision
		plan(rng, r)
		r.State = model.StatePlanned
	default:
		c.Started = ended.Add(-time.Second)
		plan(rng, r)
		serve(rng, r, ended)
	}
	c.Summary, c.RecordJSON = event.Summarize(r), event.AppendRecord(nil, r)
	if r.Plan != nil {
		c.PlanJSON = event.AppendPlan(nil, r.Plan)
	}
	return c
}

// skewed picks one of n, the first far more often than the last.
func skewed(rng *rand.Rand, n int) int {
	f := rng.Float64()
	return int(f * f * f * float64(n))
}

// origin says who asked.
func origin(rng *rand.Rand, n int) (c model.Context, who model.Caller) {
	user := skewed(rng, Users)
	team := user % 20
	c.UserID, c.Supervisor = fmt.Sprintf("user-%d", user), fmt.Sprintf("boss-%d", team)
	if n%4 == 0 {
		c.WorkflowRunID, c.Stage, c.SessionID = fmt.Sprintf("run-%d", n/40), fmt.Sprintf("stage-%d", n/4%6), fmt.Sprintf("session-%d", n/20)
	}
	who = model.Caller{
		Key: model.KeyID(fmt.Sprintf("key-%d", user%100)), Team: fmt.Sprintf("team-%d", team), Project: fmt.Sprintf("project-%d", user%40),
		Tags: []string{[]string{"eu", "us"}[user%2]},
	}
	if n%1000 == 500 {
		who.Tags = append(who.Tags, Needle)
	}
	return c, who
}

func endpoint(m, host int) (model.EndpointID, model.ModelID) {
	name := fmt.Sprintf("model-%d-instruct", m)
	return model.EndpointID(fmt.Sprintf("host-%d/%s", host, name)), model.ModelID(name)
}

// plan decides: eight candidates, as many as a gateway keeps.
func plan(rng *rand.Rand, r *model.Record) {
	p := &model.Plan{
		Strategy: []string{"balanced", "cost-first", "speed-first"}[skewed(rng, 3)], Weights: model.Weights{Quality: .5, Cost: .5}, Seed: rng.Uint64(),
		Considered: 10, Eligible: 8, Confidence: rng.Float64(), Attempts: []model.PlannedAttempt{{Candidate: 0, Step: model.StepBest}},
		Trace: make([]byte, 300), // what one takes of a store after compression
	}
	for i := range p.Trace {
		p.Trace[i] = byte(rng.Uint32())
	}
	term := func() model.Term { return model.Term{Score: rng.Float64(), Value: rng.Float64() * 100, Known: true} }
	m := skewed(rng, models)
	for i := range 10 {
		e, id := endpoint((m+i)%models, rng.IntN(hosts))
		if i >= 8 {
			p.Excluded = append(p.Excluded, model.Exclusion{Endpoint: e, Model: id, Filter: model.FilterMaxCost, Want: 1, Have: 1 + rng.Float64()})
			continue
		}
		p.Candidates = append(p.Candidates, model.Candidate{
			Endpoint: e, Model: id, Score: 1 - float64(i)/10,
			Terms:    model.Terms{Quality: term(), Cost: term(), Latency: term(), Safety: term(), Availability: term()},
			Estimate: model.Estimate{Expected: model.Money(rng.IntN(1e8)), High: 1e8, InputTokens: int64(rng.IntN(4000)), OutputTokens: 300, Method: model.MethodLearned},
		})
	}
	first := p.First()
	r.Plan, r.Model, r.Endpoint, r.Provider = p, first.Model, first.Endpoint, first.Endpoint.Provider()
	r.Estimated = first.Estimate.Expected
}

// serve sends the call: one in fifty fails.
func serve(rng *rand.Rand, r *model.Record, ended time.Time) {
	r.State, r.LatencyMS = model.StateCompleted, 300+rng.Float64()*3000
	r.Usage = model.Usage{Input: model.Known(int64(rng.IntN(4000))), Output: model.Known(int64(rng.IntN(900))), Source: model.UsageUpstream}
	r.Cost.Total = model.Money(rng.IntN(1e8))
	a := model.Attempt{Endpoint: r.Endpoint, Model: r.Model, Step: model.StepBest, LatencyMS: r.LatencyMS, Status: 200, Usage: r.Usage, Cost: r.Cost.Total}
	if r.Stream {
		r.TTFTMS = 50 + rng.Float64()*400
	}
	if rng.IntN(50) == 0 {
		r.State, r.Error = model.StateFailed, &model.Failure{Kind: model.KindTimeout, Message: "too late"}
		a.Error, a.Status = r.Error, 0
	}
	r.Attempts = []model.Attempt{a}
	r.Charges = []model.Charge{
		{Budget: "all", Period: ended.Truncate(24 * time.Hour), Cost: r.Cost.Total, Tokens: 10, Requests: 1},
		{Budget: model.BudgetID("teams/" + r.Caller.Team), Period: ended.Truncate(24 * time.Hour), Cost: r.Cost.Total, Tokens: 10, Requests: 1},
	}
}
