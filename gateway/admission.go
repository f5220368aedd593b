package gateway

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/internal/gate"
	"github.com/cartrita/cartrita/model"
)

const opAdmit = "gateway.admit"

// overloadRetry is when a caller that was refused for load is asked to come back.
const overloadRetry = time.Second

var (
	errQueueFull = &model.Error{
		Op: opAdmit, Kind: model.KindRateLimited, RetryAfter: overloadRetry,
		Message: "the gateway is at its limit of concurrent calls and its queue is full",
	}
	errQueueTimeout = &model.Error{
		Op: opAdmit, Kind: model.KindUnavailable, RetryAfter: overloadRetry,
		Message: "the call waited too long for a free place",
	}
	errBodyMemory = &model.Error{
		Op: opAdmit, Kind: model.KindUnavailable, RetryAfter: overloadRetry,
		Message: "the gateway holds as many request bytes as it may",
	}
)

// admit waits for a place among the calls that run at once, by priority, no
// longer than the queue timeout and the call's own deadline. A nil return
// needs one Leave of the gate.
func (g *Gateway) admit(ctx context.Context, call *model.Call) *model.Error {
	wait := &patience{Context: ctx, limit: g.cfg.Limits.QueueTimeout}
	defer wait.stop()
	deadline := false
	if ms := call.Criteria.Context.DeadlineMS; ms != nil {
		left := time.Duration(*ms)*time.Millisecond - g.cfg.Clock().Sub(call.Received)
		if deadline = left < wait.limit; deadline {
			wait.limit = left
		}
	}
	err := g.gate.Enter(wait, int8(call.Criteria.Context.Priority)) //nolint:contextcheck // wait is made of ctx
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gate.ErrFull):
		g.metrics.refused("queue_full")
		return errQueueFull
	case ctx.Err() != nil:
		return &model.Error{Op: opAdmit, Kind: model.KindCanceled, Err: err}
	case deadline:
		return model.Errorf(opAdmit, model.KindTimeout, "the call's deadline passed while it waited for a free place")
	}
	g.metrics.refused("queue_timeout")
	return errQueueTimeout
}

// patience is a context that ends after limit. Its timer starts when somebody
// first waits for it: most calls find a place at once and never pay for one.
type patience struct {
	context.Context
	limit  time.Duration
	timed  context.Context
	cancel context.CancelFunc
}

func (p *patience) Done() <-chan struct{} {
	if p.timed == nil {
		p.timed, p.cancel = context.WithTimeout(p.Context, p.limit)
	}
	return p.timed.Done()
}

func (p *patience) Err() error {
	if p.timed == nil {
		return p.Context.Err()
	}
	return p.timed.Err()
}

func (p *patience) stop() {
	if p.cancel != nil {
		p.cancel()
	}
}

// byteBudget bounds the bytes of request bodies held at once.
type byteBudget struct {
	limit int64
	used  atomic.Int64
}

// take reserves n bytes; false when the limit would be passed.
func (b *byteBudget) take(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *byteBudget) give(n int64) { b.used.Add(-n) }
