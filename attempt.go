package cartrita

import (
	"context"
	"errors"
	"time"

	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/internal/gate"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// attempt sends the call to one endpoint, for which it was opened, and relays
// the answer. Whatever happens, the endpoint's place and the money held are
// given back, its health learns the outcome, and the record's row is complete.
func (r *run) attempt(ctx context.Context, d route.Decision) (failure *model.Error) {
	cand, row := &r.plan.Candidates[d.Candidate], r.row()
	defer r.giveBack() // of an attempt that was never sent; a charge comes before
	if g := r.view.gates[cand.Index]; g != nil {
		if failure = r.enter(ctx, g, cand.Index); failure != nil {
			row.Error = recorded(failure)
			return failure
		}
		defer g.Leave()
	}
	start := r.now()
	row.StartMS = millis(start.Sub(r.call.Received))
	ticket, ok := r.view.health[cand.Index].Begin(start)
	if !ok {
		failure = &model.Error{Op: "cartrita.attempt", Kind: model.KindUnavailable, Message: "the endpoint takes no calls now"}
		row.Error = recorded(failure)
		return failure
	}
	r.took = r.rated // until it is known better
	finished := false
	defer func() { // also when a panic passes: our fault is not the endpoint's
		if !finished {
			r.assume()
			r.rec.Cost.Unpriced = true // what the upstream bills for it we do not know
			r.view.health[cand.Index].Done(r.now(), ticket, model.Outcome{Failed: true, Kind: model.KindInternal})
		}
	}()
	patient, done := r.patience(ctx, cand)
	failure = r.send(patient, cand)
	if failure != nil {
		failure = whose(ctx, patient, failure)
	}
	done()
	finished = true
	out := r.finish(row, start, cand, failure)
	if ctx.Err() != nil { // the caller left or set a short deadline: that says nothing about the endpoint
		out.Kind = model.KindCanceled
	}
	r.view.health[cand.Index].Done(r.now(), ticket, out)
	return failure
}

// retries counts how often the endpoint was tried before, for a retry.
func (r *run) retries(id model.EndpointID, action route.Action) (n int) {
	if action != route.Retry {
		return 0
	}
	for i := range r.rec.Attempts {
		if r.rec.Attempts[i].Endpoint == id {
			n++
		}
	}
	return n
}

// enter waits for a place at an endpoint that takes a limited number of calls.
func (r *run) enter(ctx context.Context, g *gate.Gate, index int) *model.Error {
	r.view.health[index].Queue(1)
	err := g.Enter(ctx, int8(r.call.Criteria.Context.Priority))
	r.view.health[index].Queue(-1)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gate.ErrFull):
		return &model.Error{Op: "cartrita.attempt", Kind: model.KindUnavailable, Message: "the endpoint's queue is full", Err: err}
	}
	return interrupted(ctx, model.AsError(err))
}

// send makes the attempt. For a stream it returns when the stream has ended.
func (r *run) send(ctx context.Context, cand *model.Candidate) *model.Error {
	index := cand.Index
	r.relay = relay{out: r.relay.out[:0], waiting: r.relay.waiting}
	r.resp = nil
	ep := r.view.snap.Served[index].Endpoint
	client := r.settings.Load().Providers[ep.Provider]
	if client == nil {
		return &model.Error{Op: "cartrita.attempt", Kind: model.KindUnavailable, Message: "the provider was removed from the configuration"}
	}
	call, failure := r.capped(cand)
	if failure != nil {
		return failure
	}
	before := r.now()
	resp, err := client.Do(ctx, ep, call)
	r.upstream += r.now().Sub(before)
	if err != nil {
		return model.AsError(err)
	}
	r.resp = resp
	if resp.Stream == nil {
		r.relay.usage = resp.Usage
		return nil
	}
	defer func() { _ = resp.Stream.Close() }() // the stream is over; what it ended with is known
	trust := r.view.trusts[index]
	alternative := len(r.rec.Attempts) < len(r.plan.Attempts)
	now := r.view.health[index].View(before)
	r.relay.hold = alternative && !trust.live(now.InFlight-now.Elsewhere)
	failure = r.relay.run(r, resp.Stream)
	if ctx.Err() == nil && !r.relay.first.IsZero() { // else it is our doing, or nothing that shows
		trust.learn(failure)
	}
	return failure
}

// finish completes the attempt's row with what it used and cost, and returns
// what the endpoint's health learns.
func (r *run) finish(row *model.Attempt, start time.Time, cand *model.Candidate, failure *model.Error) model.Outcome {
	latency := r.now().Sub(start) - r.relay.blocked
	row.LatencyMS = millis(latency)
	out := model.Outcome{Latency: latency}
	if !r.relay.first.IsZero() { // only a stream shows when its first token came
		out.TTFT = r.relay.first.Sub(start)
		row.TTFTMS = millis(out.TTFT)
	}
	if r.resp != nil {
		row.Status = r.resp.Status
	}
	if failure != nil {
		row.Status = max(row.Status, failure.Status)
		row.Error = recorded(failure)
		out.Failed, out.Kind, out.RetryAfter = true, failure.Kind, failure.RetryAfter
	}
	var billed bool
	bill := &r.bill
	if row.Usage, billed = r.used(cand, latency, failure); billed {
		*bill = r.view.profiles[cand.Index].Price(row.Usage, latency)
		row.Cost = bill.Total
		r.rec.Cost = cost.Sum(r.rec.Cost, *bill)
	}
	r.took = row.Usage.Input.Or(0) + row.Usage.Output.Or(0)
	r.charge(billed, &row.Usage, latency, bill)
	if billed && !cand.Estimate.Priced {
		r.noteUnpriced(cand)
	}
	out.OutputTokens = row.Usage.Output.Or(0)
	return out
}

func recorded(e *model.Error) *model.Failure {
	msg := e.Message
	if msg == "" {
		msg = e.Kind.String()
	}
	return &model.Failure{Kind: e.Kind, Message: msg}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
