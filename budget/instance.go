package budget

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/model"
)

// instance is one counter: a budget, or a budget for one set of values.
type instance struct {
	id     model.BudgetID
	state  *state
	values [dims]string // of the scope, with "*" replaced
	since  int64        // when counting began in this process

	// Written under the ledger's write lock.
	win   *window
	terms *terms
	until int64 // when win or terms must be looked at again

	level atomic.Int32 // marks passed
	fired uint64       // marks reported in this period; under Ledger.crossing and the read lock, or the write lock
	era   int64        // start of that period
	away  bool         // no budget in force counts here; written under the write lock

	over atomic.Int64 // calls that cost more than was held
	by   atomic.Int64 // and by how much, nano-USD

	_ [64]byte // counters of two budgets never share a cache line
}

// window is what counts against the limit now. A calendar period has its own; a
// rolling one is the sum of its cells.
type window struct {
	used  [units]atomic.Int64 // spent and held; kept up for limited units only
	spent [units]atomic.Int64
	guess atomic.Int64 // nano-USD of spent that were assumed, not billed
	flow  flow         // of a calendar period
	dead  bool         // the period is over

	start, end int64
	cells      []*cell // of a rolling window, oldest first
	share      shared
}

// cell is a bucket of a rolling window.
type cell struct {
	start, end int64
	spent      [units]atomic.Int64
	guess      atomic.Int64
	others     othersSpent // of spent
	flow       flow
	dead       bool // it has left the window
}

// flow is what this process saw spent, for the projection.
type flow struct {
	calls atomic.Int64
	cost  atomic.Int64  // nano-USD
	sq    atomic.Uint64 // Σ of squared costs in dollars, float64 bits
}

func (f *flow) add(nano int64) {
	f.calls.Add(1)
	f.cost.Add(nano)
	x := float64(nano) / 1e9
	for {
		old := f.sq.Load()
		if f.sq.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+x*x)) {
			return
		}
	}
}

// terms are the limits in force and what follows from them.
type terms struct {
	limit   [units]int64 // −1: none
	lease   amounts      // what this process may hand out; at most limit
	limited [units]bool
	marks   [][units]int64 // amount at which each mark is passed; MaxInt64 where not limited
	leave   [][units]int64 // amount below which it is left
	ladder  bool           // not suspended
}

// instance returns the counter of the values, made on first use. Caller holds
// the write lock.
func (l *Ledger) instance(s *state, values [dims]string, now int64) *instance {
	id := idOf(s, values)
	if in := l.insts[id]; in != nil {
		return in
	}
	if in := l.comeBack(id, s, now); in != nil {
		return in
	}
	in := &instance{id: id, state: s, values: s.scope, since: now}
	for _, d := range s.stars {
		in.values[d] = values[d]
	}
	l.insts[id] = in
	l.refresh(in, now)
	l.take(in)
	return in
}

// refresh brings the period and the terms of an instance up to now. Caller
// holds the write lock.
func (l *Ledger) refresh(in *instance, now int64) {
	c := in.state.calendar
	start, end := c.bounds(now)
	switch {
	case in.win == nil || !c.rolling() && now >= in.win.end:
		next := &window{start: start, end: end}
		if in.win != nil {
			l.close(in.win)
			in.setLevel(0) // nothing of the last period is in force in this one
			next.share.pace = in.win.share.pace
		}
		in.win = next
	case !c.rolling():
		start, end = in.win.start, in.win.end // a clock put back changes nothing
	}
	if c.rolling() {
		l.roll(in, start, end)
	}
	in.until = end
	l.setTerms(in, now)
	if l.escrow != nil {
		l.meet(in)
	}
}

// close ends a calendar period. What is held in it settles there, unseen.
func (l *Ledger) close(w *window) {
	w.dead = true
	for u := range units {
		l.journal.closed[u].Add(w.spent[u].Load())
	}
}

// roll drops the buckets that have left the window and opens the current one.
func (l *Ledger) roll(in *instance, start, end int64) {
	w := in.win
	oldest := start - int64(in.state.calendar.width)
	for len(w.cells) > 0 && w.cells[0].end <= oldest {
		c := w.cells[0]
		c.dead = true
		for u := range units {
			n := c.spent[u].Load()
			w.spent[u].Add(-n)
			w.share.others[u] -= c.others.amounts[u]
			l.journal.closed[u].Add(n)
			if in.terms != nil && in.terms.limited[u] {
				w.used[u].Add(-n)
			}
		}
		w.guess.Add(-c.guess.Load())
		w.cells = w.cells[1:]
	}
	if n := len(w.cells); n == 0 || w.cells[n-1].start < start {
		w.cells = append(w.cells, &cell{start: start, end: end})
	}
	w.start, w.end = w.cells[0].start, end
}

// cell returns the bucket that is current; nil for a calendar period.
func (w *window) cell() *cell {
	if len(w.cells) == 0 {
		return nil
	}
	return w.cells[len(w.cells)-1]
}

// setTerms works out the limits in force. Caller holds the write lock.
func (l *Ledger) setTerms(in *instance, now int64) {
	s := in.state
	t := &terms{ladder: true}
	usdLimit := s.LimitUSD
	tokenLimit, requestLimit := s.LimitTokens, s.LimitRequests
	if o, ok := l.overrideOf(in, now); ok {
		in.until = min(in.until, o.Until.UnixNano())
		t.ladder = !o.SuspendLadder
		if o.LimitUSD != nil {
			usdLimit = o.LimitUSD
		}
		if o.LimitTokens != nil {
			tokenLimit = o.LimitTokens
		}
		if o.LimitRequests != nil {
			requestLimit = o.LimitRequests
		}
	}
	for u, p := range [units]*int64{(*int64)(usdLimit), tokenLimit, requestLimit} {
		t.limit[u] = -1
		if p != nil {
			t.limit[u], t.limited[u] = *p, true
		}
	}
	for _, m := range s.marks {
		var up, down [units]int64
		for u := range units {
			up[u], down[u] = math.MaxInt64, math.MaxInt64
			if t.limited[u] {
				up[u] = int64(math.Ceil(m.at * float64(t.limit[u])))
				down[u] = int64(math.Ceil((m.at - Hysteresis) * float64(t.limit[u])))
				if up[u] > 0 {
					down[u] = max(down[u], 1) // a step is left at the latest when nothing is spent
				}
			}
		}
		t.marks, t.leave = append(t.marks, up), append(t.leave, down)
	}
	before := in.terms
	in.terms = t
	if before != nil && before.limit != t.limit {
		in.level.Store(0) // a step is left slowly when little is spent, at once when the limit is raised
	}
	if before != nil && before.limited != t.limited { // nothing is in a new one
		l.recount(in)
	}
	l.lease(in)
}

// heldNow is what is held in each window; worked out once where many counters
// change under one lock. Caller holds the write lock.
func (l *Ledger) heldNow() map[*window]amounts {
	if l.held != nil {
		return l.held
	}
	return l.journal.held()
}

// recount works out what is used from the entries, after a unit became
// limited. Caller holds the write lock.
func (l *Ledger) recount(in *instance) {
	held := l.heldNow()[in.win]
	for u := range units {
		if in.terms.limited[u] {
			in.win.used[u].Store(in.win.spent[u].Load() + held[u])
		}
	}
}

// take moves what a store knew of an instance into its counters. What that
// crosses is reported again, should the former process have died before it was
// noted: who is told keeps one of each. Caller holds the write lock.
func (l *Ledger) take(in *instance) {
	entries := l.loaded[in.id]
	if len(entries) == 0 {
		return
	}
	// What does not count by this calendar may by the one that a mistaken change of
	// the period is put back to.
	oldest := l.cfg.Clock().Add(-maxLoaded)
	l.loaded[in.id] = slices.DeleteFunc(entries, func(e Spent) bool { return l.credit(in, e) || e.Period.Before(oldest) })
	if len(l.loaded[in.id]) == 0 {
		delete(l.loaded, in.id)
	}
	if in.state.calendar.rolling() {
		in.reported() // its crossings have no name that is the same after a restart
	}
}

// maxLoaded is how long entries of a store that no counter took are kept.
const maxLoaded = 32 * 24 * time.Hour

// credit adds what was spent in one period or bucket; false when that does not
// count now. Caller holds the write lock.
func (l *Ledger) credit(in *instance, e Spent) bool {
	at, w := e.Period.UnixNano(), in.win
	var c *cell
	if in.state.calendar.rolling() {
		if c = l.bucket(in, at); c == nil {
			return false
		}
	} else if at != w.start {
		return false
	}
	for u, n := range e.Quantities.amounts() {
		n = max(n, 0)
		l.journal.loaded[u].Add(n)
		w.spent[u].Add(n)
		if c != nil {
			c.spent[u].Add(n)
		}
		if in.terms.limited[u] {
			w.used[u].Add(n)
		}
	}
	w.guess.Add(int64(e.Assumed))
	if c != nil {
		c.guess.Add(int64(e.Assumed))
	}
	return true
}

// bucket finds or makes the bucket that began at a time; nil when it has left
// the window.
func (l *Ledger) bucket(in *instance, at int64) *cell {
	w := in.win
	current := w.cell()
	start, end := in.state.calendar.bounds(at)
	if start > current.start || start < current.start-int64(in.state.calendar.width) {
		return nil
	}
	i := 0
	for i < len(w.cells) && w.cells[i].start < start {
		i++
	}
	if i < len(w.cells) && w.cells[i].start == start {
		return w.cells[i]
	}
	c := &cell{start: start, end: end}
	w.cells = append(w.cells, nil)
	copy(w.cells[i+1:], w.cells[i:])
	w.cells[i] = c
	w.start = w.cells[0].start
	return c
}

// overrideOf finds the override in force: of the instance, else of its budget.
func (l *Ledger) overrideOf(in *instance, now int64) (Override, bool) {
	for _, id := range []model.BudgetID{in.id, model.BudgetID(in.state.Name)} {
		if o, ok := l.overrides[id]; ok {
			if now < o.Until.UnixNano() {
				return o, true
			}
			delete(l.overrides, id)
		}
	}
	return Override{}, false
}

// period is the start by which charges of now are filed.
func (in *instance) period() time.Time {
	if c := in.win.cell(); c != nil {
		return instant(c.start)
	}
	return instant(in.win.start)
}
