package budget

import (
	"math"
	"time"
)

// How much a gateway holds beyond what calls need. Near a limit it is a step,
// which begins small: one that is used up sooner than quick is doubled the next
// time, one that lasts longer than slow is halved. Far from it a lease lasts for
// minutes of spending as of late, so that a store that is away stops nobody. It is
// at most one part of what is left, since a gateway that dies keeps it, and at
// least another, so that gateways without a call have some.
const (
	quick   = 5 * time.Second
	slow    = time.Minute
	calls   = 8                // that a step is for at the beginning
	lasts   = 5 * time.Minute  // while the limit is far
	mostOf  = 10               // a gateway's tenth of what is left
	leastOf = 100              // and its hundredth
	paced   = 10 * time.Second // is spending measured, at least
	excess  = 2                // times as much as is held in advance now is given back
)

// advance is what is asked for beyond what calls need. It is written under the
// ledger's write lock.
type advance struct {
	step  amounts // near the limit
	chunk amounts // that came of it, of which half may be used before more is asked for
	asked amounts // the last time
	grown int64   // when that was
	given int64   // when what was not used was last given back for others
	pace  amounts // of spending, for as long as a lease lasts
	mark  amounts // what was spent and held when that was last measured
	since int64   // and when that was
}

// measure works out the pace: the highest of late, so that a pause does not
// give back what the next burst takes.
func (a *advance) measure(own amounts, now int64) {
	passed := now - a.since
	if passed >= 0 && passed < int64(paced) {
		return
	}
	if a.since > 0 && passed > 0 {
		for u := range units {
			n := float64(max(own[u]-a.mark[u], 0)) * float64(lasts) / float64(passed)
			a.pace[u] = max(int64(min(n, large)), a.pace[u]-a.pace[u]/16)
		}
	}
	a.mark, a.since = own, now
}

// ahead is how much is held in advance where the limit is far: little where
// little is left.
func (in *instance) ahead(u, replicas int) int64 {
	part := max(in.terms.limit[u]-in.win.used[u].Load(), 0) / int64(max(replicas, 1))
	return max(part/leastOf, min(in.win.share.pace[u], part/mostOf))
}

// idle is what is held and not used.
func (in *instance) idle(u int) int64 {
	return in.win.share.granted[u] - (in.win.used[u].Load() - in.win.share.others[u])
}

// tooMuch reports that what is held in advance is far more than would be now.
func (in *instance) tooMuch(u, replicas int) bool {
	return in.terms.limited[u] && in.idle(u) > excess*max(in.ahead(u, replicas), in.win.share.step[u])
}

// tooLittle reports that a counter without a "*", which every gateway keeps, lacks half of what is
// held in advance, and may get it: nobody else asked for it of late, and the last
// time it got something.
func (in *instance) tooLittle(u, replicas int, now int64) bool {
	s := &in.win.share
	if since := time.Duration(now - s.given); len(in.state.stars) > 0 || since >= 0 && since < oftenFor {
		return false
	}
	return in.terms.limited[u] && s.low[u] != math.MaxInt64 && in.idle(u) < in.ahead(u, replicas)/2
}

// grow says how much to ask for in advance.
func (in *instance) grow(u int, call int64, replicas int, now int64) int64 {
	a := &in.win.share.advance
	switch since := time.Duration(now - a.grown); {
	case a.step[u] == 0:
		a.step[u] = min(calls*call, large)
	case since < quick:
		a.step[u] = min(2*a.step[u], large)
	case since > slow:
		a.step[u] = max(a.step[u]/2, min(calls*call, large), 1)
	}
	return max(a.step[u], in.ahead(u, replicas))
}

// uneven reports that too little is held in advance, or too much. Caller holds the
// write lock.
func (in *instance) uneven(replicas int, now int64) bool {
	in.win.share.measure(in.win.own(), now)
	for u := range units {
		if in.tooLittle(u, replicas, now) || in.tooMuch(u, replicas) {
			return true
		}
	}
	return false
}

// uneven lists the counters that all calls may fall under and that are uneven.
// They have their part at every gateway, also where no call came yet. The others
// may be many; they are looked at when they are needed, and as others spend.
func (l *Ledger) uneven(replicas int) (ins []*instance) {
	now := l.cfg.Clock().UnixNano()
	l.mu.Lock()
	var moved []*instance
	for _, s := range l.budgets {
		if len(s.stars) > 0 {
			continue
		}
		in := l.instance(s, [dims]string{}, now)
		if now >= in.until {
			l.refresh(in, now)
			moved = append(moved, in)
		}
		if in.uneven(replicas, now) {
			ins = append(ins, in)
		}
	}
	settleLevels(moved)
	l.mu.Unlock()
	l.relevel(moved)
	return ins
}
