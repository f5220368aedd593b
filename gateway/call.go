package gateway

import (
	"context"
	"strconv"

	"github.com/cartrita/cartrita"
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
		rec, err := x.carry(x.r.Context(), call, x)
		g.prompts.offer(x.who, call, rec)
		switch {
		case err != nil:
			x.tell(rec)
			x.fail(err)
		case x.status == 0:
			x.fail(model.Errorf("gateway.serveCall", model.KindInternal, ""))
		}
	}
}

// readCall makes the call of a request.
func (x *exchange) readCall(parse func([]byte) (*request, *model.Error)) (*model.Call, *model.Error) {
	body, err := x.readBody()
	if err != nil {
		return nil, err
	}
	return x.callOf(body, parse)
}

// callOf makes a call of a body, on the account of who sent the request.
func (x *exchange) callOf(body []byte, parse func([]byte) (*request, *model.Error)) (*model.Call, *model.Error) {
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

// carry takes a call past the limits and hands it to the service, which answers
// through w. An error is returned only when nothing was written to w.
func (x *exchange) carry(ctx context.Context, call *model.Call, w cartrita.Writer) (*model.Record, *model.Error) {
	g := x.g
	ask := g.reservation(call)
	if err := x.takeLimits(call.Criteria.Context.UserID, ask); err != nil {
		return nil, err
	}
	defer x.giveLimits()
	x.spent = 0 // unless it comes to be sent
	ctx, span := g.startSpan(ctx, x, call)
	defer span.end()
	if err := g.admit(ctx, call); err != nil {
		span.failed(err)
		return nil, err
	}
	defer g.gate.Leave()
	x.call = call.ID == x.id
	x.spent = ask.Least // should a fault of ours hide what it took
	rec, err := g.cfg.Service.Serve(ctx, call, w)
	x.spent = 0
	if rec != nil {
		x.spent = used(rec)
		if !call.MaxOutput.Known && rec.Usage.Output.Known {
			g.answers.saw(rec.Usage.Output.N / max(call.Choices, 1))
		}
		g.metrics.observe(rec)
		span.record(rec)
	}
	if err != nil {
		return rec, model.AsError(err)
	}
	return rec, nil
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
