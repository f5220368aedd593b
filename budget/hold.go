package budget

import (
	"sync/atomic"

	"github.com/cartrita/cartrita/model"
)

// Hold is what is held for one attempt. It ends with Settle, Assume or
// Release, whichever comes first; the others then do nothing. A nil Hold is one
// of no budget.
type Hold struct {
	ledger *Ledger
	since  int64
	done   atomic.Bool
	lines  []line
	few    [5]line // backs lines in the common case

	shard      *shard
	prev, next *Hold
}

// line is the part of a hold in one budget.
type line struct {
	in   *instance
	win  *window
	cell *cell
	held amounts
	// likely is what the line is charged when nobody sees the end of the attempt.
	likely amounts
}

// Spend is what an attempt has cost.
type Spend struct {
	Cost       model.Money
	Known      bool        // Cost is a fact; else it is the part of it that has a known price
	AssumedMax model.Money // of the same usage at the highest known price; 0: what is likely
	Tokens     int64
	Requests   int64
}

// Charges appends what budgets are charged if the process dies before the hold
// has ended, for the intent's record.
func (h *Hold) Charges(dst []model.Charge) []model.Charge {
	if h == nil {
		return dst
	}
	for i := range h.lines {
		dst = append(dst, h.lines[i].charge(h.lines[i].likely, false))
	}
	return dst
}

func (ln *line) charge(a amounts, assumed bool) model.Charge {
	start := ln.win.start
	if ln.cell != nil {
		start = ln.cell.start
	}
	return model.Charge{
		Budget: ln.in.id, Period: instant(start),
		Cost: model.Money(a[usd]), Tokens: a[tokens], Requests: a[requests], Assumed: assumed,
	}
}

// Settle replaces what is held by what was spent and appends the charges to
// dst; it appends none when the hold has ended before.
func (h *Hold) Settle(dst []model.Charge, s Spend) []model.Charge {
	return h.end(dst, func(ln *line) (amounts, bool) {
		a := amounts{clamp(int64(s.Cost)), clamp(s.Tokens), clamp(s.Requests)}
		if s.Known {
			return a, false
		}
		switch {
		case ln.in.state.UnknownPrice == Free:
			return a, false
		case s.AssumedMax > 0:
			a[usd] = max(a[usd], clamp(int64(s.AssumedMax)))
		default:
			a[usd] = max(a[usd], ln.likely[usd])
		}
		return a, true
	})
}

// Assume charges what is likely, when nobody knows what was spent.
func (h *Hold) Assume(dst []model.Charge) []model.Charge {
	return h.end(dst, func(ln *line) (amounts, bool) { return ln.likely, true })
}

// Release gives back what is held; nothing was spent.
func (h *Hold) Release() {
	h.end(nil, func(*line) (amounts, bool) { return amounts{}, false })
}

// end posts what spent says for each line, once.
func (h *Hold) end(dst []model.Charge, spent func(*line) (amounts, bool)) []model.Charge {
	if h == nil || !h.done.CompareAndSwap(false, true) {
		return dst
	}
	l := h.ledger
	var sum amounts
	cross := false
	l.mu.RLock()
	for i := range h.lines {
		ln := &h.lines[i]
		a, assumed := spent(ln)
		ln.post(l, &a)
		if assumed {
			ln.guess(a[usd])
		}
		for u := range units {
			sum[u] += a[u]
		}
		if a != (amounts{}) {
			dst = append(dst, ln.charge(a, assumed))
			cross = cross || ln.in.due()
		}
	}
	l.journal.settle(h, sum)
	l.mu.RUnlock()
	if cross {
		for i := range h.lines {
			l.relevel([]*instance{h.lines[i].in})
		}
	}
	return dst
}

// post moves a line from held to spent. Caller holds the ledger's read lock.
func (ln *line) post(l *Ledger, a *amounts) {
	left := ln.cell != nil && ln.cell.dead // out of the window, or with it
	for u := range units {
		move := a[u] - ln.held[u]
		if left {
			move = -ln.held[u]
		}
		if move != 0 && (ln.in.terms.limited[u] || ln.win.dead) {
			ln.win.used[u].Add(move)
		}
		if a[u] == 0 {
			continue
		}
		if left || ln.win.dead {
			l.journal.closed[u].Add(a[u])
			continue
		}
		ln.win.spent[u].Add(a[u])
		if ln.cell != nil {
			ln.cell.spent[u].Add(a[u])
		}
	}
	if a[usd] == 0 {
		return
	}
	if ln.cell != nil {
		ln.cell.flow.add(a[usd])
	} else {
		ln.win.flow.add(a[usd])
	}
	if over := a[usd] - ln.held[usd]; over > 0 {
		ln.in.over.Add(1)
		ln.in.by.Add(over)
	}
}

// guess notes that an amount just posted is assumed. Caller holds the ledger's
// read lock.
func (ln *line) guess(nano int64) {
	if ln.win.dead || ln.cell != nil && ln.cell.dead {
		return
	}
	ln.win.guess.Add(nano)
	if ln.cell != nil {
		ln.cell.guess.Add(nano)
	}
}

// undo gives back what was added before a refusal; the hold was never opened.
func (h *Hold) undo() {
	for i := range h.lines {
		ln := &h.lines[i]
		for u := range units {
			if ln.held[u] != 0 && ln.in.terms.limited[u] {
				ln.win.used[u].Add(-ln.held[u])
			}
		}
	}
}
