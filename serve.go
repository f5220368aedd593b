package cartrita

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/route"
)

// keepCandidates bounds the candidates and exclusions that a call's record lists.
const keepCandidates = 8

// Serve carries one call from its arrival to its record: decide, hold the money,
// record the intent, attempt until an answer comes or the plan is used up, price, record
// the outcome, and only then finish the answer, so that no caller sees an end
// that a crash could forget.
//
// The record is read-only. An error is returned only when nothing was written
// to w: the gateway then renders it. A stream that fails after its start ends
// in w.End. Kinds: those of route.Decide, registry.Resolve and provider.Client.
func (s *Service) Serve(ctx context.Context, call *model.Call, w Writer) (*model.Record, error) {
	r := newRun(s, call, w)
	r.prompt, r.prefix = fingerprint(s.promptSeed, promptRaw(call))
	defer s.release(&r.answer)
	ctx, cancel := r.withDeadline(ctx)
	defer cancel()

	if err := s.decide(&r.question, &r.answer); err != nil {
		return r.refused(model.AsError(err))
	}
	r.rec.Plan, r.rec.Degraded = r.plan, r.degraded
	first, refusal := r.stake(ctx)
	if refusal != nil {
		return r.refused(refusal)
	}
	if err := s.events.Intent(r.rec); err != nil {
		r.giveBack()
		return nil, err
	}
	defer r.recordPanic()
	failure := r.attempts(ctx, first)
	r.settle(failure)
	return r.rec, r.deliver(failure)
}

// run is one call on its way.
type run struct {
	*Service
	call *model.Call
	w    Writer
	question
	answer
	rec   *model.Record
	money account
	rates limit.Hold // of the attempt under way, in limits by model and provider
	rated int64      // tokens that it reserved there
	took  int64      // tokens of it

	resp     *provider.Response  // of the attempt that succeeded
	final    int                 // index in view of the endpoint tried last
	bill     model.CostBreakdown // of the latest attempt that was billed
	started  bool                // content has reached the caller
	shown    time.Time           // when it did
	settled  bool
	relay    relay         // of the latest streamed attempt
	upstream time.Duration // spent waiting on upstreams
}

func newRun(s *Service, call *model.Call, w Writer) *run {
	return &run{
		Service: s, call: call, w: w,
		question: questionOf(call),
		rec: &model.Record{
			ID: call.ID, Received: call.Received, Surface: call.Surface, Task: call.Task, Asked: call.Model,
			Stream: call.Stream, Context: call.Criteria.Context, Caller: call.Caller, State: model.StatePlanned,
		},
	}
}

// questionOf is what a call asks for.
func questionOf(call *model.Call) question {
	q := question{
		id: call.ID, name: call.Model, criteria: &call.Criteria, task: call.Task, needs: call.Needs,
		size: cost.Request{
			Task: call.Task, PromptBytes: call.PromptBytes, Text: call.Text, Images: call.Images, Texts: call.Texts, Attached: call.Attached, MaxOutput: call.MaxOutput,
			Choices:     call.Choices,
			InputTokens: call.PromptTokens, OutputTokens: optional(call.Criteria.OutputTokens),
		},
		largest: call.Largest, text: func() string { return promptText(call) }, received: call.Received, keep: keepCandidates,
		subject: subjectOf(&call.Caller, &call.Criteria.Context),
	}
	if !q.size.InputTokens.Known {
		q.size.InputTokens = optional(call.Criteria.InputTokens)
	}
	q.messages, _ = call.Body.Get("messages")
	for _, key := range []string{"tools", "functions"} {
		raw, _ := call.Body.Get(key)
		q.tools = append(q.tools, raw...)
	}
	return q
}

func optional(n *int64) model.Count {
	if n == nil {
		return model.Count{}
	}
	return model.Known(*n)
}

// withDeadline bounds the call by the caller's own deadline.
func (r *run) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	ms := r.call.Criteria.Context.DeadlineMS
	if ms == nil {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, r.call.Received.Add(time.Duration(*ms)*time.Millisecond))
}

// refused records a call that no endpoint may serve, or that no budget pays for. A call that names an
// unknown model or strategy is a mistake in the request, of which no record is kept.
func (r *run) refused(failure *model.Error) (*model.Record, error) {
	if k := failure.Kind; k == model.KindNotFound || k == model.KindInvalid || k == model.KindForbidden {
		return nil, failure
	}
	r.rec.Plan, r.rec.Degraded = r.refusal(failure), r.degraded
	if failure.Kind == model.KindUnavailable && noCandidate(failure) == nil {
		// The database that shares the budgets is away, and as many such records as
		// callers like wait in the spool: what says nothing of the reason stays out.
		r.rec.Plan, r.rec.Attempts = nil, nil
	}
	r.settle(failure)
	return r.rec, failure
}

// refusal is the plan of a call that nobody may serve: who was excluded by what.
func (r *run) refusal(failure *model.Error) *model.Plan {
	none := noCandidate(failure)
	if none == nil {
		return r.plan
	}
	p := &model.Plan{
		Strategy: r.in.Strategy.Name, Weights: r.in.Strategy.Weights, Seed: r.in.Seed, Snapshot: r.in.Snapshot,
		Considered: none.Considered, Candidates: []model.Candidate{}, Attempts: []model.PlannedAttempt{},
	}
	p.Trace = r.refusedTrace
	for _, e := range none.Excluded {
		p.Excluded = append(p.Excluded, e.Exclusion)
	}
	return p
}

// attempts follows the plan, whose first attempt is open, until one succeeds,
// content has reached the caller, or the router says stop. It returns nil or
// the last failure.
func (r *run) attempts(ctx context.Context, next route.Decision) *model.Error {
	failure := r.attempt(ctx, next)
	for failure != nil && !r.started {
		if ctx.Err() != nil {
			return interrupted(ctx, failure)
		}
		next = route.Next(&r.in, r.plan, r.rec.Attempts, failure)
		if next.Action == route.Stop {
			return r.blame(failure)
		}
		if !sleep(ctx, next.Wait) {
			return interrupted(ctx, failure)
		}
		if failure = r.reopen(ctx, next); failure == nil {
			failure = r.attempt(ctx, next)
		}
	}
	return failure
}

// blame says, in the failure of an upstream, whose it is.
func (r *run) blame(failure *model.Error) *model.Error {
	if !failure.Kind.EndpointFault() {
		return failure
	}
	e := *failure
	e.Message = fmt.Sprintf("%s (endpoint %s, the last of %d attempts)", recorded(failure).Message,
		r.rec.Attempts[len(r.rec.Attempts)-1].Endpoint, len(r.rec.Attempts))
	return &e
}

// interrupted is the failure of a call whose context ended.
func interrupted(ctx context.Context, cause *model.Error) *model.Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &model.Error{Op: "cartrita.Serve", Kind: model.KindTimeout, Message: "the call's deadline passed", Err: cause}
	}
	return &model.Error{Op: "cartrita.Serve", Kind: model.KindCanceled, Message: "the caller went away", Err: cause}
}

// sleep waits; false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// recordPanic settles a call that a fault of ours broke off, so that it has
// its one terminal event, and lets the panic go on to the gateway.
func (r *run) recordPanic() {
	p := recover()
	if p == nil {
		return
	}
	if !r.settled {
		r.settle(&model.Error{Op: "cartrita.Serve", Kind: model.KindInternal, Err: fmt.Errorf("panic: %v", p)})
	}
	panic(p)
}

// deliver gives the caller what was held back until the outcome was recorded:
// the whole answer, or the end of the stream.
func (r *run) deliver(failure *model.Error) error {
	if failure != nil && !r.started {
		return failure
	}
	var err error
	switch {
	case r.started:
		if failure == nil {
			err = r.relay.tail(r)
		}
		if err == nil {
			err = r.w.End(r.rec, failure)
		}
	default:
		err = r.w.Answer(r.info(), r.resp.Status, r.resp.Header, r.resp.Body)
	}
	if err != nil { // the call itself is complete, recorded and paid for
		r.log.Debug("caller left before the end of the answer", "call", r.call.ID, "error", err)
	}
	return nil
}

// info is what the caller is told when the answer begins.
func (r *run) info() Info {
	last := &r.rec.Attempts[len(r.rec.Attempts)-1]
	served := &r.view.snap.Served[r.final]
	return Info{
		ID: r.call.ID, Model: last.Model, Endpoint: last.Endpoint, Provider: served.Provider,
		Attempts: len(r.rec.Attempts), Estimated: r.rec.Estimated,
		Cost: r.rec.Cost.Total, CostKnown: r.settled && !r.rec.Cost.Unpriced,
		Overhead: r.now().Sub(r.call.Received) - r.upstream,
	}
}
