package mock

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// exchange sends one answer.
type exchange struct {
	w     http.ResponseWriter
	d     dialect
	m     *llm
	t     *turn
	dice  dice
	start time.Time
	fail  failure
	buf   []byte
}

// tokens is the number of tokens that are generated.
func (x *exchange) tokens() (all, shown int64) {
	for _, a := range x.t.answers {
		all += a.outputTokens
		shown += a.outputTokens
		if a.reasoning == "" {
			shown -= a.reasoningTokens
		}
	}
	return all, shown
}

// gap is the time of one token; 0 without limit.
func (x *exchange) gap() time.Duration {
	if x.t.profile.TokensPerSecond == 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / x.t.profile.TokensPerSecond)
}

// firstToken is when the first token is due: after the model's TTFT and the
// reasoning that it hides.
func (x *exchange) firstToken() time.Time {
	all, shown := x.tokens()
	p := x.t.profile
	return x.start.Add(x.dice.jitter(p.TTFT, p.Jitter) + time.Duration(all-shown)*x.gap())
}

// unary sends the answer as one body.
func (x *exchange) unary(ctx context.Context) {
	_, shown := x.tokens()
	if x.fail == failStall {
		x.m.stats.hung.Add(1)
		hang(ctx, x.t.profile)
	}
	due := x.firstToken().Add(x.dice.jitter(time.Duration(shown)*x.gap(), x.t.profile.Jitter))
	if !sleep(ctx, due) {
		x.m.stats.canceled.Add(1)
		return
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	*buf = x.d.unary((*buf)[:0], x.t)
	body := *buf
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if x.fail == failCut {
		x.m.stats.broken.Add(1)
		_, _ = x.w.Write(body[:len(body)/2]) // the connection closes anyhow
		_ = http.NewResponseController(x.w).Flush()
		panic(http.ErrAbortHandler)
	}
	if _, err := x.w.Write(body); err != nil {
		x.m.stats.canceled.Add(1)
		return
	}
	x.m.stats.answered.Add(1)
}

// maxPending is the number of bytes after which what is due is sent.
const maxPending = 32 << 10

// stream sends the answer token by token, each at its time.
func (x *exchange) stream(ctx context.Context) {
	buf := buffers.Get().(*[]byte)
	x.buf = (*buf)[:0]
	defer func() { *buf = x.buf[:0]; buffers.Put(buf) }()
	h := x.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")

	breakAt := x.breakAt()
	due, gap, sent := x.firstToken(), x.gap(), int64(0)
	if !sleep(ctx, due) {
		x.m.stats.canceled.Add(1)
		return
	}
	x.buf = x.d.begin(x.buf, x.t)
	if breakAt == 0 { // here, since an answer may have no token to show
		x.breakOff(ctx)
		return
	}
	for i, a := range x.t.answers {
		for p := range a.parts() {
			if sent == breakAt {
				x.breakOff(ctx)
				return
			}
			if !x.ready(ctx, due) {
				x.m.stats.canceled.Add(1)
				return
			}
			x.buf = x.d.part(x.buf, x.t, i, p)
			due = due.Add(x.dice.jitter(gap, x.t.profile.Jitter))
			sent++
		}
		x.buf = x.d.end(x.buf, x.t, i)
	}
	x.buf = x.d.done(x.buf, x.t)
	if !x.flush(ctx) {
		x.m.stats.canceled.Add(1)
		return
	}
	x.m.stats.answered.Add(1)
}

// breakAt is the number of tokens after which the stream breaks; −1 never.
func (x *exchange) breakAt() int64 {
	_, shown := x.tokens()
	switch x.fail {
	case failCut, failStall, failStream:
		if at := int64(x.t.profile.BreakAfter); at > 0 {
			return max(min(at, shown-1), 0)
		}
		return x.dice.Int64N(max(shown, 1))
	}
	return -1
}

// breakOff ends the stream in the middle, as the failure demands.
func (x *exchange) breakOff(ctx context.Context) {
	x.m.stats.broken.Add(1)
	if x.fail == failStream {
		x.buf = x.d.streamFault(x.buf, x.t.profile.serverFault())
		x.flush(ctx)
		return
	}
	x.flush(ctx)
	if x.fail == failStall {
		hang(ctx, x.t.profile)
	}
	panic(http.ErrAbortHandler)
}

// ready waits until a token is due, after sending what was due before it. It
// returns false if the client left.
func (x *exchange) ready(ctx context.Context, due time.Time) bool {
	paced := x.t.profile.TokensPerSecond > 0
	if paced && time.Until(due) > 0 {
		return x.flush(ctx) && sleep(ctx, due)
	}
	if len(x.buf) > maxPending {
		return x.flush(ctx)
	}
	return true
}

// flush sends what is pending.
func (x *exchange) flush(ctx context.Context) bool {
	if _, err := x.w.Write(x.buf); err != nil {
		return false
	}
	x.buf = x.buf[:0]
	return http.NewResponseController(x.w).Flush() == nil && ctx.Err() == nil
}
