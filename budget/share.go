package budget

import (
	"iter"
	"maps"
	"math"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/model"
)

// shared is the side of a counter that other gateways see. All but hungry is
// written under the ledger's write lock.
type shared struct {
	others  amounts // of what is spent, by others and before the budget came into force
	guess   int64   // of others, in a calendar period
	granted amounts // of the limit, for our own spending and holds
	advance
	low    [units]int64 // of used, from which on more is asked for
	hungry atomic.Bool  // more is asked for
}

// othersSpent is what others spent in a period or bucket.
type othersSpent struct {
	amounts
	guess int64
}

// account is the name under which gateways share a window.
func (in *instance) account() accountKey {
	if in.state.calendar.rolling() {
		return accountKey{in.id, 0}
	}
	return accountKey{in.id, in.win.start}
}

type accountKey struct {
	id     model.BudgetID
	period int64
}

func (k accountKey) account() Account { return Account{k.id, instant(k.period)} }

func (a Account) key() accountKey { return accountKey{a.Budget, a.Period.UnixNano()} }

// own is what this process has spent and holds of the limit.
func (w *window) own() (a amounts) {
	for u := range units {
		a[u] = w.used[u].Load() - w.share.others[u]
	}
	return a
}

// lease works out how much of the limits is ours. Caller holds the write lock.
func (l *Ledger) lease(in *instance) {
	t, s := in.terms, &in.win.share
	for u := range units {
		t.lease[u] = max(t.limit[u], 0)
		if l.escrow == nil {
			continue
		}
		t.lease[u] = min(t.lease[u], s.others[u]+s.granted[u])
		s.low[u] = math.MaxInt64
		if t.limited[u] && t.lease[u] < t.limit[u] {
			s.low[u] = t.lease[u] - s.chunk[u]/2
		}
	}
}

// hungry notes the counters of which half of what was asked for in advance is
// used up.
func (e *Escrow) hungry(ins []*instance) {
	for _, in := range ins {
		w := in.win
		for u := range units {
			if in.terms.limited[u] && w.used[u].Load() > w.share.low[u] && w.share.hungry.CompareAndSwap(false, true) {
				e.feed(in)
			}
		}
	}
}

// learn takes over what others spent: the whole sum of each row that changed.
func (l *Ledger) learn(rows []SpoolSpent) {
	if len(rows) == 0 {
		return
	}
	touched := map[model.BudgetID]bool{}
	l.mu.Lock()
	for _, r := range rows {
		key := spoolKey{r.Spool, r.Budget, r.Period.UnixNano()}
		now := othersSpent{r.amounts(), int64(r.Assumed)}
		before := l.bySpool[key]
		if now == before {
			continue
		}
		l.bySpool[key] = now
		sums := l.others[r.Budget]
		if sums == nil {
			sums = map[int64]othersSpent{}
			l.others[r.Budget] = sums
		}
		sum := sums[key.period]
		for u := range units {
			sum.amounts[u] += now.amounts[u] - before.amounts[u]
		}
		sum.guess += now.guess - before.guess
		sums[key.period] = sum
		touched[r.Budget] = true
	}
	changed := l.relearn(touched)
	l.mu.Unlock()
	l.relevel(changed)
}

// spoolKey names a row of what gateways recorded.
type spoolKey struct {
	spool  string
	id     model.BudgetID
	period int64
}

// relearn brings the counters of budgets up to what others spent. Those that
// were not needed so far are made, to be listed. Caller holds the write lock.
func (l *Ledger) relearn(ids map[model.BudgetID]bool) []*instance {
	var changed []*instance
	now := l.cfg.Clock().UnixNano()
	byName := l.byName()
	for id := range ids {
		if l.insts[id] != nil {
			continue
		}
		if s, values, ok := parseID(byName, id); ok && s.recent(l.others[id], now) {
			changed = append(changed, l.instance(s, values, now))
		}
	}
	for id := range ids {
		for in := range l.named(id) {
			if l.meet(in) && !in.away {
				changed = append(changed, in)
				if len(in.state.stars) > 0 && in.uneven(l.escrow.replicas, now) {
					l.escrow.feed(in)
				}
			}
		}
	}
	settleLevels(changed)
	return changed
}

// named are the counters of a name: the one in force, and those that went away.
// Caller holds the lock.
func (l *Ledger) named(id model.BudgetID) iter.Seq[*instance] {
	return func(yield func(*instance) bool) {
		if in := l.insts[id]; in != nil && !yield(in) {
			return
		}
		for _, in := range l.away {
			if in.id == id && !yield(in) {
				return
			}
		}
	}
}

// accounts are those that count now.
func (l *Ledger) accounts() []Account {
	l.mu.RLock()
	defer l.mu.RUnlock()
	keep := make([]Account, 0, len(l.insts))
	for in := range l.all() {
		keep = append(keep, in.account().account())
	}
	return keep
}

// recent reports whether any of what others spent may still count.
func (s *state) recent(sums map[int64]othersSpent, now int64) bool {
	first := s.calendar.first(now)
	for start := range sums {
		if start >= first {
			return true
		}
	}
	return false
}

// meet posts in a counter what others spent and it does not have yet. Caller
// holds the write lock.
func (l *Ledger) meet(in *instance) (changed bool) {
	sums := l.others[in.id]
	if !in.state.calendar.rolling() {
		changed = l.meetIn(in, nil, sums[in.win.start])
	} else {
		for start, sum := range sums {
			if c := l.bucket(in, start); c != nil {
				changed = l.meetIn(in, c, sum) || changed
			}
		}
	}
	if changed {
		l.lease(in)
	}
	return changed
}

func (l *Ledger) meetIn(in *instance, c *cell, sum othersSpent) bool {
	w := in.win
	have := othersSpent{w.share.others, w.share.guess}
	if c != nil {
		have = c.others
	}
	if sum == have {
		return false
	}
	for u := range units {
		n := sum.amounts[u] - have.amounts[u]
		l.journal.loaded[u].Add(n)
		w.spent[u].Add(n)
		w.share.others[u] += n
		if in.terms.limited[u] {
			w.used[u].Add(n)
		}
		if c != nil {
			c.spent[u].Add(n)
		}
	}
	w.guess.Add(sum.guess - have.guess)
	if c != nil {
		c.guess.Add(sum.guess - have.guess)
		c.others = sum
	} else {
		w.share.guess = sum.guess
	}
	return true
}

// pruneOthers forgets what others spent in periods that are over.
func (l *Ledger) pruneOthers() {
	now := l.cfg.Clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	byName := l.byName()
	over := func(id model.BudgetID, start int64) bool {
		if s := byName[budgetOf(id)]; s != nil {
			return start < s.calendar.first(now.UnixNano())
		}
		return start != 0 && start < now.Add(-maxLoaded).UnixNano() // it may come back
	}
	maps.DeleteFunc(l.bySpool, func(k spoolKey, _ othersSpent) bool { return over(k.id, k.period) })
	for id, sums := range l.others {
		maps.DeleteFunc(sums, func(start int64, _ othersSpent) bool { return over(id, start) })
		if len(sums) == 0 {
			delete(l.others, id)
		}
	}
}

// shortage is a lease that was too small for a call within its limits.
type shortage struct {
	account accountKey
	ask     amounts
}

// shortages lists the leases that are too small for a call that the limits have
// room for; none when a limit has not.
func (l *Ledger) shortages(r *resolved, a *Amounts) (short []shortage) {
	if l.escrow == nil {
		return nil
	}
	for _, in := range r.insts {
		ask, priced := in.state.asked(a)
		if !priced || in.closed(a.Requests == 0) {
			return nil
		}
		less := false
		for u := range units {
			if !in.terms.limited[u] {
				continue
			}
			if in.win.spent[u].Load()+ask[u] > in.terms.limit[u] {
				return nil
			}
			less = less || in.win.used[u].Load()+ask[u] > in.terms.lease[u] && in.terms.lease[u] < in.terms.limit[u]
		}
		if less {
			short = append(short, shortage{in.account(), ask})
		}
	}
	return short
}

// want is what is asked for an account: by calls that wait, or for those to come.
type want struct {
	least, sum amounts
	give       bool // give back what is not used: another lacks it, or we do, and it does no good in parts
	answer     bool
}

// asks words what is wanted for the store. With give, what a lease has beyond
// what is used is not ours any more when asks returns.
func (l *Ledger) asks(wanted map[accountKey]*want, replicas int, now time.Time) []Ask {
	asks := make([]Ask, 0, len(wanted))
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, w := range wanted {
		if in := l.counter(key); in != nil {
			asks = append(asks, l.ask(in, w, replicas, now.UnixNano()))
		} else if w.answer { // of a period that is over, or a budget that is gone
			asks = append(asks, Ask{Account: key.account(), Answer: true, Replicas: replicas, From: instant(key.period), To: instant(key.period)})
		}
	}
	return asks
}

// counter is the one of an account; nil when there is none now. Caller holds the
// lock.
func (l *Ledger) counter(key accountKey) *instance {
	for in := range l.named(key.id) {
		if in.account() == key {
			return in
		}
	}
	return nil
}

func (l *Ledger) ask(in *instance, w *want, replicas int, now int64) Ask {
	s, own := &in.win.share, in.win.own()
	s.measure(own, now)
	var less [units]bool
	for u := range units {
		switch {
		case w.give:
			s.granted[u], s.given = min(s.granted[u], own[u]), now
		case w.sum == (amounts{}) && in.tooMuch(u, replicas):
			less[u] = true
			s.chunk[u] = in.ahead(u, replicas)
			s.granted[u] = own[u] + s.chunk[u]
		}
	}
	l.lease(in)
	start := instant(in.win.start)
	a := Ask{Account: in.account().account(), From: start, To: start, Replicas: replicas, Answer: w.answer}
	if in.state.calendar.rolling() {
		a.From, a.To = instant(now-int64(in.state.calendar.width)-int64(in.state.calendar.width)/buckets), instant(now+int64(time.Hour))
	}
	var limit [units]*int64
	var floor, least, sum, more amounts
	for u := range units {
		if !in.terms.limited[u] {
			continue
		}
		n := in.terms.limit[u]
		limit[u] = &n
		floor[u] = max(s.granted[u], own[u])
		least[u], sum[u] = floor[u], floor[u]
		if w.sum != (amounts{}) {
			least[u], sum[u] = max(own[u]+w.least[u], floor[u]), max(own[u]+w.sum[u], floor[u])
		}
		if !less[u] && (!w.answer || w.sum != (amounts{})) {
			more[u] = in.grow(u, max(w.least[u], own[u]/16), replicas, now)
		}
	}
	if s.asked = more; more != (amounts{}) {
		s.grown = now
	}
	a.Limit, a.Floor, a.Least, a.Want, a.More = limits(limit), floor.quantities(), least.quantities(), sum.quantities(), more.quantities()
	return a
}

// grant puts in force what the store has granted.
func (l *Ledger) grant(got map[accountKey]Grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, g := range got {
		in := l.counter(key)
		if in == nil {
			continue
		}
		s, before := &in.win.share, in.terms.lease
		s.granted = g.amounts()
		for u := range units {
			if s.asked[u] > 0 {
				s.chunk[u] = min(s.asked[u], max(in.idle(u), 0))
			}
		}
		l.lease(in)
		s.hungry.Store(false)
		for u := range units {
			if s.asked[u] > 0 && in.terms.lease[u] <= before[u] {
				s.low[u] = math.MaxInt64 // nothing came of it: only who needs more asks again
			}
		}
	}
}

// dispossess takes away all that was granted.
func (l *Ledger) dispossess() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for in := range l.all() {
		in.win.share.granted = amounts{}
		l.lease(in)
	}
}

// beyond counts what was admitted without a lease.
type beyond struct {
	calls atomic.Int64
	nano  atomic.Int64
}

// admitBeyond holds an attempt within the limit, as far as it is known, without
// regard to leases.
func (l *Ledger) admitBeyond(s *Subject, t *Target, a *Amounts, now int64) *Hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.resolve(s, t, now)
	for _, in := range r.insts {
		for u := range units {
			in.terms.lease[u] = max(in.terms.limit[u], 0)
		}
	}
	h := l.hold(r, a, now)
	for _, in := range r.insts {
		l.lease(in)
	}
	if h != nil {
		l.escrow.beyond.calls.Add(1)
		l.escrow.beyond.nano.Add(largest(h))
	}
	return h
}

// largest is the most that one budget holds for an attempt.
func largest(h *Hold) (nano int64) {
	for i := range h.lines {
		nano = max(nano, h.lines[i].held[usd])
	}
	return nano
}
