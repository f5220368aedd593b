package budget

import (
	"slices"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Amounts is the most that an attempt may cost, by every reading of "most".
// Each budget takes the figure that its own settings ask for.
type Amounts struct {
	Worst    model.Money // with the longest answer that the request allows
	Quantile model.Money // p95 of the estimate; at most Worst counts
	// Other returns the quantiles that are not at hand; without it the worst case
	// is taken.
	Other      Quantiles
	Known      bool        // the price is known
	AssumedMax model.Money // at the highest known price; used when it is not

	Tokens   int64 // input and output, worst case
	Expected int64 // of them, on the average
	Requests int64 // 1 for the first attempt at a call, 0 for further ones
	Open     bool  // nothing in the request bounds the answer; for the words of a refusal
}

// Quantiles of what an attempt will take. They are asked with a lock held, and
// must not ask the ledger.
type Quantiles interface {
	// Quantile returns the cost that the share of such attempts stays within.
	Quantile(share float64) model.Money
	// Tokens returns the tokens of prompt and answers, likewise.
	Tokens(share float64) int64
}

// p95 is the quantile that every estimate has at hand.
const p95 = 0.95

// asked is what a budget holds for a call; ok is false when it refuses because
// the price is not known.
func (s *state) asked(a *Amounts) (ask amounts, ok bool) {
	cost, n := a.Worst, a.Tokens
	if s.quantile != 0 {
		switch {
		case s.quantile == p95:
			cost = min(cost, a.Quantile)
		case a.Other != nil:
			cost = min(cost, a.Other.Quantile(s.quantile))
		}
		if a.Other != nil && s.LimitTokens != nil {
			n = min(n, a.Other.Tokens(s.quantile))
		}
	}
	if !a.Known {
		switch s.UnknownPrice {
		case Refuse:
			return ask, false
		case AssumeMax:
			cost = a.AssumedMax
		case Free:
			cost = 0
		}
	}
	return amounts{clamp(int64(cost)), clamp(n), clamp(a.Requests)}, true
}

// likely is the tokens that budgets are charged for a call whose end nobody saw,
// the same in all: p95 where one limits tokens, else what is expected, which is
// at hand.
func (a *Amounts) likely(ins []*instance) int64 {
	if a.Other != nil && slices.ContainsFunc(ins, func(in *instance) bool { return in.terms.limited[tokens] }) {
		return a.Other.Tokens(p95)
	}
	return a.Expected
}

// likely is what a budget is charged for a call whose end nobody saw: p95 of its
// estimate, which is what a quantile can say of a bill that never comes, and at
// most what is held. Where no estimate has a price, it is what is held.
func (s *state) likely(a *Amounts, held amounts, most int64) amounts {
	if a.Known && a.Quantile > 0 {
		held[usd] = min(held[usd], clamp(int64(a.Quantile)))
	}
	if most > 0 {
		held[tokens] = min(held[tokens], clamp(most))
	}
	return held
}

// Reserve holds what an attempt may cost in every budget that applies, or in
// none. The hold is nil, and good for use, where no budget applies. Errors are
// KindBudget, with a *Refusal as details and the time to come back.
func (l *Ledger) Reserve(s *Subject, t Target, a Amounts) (*Hold, *model.Error) {
	if !l.configured.Load() {
		return nil, nil
	}
	var buf [256]byte
	now := l.cfg.Clock().UnixNano()
	l.mu.RLock()
	r := l.resolved[string(l.key(buf[:0], s, &t))]
	if r != nil && r.fresh(now) && l.escrow.current() {
		if len(r.insts) == 0 {
			l.mu.RUnlock()
			return nil, nil
		}
		if h := l.hold(r, &a, now); h != nil {
			if l.escrow != nil {
				l.escrow.hungry(r.insts)
			}
			l.mu.RUnlock()
			return h, nil
		}
		if r.closed(a.Requests == 0) { // whatever else is going on, this one stays refused
			err := l.refusal(r, &a, now)
			l.mu.RUnlock()
			return nil, inWords(err)
		}
	}
	l.mu.RUnlock()
	return l.reserveAlone(s, &t, &a, now)
}

// reserveAlone decides while nobody else holds anything for a moment: what is
// refused here does not fit. Where a lease rather than the limit stood in the
// way, more is asked for, and it is decided again.
func (l *Ledger) reserveAlone(s *Subject, t *Target, a *Amounts, now int64) (*Hold, *model.Error) {
	h, err, short := l.tryAlone(s, t, a, now)
	if len(short) == 0 {
		return h, inWords(err)
	}
	for deadline := time.Now().Add(storeWait); ; {
		outcome := l.escrow.extend(short, deadline)
		h, err, short = l.tryAlone(s, t, a, now)
		switch {
		case len(short) == 0 || outcome == refused:
			return h, inWords(err)
		case outcome == away && l.escrow.cfg.Open:
			if h := l.admitBeyond(s, t, a, now); h != nil {
				return h, nil
			}
			return nil, inWords(err)
		case outcome == away:
			return nil, l.escrow.unavailable(short[0].account.id)
		case !time.Now().Before(deadline):
			return nil, inWords(err)
		}
	}
}

func (l *Ledger) tryAlone(s *Subject, t *Target, a *Amounts, now int64) (*Hold, *model.Error, []shortage) {
	l.mu.Lock()
	r := l.resolve(s, t, now)
	var moved []*instance
	for _, in := range r.insts {
		if now >= in.until {
			l.refresh(in, now)
			moved = append(moved, in)
		}
	}
	var h *Hold
	var err *model.Error
	var short []shortage
	if len(r.insts) > 0 {
		settleLevels(moved)
		if l.escrow.current() {
			h = l.hold(r, a, now)
		} else {
			short = l.unconfirmed(r)
		}
		if h == nil {
			err = l.refusal(r, a, now)
			if short == nil {
				short = l.shortages(r, a)
			}
		}
	}
	l.mu.Unlock()
	l.relevel(moved)
	return h, err, short
}

// hold adds the amounts to every counter; nil, and nothing changed, when one
// has no room. Caller holds the lock, for reading at least.
func (l *Ledger) hold(r *resolved, a *Amounts, now int64) *Hold {
	h := &Hold{ledger: l, since: now}
	h.lines = h.few[:0]
	likely := a.likely(r.insts)
	for _, in := range r.insts {
		ask, ok := in.state.asked(a)
		if !ok || in.closed(a.Requests == 0) || !in.add(&ask) {
			h.undo()
			return nil
		}
		h.lines = append(h.lines, line{in: in, win: in.win, cell: in.win.cell(), held: ask, likely: in.state.likely(a, ask, likely)})
	}
	l.journal.open(h)
	return h
}

// add takes the amounts if there is room for all of them.
func (in *instance) add(ask *amounts) bool {
	for u := range units {
		if in.terms.limited[u] && !in.addUnit(u, ask[u]) {
			for u--; u >= 0; u-- {
				if in.terms.limited[u] {
					in.win.used[u].Add(-ask[u])
				}
			}
			return false
		}
	}
	return true
}

func (in *instance) addUnit(u int, ask int64) bool {
	used := &in.win.used[u]
	if ask == 0 {
		return true
	}
	for {
		n := used.Load()
		if ask > in.terms.lease[u]-n {
			return false
		}
		if used.CompareAndSwap(n, n+ask) {
			return true
		}
	}
}

// closed reports a budget that refuses whatever costs nothing, too: used up by
// what is spent, or at a step that refuses. A further attempt at a call is no
// further request, and is not refused for want of one.
func (in *instance) closed(further bool) bool {
	further = further && in.terms.limit[requests] > 0
	refuses := in.terms.ladder && in.refuses()
	closed := refuses && !further
	for u := range units {
		if !in.terms.limited[u] || u == requests && further {
			continue
		}
		spent := in.win.spent[u].Load()
		closed = closed || spent >= in.terms.limit[u] || refuses && spent >= in.terms.marks[in.state.refuseAt][u]
	}
	return closed
}

func (r *resolved) closed(further bool) bool {
	return slices.ContainsFunc(r.insts, func(in *instance) bool { return in.closed(further) })
}

// fresh reports that no period and no override has ended.
func (r *resolved) fresh(now int64) bool {
	for _, in := range r.insts {
		if now >= in.until {
			return false
		}
	}
	return true
}
