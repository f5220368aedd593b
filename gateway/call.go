package gateway

import (
	"context"
	"strconv"

	"github.com/cartrita/cartrita/model"
)

// serveCall serves a surface whose bodies become calls.
func (g *Gateway) serveCall(parse func([]byte) (*request, *model.Error)) func(*exchange) {
	return func(x *exchange) {
		defer x.releaseBody()
		call, err := x.readCall(parse)
		if err != nil {
			x.fail(err)
			return
		}
		if err := x.takeLimits(g.reservation(call, x.who.Limits.Tokens)); err != nil {
			x.fail(err)
			return
		}
		defer x.giveLimits()
		ctx, span := g.startSpan(x, call)
		defer span.end()
		if err := g.admit(ctx, call); err != nil {
			span.failed(err)
			x.fail(err)
			return
		}
		defer g.gate.Leave()
		x.carry(ctx, call, span)
	}
}

// readCall makes the call of a request.
func (x *exchange) readCall(parse func([]byte) (*request, *model.Error)) (*model.Call, *model.Error) {
	body, err := x.readBody()
	if err != nil {
		return nil, err
	}
	q, err := parse(body)
	if err != nil {
		return nil, err
	}
	if err := x.g.wishes(q, x.r.Header, x.who); err != nil {
		return nil, err
	}
	q.call.ID, q.call.Received = x.id, x.received
	q.call.Caller, q.call.Criteria.Allow = x.who.Caller, x.who.Allow
	return &q.call, nil
}

// carry hands the call to the service, which answers through x, and renders
// the error if nothing was answered.
func (x *exchange) carry(ctx context.Context, call *model.Call, span span) {
	x.call = true
	x.spent = x.taken // should a fault of ours hide what it took
	rec, err := x.g.cfg.Service.Serve(ctx, call, x)
	x.spent = 0
	if rec != nil {
		x.spent = used(rec)
		if !call.MaxOutput.Known && rec.Usage.Output.Known {
			x.g.answers.saw(rec.Usage.Output.N / max(call.Choices, 1))
		}
		x.g.metrics.observe(rec)
		span.record(rec)
	}
	if err != nil {
		x.tell(rec)
		x.fail(model.AsError(err))
		return
	}
	if x.status == 0 {
		x.fail(model.Errorf("gateway.carry", model.KindInternal, ""))
	}
}

// tell sets the headers that say who was tried before a call failed.
func (x *exchange) tell(rec *model.Record) {
	if rec == nil || len(rec.Attempts) == 0 || x.started {
		return
	}
	h := x.w.Header()
	x.set(h, headerModel, string(rec.Model))
	x.set(h, headerEndpoint, string(rec.Endpoint))
	x.set(h, headerProvider, rec.Provider)
	x.set(h, headerAttempts, strconv.Itoa(len(rec.Attempts)))
}
