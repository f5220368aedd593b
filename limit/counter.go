package limit

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/model"
)

// counter is what the calls of one scope took here, and the replica's part of
// what they took everywhere.
type counter struct {
	name  string // in the Shared
	value string // of "*" in the scope

	gone atomic.Bool // dropped: look the counter up again

	mu      sync.Mutex // guards what follows
	limit   *Limit     // as of the latest call; immutable
	width   int64      // of a step, in ns
	own     ring       // admitted here, by local time
	running int64
	last    int64 // when it was used, in ns of the limiter's time
	link    *link // nil: nobody shares it
	queued  bool  // to be looked after by Run
}

// Hold is what a call took. The zero value is nothing. It is used by one goroutine.
type Hold struct {
	limiter *Limiter
	takes   []take
	first   [2]take // room for the usual
}

// take is what was taken of one counter.
type take struct {
	c     *counter
	of    *counters
	step  int64 // of own
	lease int64 // step of the Shared; 0: taken alone
	epoch int64
	Amount
	slot   bool // a call at once
	tokens bool // are limited
}

// reading is what a counter has left.
type reading struct{ requests, tokens Gauge }

// takeLocal admits a call by what was admitted here. Caller holds the lock.
func (c *counter) takeLocal(now int64, limit *Limit, n Amount) *model.Error {
	switch {
	case limit.Concurrency > 0 && c.running >= limit.Concurrency:
		return refusal(c.limit, c.value, Concurrency, 1, concurrencyRetry)
	case limit.Requests > 0 && c.own.sum.Requests+n.Requests > limit.Requests:
		return refusal(c.limit, c.value, Requests, 1, c.wait(now, requestsOf, n.Requests, limit.Requests))
	case limit.Tokens > 0 && c.own.sum.Tokens+n.Tokens > limit.Tokens:
		return refusal(c.limit, c.value, TokensUnit, n.Tokens, c.wait(now, tokensOf, n.Tokens, limit.Tokens))
	}
	return nil
}

// concurrencyRetry is when a call should come back that found too many others.
const concurrencyRetry = time.Second

// wait is when so much fits; where it never will within a part of the limit, a step.
func (c *counter) wait(now int64, of func(Amount) int64, asked, limit int64) time.Duration {
	return until(now, c.width, max(c.own.frees(of, asked, limit), 1))
}

// begin counts an admitted call. Caller holds the lock.
func (c *counter) begin(n Amount) (step int64) {
	c.own.add(c.own.at, n)
	if c.limit.Concurrency > 0 {
		c.running++
	}
	return c.own.at
}

// end takes back what was admitted, in part or whole. Caller holds the lock.
func (c *counter) end(now int64, t *take, change Amount) {
	c.own.advance(now / c.width)
	if t.slot {
		c.running--
	}
	if change == (Amount{}) {
		return
	}
	less, more := split(change)
	if less != (Amount{}) && c.own.live(t.step) {
		c.own.add(t.step, less)
	}
	if more != (Amount{}) {
		c.own.add(c.own.at, more) // it is known only now
	}
}

// split parts what is given back from what is charged on top.
func split(a Amount) (less, more Amount) {
	return Amount{min(a.Requests, 0), min(a.Tokens, 0)}, Amount{max(a.Requests, 0), max(a.Tokens, 0)}
}

// read is what is left, by what was admitted here. Caller holds the lock.
func (c *counter) read(now int64, limit *Limit) (r reading) {
	if limit.Requests > 0 {
		r.requests = Gauge{c.limit.Requests, max(limit.Requests-c.own.sum.Requests, 0), until(now, c.width, c.own.empties(requestsOf))}
	}
	if limit.Tokens > 0 {
		r.tokens = Gauge{c.limit.Tokens, max(limit.Tokens-c.own.sum.Tokens, 0), until(now, c.width, c.own.empties(tokensOf))}
	}
	return r
}

// Release ends the call: the tokens that were reserved are replaced by those used.
func (h *Hold) Release(used int64) {
	for i := range h.takes {
		t := &h.takes[i]
		change := Amount{}
		if t.tokens {
			change.Tokens = used - t.Tokens
		}
		h.limiter.end(t, change)
	}
	h.takes = h.takes[:0]
}

// undo takes everything back: the call does not start.
func (h *Hold) undo() {
	for i := range h.takes {
		t := &h.takes[i]
		h.limiter.end(t, Amount{}.minus(t.Amount))
	}
	h.takes = h.takes[:0]
}
