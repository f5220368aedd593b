package limit

import (
	"context"
	"time"

	"github.com/cartrita/cartrita/model"
)

// RefusalTTL is how long a refusal of the Shared is remembered: what others give
// back may be there then.
const RefusalTTL = 100 * time.Millisecond

const (
	maxChunk   = 1024               // requests that a lease takes beyond those who wait
	slotMargin = int64(time.Second) // by which slots end earlier here than at the Shared
	slotRenew  = int64(SlotTTL * 2 / 3)
)

// link is a counter's part of a shared one. It is guarded by the counter's lock.
type link struct {
	epoch int64

	left  Amount // of the lease
	lease int64  // the step of the Shared in which it was granted
	until int64  // good until then, in ns of the limiter's time
	chunk int64

	slots      int64
	slotsUntil int64
	tight      bool

	given []Delta // to be told, in steps of the Shared
	alone []Delta // to be told, in steps of the counter

	refused      [3]int64 // requests, tokens, slots: until when they are remembered
	refusedAsked int64    // tokens
	retryAt      int64

	busy  chan struct{} // closed when the exchange under way is over; nil: there is none
	waits Amount        // what those who wait for it ask for
	calls int64

	sum     Amount // at the Shared, as of the last grant
	resetAt [2]int64
}

// takeLeased takes from the lease, after an exchange where that is needed: then
// the counter's lock is let go meanwhile. Not done and no error: look again.
func (l *Limiter) takeLeased(ctx context.Context, c *counter, n Amount, t *take) (done bool, err *model.Error) {
	k, now := c.link, l.now()
	c.own.advance(now / c.width)
	if k.has(c, now, n) {
		k.left = k.left.minus(k.counted(c, n))
		t.lease, t.epoch = k.lease, k.epoch
		return true, nil
	}
	if unit, asked := k.remembers(c, now, n); unit != "" {
		return false, refusal(c.limit, c.value, unit, asked, time.Duration(max(k.retryAt-now, 1)))
	}
	k.waits, k.calls = k.waits.plus(n), k.calls+1
	defer func() { k.waits, k.calls = k.waits.minus(n), k.calls-1 }()
	if busy := k.busy; busy != nil {
		c.mu.Unlock()
		defer c.mu.Lock()
		select {
		case <-busy:
			return false, nil
		case <-ctx.Done():
			return false, &model.Error{Op: "limit.Acquire", Kind: model.KindCanceled, Err: ctx.Err()}
		}
	}
	d := k.demand(c, now, n)
	g, ok := l.exchangeOne(ctx, c, d)
	if ok && g.Refused != "" {
		asked := int64(1)
		if g.Refused == TokensUnit {
			asked = n.Tokens
		}
		return false, refusal(c.limit, c.value, g.Refused, asked, time.Duration(max(k.retryAt-l.now(), 1)))
	}
	if ok && !g.Lost { // what the call asked for is its own, whoever waits beside it
		k.left = k.left.minus(k.counted(c, n))
		t.lease, t.epoch = k.lease, k.epoch
		return true, nil
	}
	return false, nil
}

// counted is the part of an amount that the limit counts.
func (k *link) counted(c *counter, n Amount) Amount {
	if c.limit.Requests == 0 {
		n.Requests = 0
	}
	if c.limit.Tokens == 0 {
		n.Tokens = 0
	}
	return n
}

// has reports whether the lease and the slots have room for the call.
func (k *link) has(c *counter, now int64, n Amount) bool {
	if c.limit.Concurrency > 0 && (c.running >= k.slots || now >= k.slotsUntil) {
		return false
	}
	n = k.counted(c, n)
	if n == (Amount{}) {
		return k.epoch != 0
	}
	return now < k.until && k.left.Requests >= n.Requests && k.left.Tokens >= n.Tokens
}

// remembers is what the Shared refused a moment ago and would again.
func (k *link) remembers(c *counter, now int64, n Amount) (Unit, int64) {
	switch {
	case c.limit.Concurrency > 0 && now < k.refused[2]:
		return Concurrency, 1
	case c.limit.Requests > 0 && now < k.refused[0]:
		return Requests, 1
	case c.limit.Tokens > 0 && now < k.refused[1] && n.Tokens >= k.refusedAsked:
		return TokensUnit, n.Tokens
	}
	return "", 0
}

// demand asks for a call, for those that wait beside it, and for a lease that
// grows while leases are used up and shrinks while they are not.
func (k *link) demand(c *counter, now int64, n Amount) *Demand {
	switch {
	case now < k.until:
		k.chunk = min(max(2*k.chunk, 1), maxChunk)
	case k.left != (Amount{}):
		k.chunk /= 2
	}
	d := k.report(c, now)
	d.Least = k.counted(c, n)
	d.Want = k.counted(c, k.waits)
	d.Most = k.counted(c, k.waits.plus(Amount{k.chunk, k.chunk * n.Tokens}))
	if c.limit.Concurrency > 0 {
		d.LeastSlots = c.running + 1
		d.WantSlots = c.running + k.calls
		d.MostSlots = d.WantSlots + c.running/4
		k.slots = min(k.slots, d.MostSlots)
	}
	return d
}

// report tells the Shared what it does not know yet, and gives back what is left.
func (k *link) report(c *counter, now int64) *Demand {
	k.giveBack()
	d := &Demand{
		Counter: c.name, Window: c.limit.Window, Limit: Amount{c.limit.Requests, c.limit.Tokens}, Slots: c.limit.Concurrency,
		Epoch: k.epoch, Given: k.given, Running: c.running, LeastSlots: c.running, MostSlots: c.running + c.running/4,
	}
	if c.limit.Concurrency == 0 {
		d.Running, d.LeastSlots, d.MostSlots = 0, 0, 0
	} else if k.tight {
		d.MostSlots = c.running
	}
	k.slots = min(k.slots, d.MostSlots) // from now on, not only once it is answered
	at := now / c.width
	if k.epoch == 0 { // it may be a counter that forgot us, or one that we never knew
		for s := at - liveLocal + 1; s <= at; s++ {
			if n := c.own.n[s&(ringSize-1)]; n != (Amount{}) {
				d.Aged = append(d.Aged, Delta{at - s, n})
			}
		}
	} else {
		for _, n := range k.alone {
			d.Aged = append(d.Aged, Delta{at - n.Step, n.Amount})
		}
	}
	k.given, k.alone = nil, nil
	return d
}

// giveBack ends the lease.
func (k *link) giveBack() {
	if k.left != (Amount{}) && k.epoch != 0 {
		k.given = merge(k.given, Delta{k.lease, Amount{}.minus(k.left)})
	}
	k.left, k.until = Amount{}, 0
}

// merge adds a correction to those of its step.
func merge(list []Delta, d Delta) []Delta {
	for i := range list {
		if list[i].Step == d.Step {
			list[i].Amount = list[i].plus(d.Amount)
			return list
		}
	}
	return append(list, d)
}

// exchangeOne has the Shared meet a demand; the counter's lock is let go
// meanwhile. Not ok: the Shared is away.
func (l *Limiter) exchangeOne(ctx context.Context, c *counter, d *Demand) (g Grant, ok bool) {
	k := c.link
	k.busy = make(chan struct{})
	sent := l.now()
	c.mu.Unlock()
	grants, err := l.exchange(ctx, []Demand{*d})
	c.mu.Lock()
	if err == nil {
		g = grants[0]
		k.apply(c, l.now(), sent, d, &g)
	} else {
		k.failed(d, sent/c.width)
	}
	close(k.busy)
	k.busy = nil
	if k.left != (Amount{}) || k.slots > 0 {
		l.attend(c)
	}
	return g, err == nil
}

// exchange speaks to the Shared and notes when it goes away.
func (l *Limiter) exchange(ctx context.Context, demands []Demand) ([]Grant, error) {
	// Not the caller's context: others wait for the answer, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.timeout)
	defer cancel()
	grants, err := l.shared.Exchange(ctx, l.replica, demands)
	if err != nil {
		l.lost(err)
	}
	return grants, err
}

// apply takes what was granted. Caller holds the lock.
func (k *link) apply(c *counter, now, sent int64, d *Demand, g *Grant) {
	if g.Lost { // everything that we know of it is void, and said again
		k.epoch, k.left, k.until, k.slots, k.given, k.alone = 0, Amount{}, 0, 0, nil, nil
		return
	}
	k.epoch, k.sum, k.tight = g.Epoch, g.Sum, g.Tight
	for i, wait := range g.Reset {
		k.resetAt[i] = now + int64(wait)
	}
	if d.Slots > 0 {
		k.slots, k.slotsUntil = g.Slots, sent+int64(SlotTTL)-slotMargin
	}
	if g.Granted != (Amount{}) {
		k.left, k.lease, k.until = g.Granted, int64(g.Now/d.Width()), sent+c.width
	}
	const ttl = int64(RefusalTTL)
	switch g.Refused {
	case Requests:
		k.refused[0], k.retryAt = now+min(ttl, int64(g.Retry)), now+int64(g.Retry)
	case TokensUnit:
		k.refused[1], k.refusedAsked, k.retryAt = now+min(ttl, int64(g.Retry)), d.Least.Tokens, now+int64(g.Retry)
	case Concurrency:
		k.refused[2], k.retryAt = now+ttl, now+int64(concurrencyRetry)
	}
}

// failed keeps, of a demand whose fate is unknown, what errs on the safe side:
// charges are said again, what was to be given back is not.
func (k *link) failed(d *Demand, at int64) {
	for _, n := range d.Given {
		if _, more := split(n.Amount); more != (Amount{}) {
			k.given = merge(k.given, Delta{n.Step, more})
		}
	}
	if d.Epoch == 0 {
		return // all of it is said again while the epoch is unknown
	}
	for _, n := range d.Aged {
		if _, more := split(n.Amount); more != (Amount{}) {
			k.alone = merge(k.alone, Delta{at - n.Step, more})
		}
	}
}

// end gives back to the lease or, where that is over, to the Shared. It reports
// whether there is something to tell.
func (k *link) end(c *counter, now int64, t *take, change Amount) bool {
	change = k.counted(c, change)
	if change == (Amount{}) {
		return false
	}
	if t.lease == 0 || t.epoch != k.epoch { // it was taken alone, or of a counter that is gone
		less, more := split(change)
		if less != (Amount{}) && c.own.live(t.step) && t.lease == 0 {
			k.alone = merge(k.alone, Delta{t.step, less})
		}
		if more != (Amount{}) {
			k.alone = merge(k.alone, Delta{c.own.at, more})
		}
		return true
	}
	if less, _ := split(change); t.lease == k.lease && now < k.until && less == change {
		k.left = k.left.minus(change)
		return false
	}
	less, more := split(change)
	if now < k.until { // what is at hand pays for it at once
		paid := Amount{min(more.Requests, k.left.Requests), min(more.Tokens, k.left.Tokens)}
		k.left, more = k.left.minus(paid), more.minus(paid)
	}
	if less != (Amount{}) && c.own.live(t.step) {
		k.given = merge(k.given, Delta{t.lease, less})
	}
	if more != (Amount{}) {
		k.alone = merge(k.alone, Delta{c.own.at, more})
	}
	return true
}

// read is what is left everywhere, as of the last grant. Caller holds the lock.
func (k *link) read(c *counter, now int64) (r reading) {
	if n := c.limit.Requests; n > 0 {
		r.requests = Gauge{n, max(n-k.sum.Requests+k.left.Requests, 0), time.Duration(max(k.resetAt[0]-now, 0))}
	}
	if n := c.limit.Tokens; n > 0 {
		r.tokens = Gauge{n, max(n-k.sum.Tokens+k.left.Tokens, 0), time.Duration(max(k.resetAt[1]-now, 0))}
	}
	return r
}
