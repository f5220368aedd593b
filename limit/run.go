package limit

import (
	"context"
	"time"
)

const (
	tendEvery  = 250 * time.Millisecond // leases that are over, corrections, slots
	beatEvery  = time.Second
	retryEvery = 500 * time.Millisecond // while the Shared is away
	sweepEvery = time.Minute
	maxBatch   = 100 // demands in one exchange
)

// Run tells the Shared what it has to know, and drops counters that count nothing,
// until ctx is done; then it gives back what is left of leases.
func (l *Limiter) Run(ctx context.Context) error {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	var tend <-chan time.Time // nobody to tell: never
	if l.shared != nil {
		t := time.NewTicker(tendEvery)
		defer t.Stop()
		tend = t.C
		l.beat(ctx)
	}
	beaten := l.now()
	for {
		select {
		case <-ctx.Done():
			l.tend(ctx, true)
			return ctx.Err()
		case <-sweep.C:
			l.sweep()
			continue
		case <-l.kick:
		case <-tend:
		}
		every := beatEvery
		if l.away.Load() {
			every = retryEvery
		}
		if l.now()-beaten >= int64(every) && l.inUse() {
			beaten = l.now()
			l.beat(ctx)
		}
		l.tend(ctx, false)
	}
}

// beat says that this replica is there, learns how many are, and finds out whether
// the Shared is back.
func (l *Limiter) beat(ctx context.Context) {
	patience, wasAway := l.timeout, l.away.Load()
	if wasAway {
		patience /= 2 // one that is only just fast enough would go away with the next call
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n, err := l.shared.Beat(limited, l.replica)
	if err == nil && wasAway { // what it is needed for is not only this
		_, err = l.shared.Exchange(limited, l.replica, []Demand{{Counter: "beat", Window: MinWindow}})
	}
	switch {
	case err == nil:
		l.replicas.Store(int64(max(n, 1)))
		if l.away.Swap(false) {
			l.log.Info("the rate limits of all replicas are shared again")
		}
	case ctx.Err() == nil:
		l.lost(err)
		l.countOthers(ctx)
	}
}

// countOthers learns elsewhere how many replicas there are, by which the limits are
// divided.
func (l *Limiter) countOthers(ctx context.Context) {
	if l.count == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	if n, err := l.count(ctx, l.replica); err == nil { // else it is what was known last
		l.replicas.Store(int64(max(n, 1)))
	}
}

// lost notes that the Shared is away.
func (l *Limiter) lost(err error) {
	if !l.away.Swap(true) {
		l.log.Warn("the rate limits of all replicas cannot be shared: each admits its part of them", "replicas", l.replicas.Load(), "error", err)
	}
}

// attend has Run look after a counter. Caller holds the counter's lock.
func (l *Limiter) attend(c *counter) {
	if c.queued {
		return
	}
	c.queued = true
	l.mu.Lock()
	l.queue = append(l.queue, c)
	l.mu.Unlock()
}

// tend exchanges what is due. At the end of a replica everything is.
func (l *Limiter) tend(ctx context.Context, ending bool) {
	if l.shared == nil || l.away.Load() {
		return
	}
	l.mu.Lock()
	queue := l.queue
	l.queue = nil
	l.mu.Unlock()
	var batch []*counter
	var demands []Demand
	flush := func() {
		if len(batch) > 0 {
			l.tell(ctx, batch, demands)
		}
		batch, demands = nil, nil
	}
	for _, c := range queue {
		c.mu.Lock()
		c.queued = false
		now := l.now()
		c.own.advance(now / c.width)
		k := c.link
		switch {
		case k.busy != nil:
			l.attend(c)
		case k.due(c, now) || ending:
			k.busy = make(chan struct{})
			batch, demands = append(batch, c), append(demands, *k.report(c, now))
		case k.left != (Amount{}) || k.slots > 0 || c.running > 0:
			l.attend(c)
		}
		c.mu.Unlock()
		if len(batch) == maxBatch {
			flush()
		}
	}
	flush()
}

// due reports whether there is something to tell. Caller holds the counter's lock.
func (k *link) due(c *counter, now int64) bool {
	spare := c.running / 4
	if k.tight {
		spare = 0
	}
	switch {
	case len(k.given)+len(k.alone) > 0, k.left != (Amount{}) && now >= k.until:
		return true
	case k.epoch == 0:
		return c.own.sum != (Amount{}) || c.running > 0
	case c.limit.Concurrency == 0:
		return false
	}
	return k.slots > c.running+spare || c.running > 0 && now > k.slotsUntil-slotRenew
}

// tell exchanges demands that ask for nothing new.
func (l *Limiter) tell(ctx context.Context, batch []*counter, demands []Demand) {
	sent := l.now()
	grants, err := l.exchange(ctx, demands)
	for i, c := range batch {
		c.mu.Lock()
		k := c.link
		if err == nil {
			k.apply(c, l.now(), sent, &demands[i], &grants[i])
		} else {
			k.failed(&demands[i], sent/c.width)
		}
		close(k.busy)
		k.busy = nil
		if err != nil || grants[i].Lost || k.slots > 0 {
			l.attend(c)
		}
		c.mu.Unlock()
	}
}

// sweep drops the counters that count nothing any more.
func (l *Limiter) sweep() {
	rules := l.rules.Load()
	l.sweepCounters(&l.keys)
	for _, list := range [][]*rule{rules.callers, rules.targets} {
		for _, r := range list {
			l.sweepCounters(&r.counters)
		}
	}
}

func (l *Limiter) sweepCounters(cs *counters) {
	for value, c := range cs.all() {
		c.mu.Lock()
		now := l.now()
		c.own.advance(now / c.width)
		idle := c.own.sum == (Amount{}) && c.running == 0 && !c.queued && (c.link == nil || c.link.busy == nil) &&
			now-c.last > liveShared*c.width
		if idle {
			c.gone.Store(true)
		}
		c.mu.Unlock()
		if idle {
			cs.mu.Lock()
			if cs.byValue[value] == c {
				delete(cs.byValue, value)
			}
			cs.mu.Unlock()
		}
	}
}
