package budget

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Imbalance is what the counters and the journal disagree by; all zero when
// the ledger is sound.
type Imbalance struct {
	Quantities          // sum of the differences without their signs
	Negative   int      `json:"negative"` // counters below zero
	Holds      int      `json:"holds"`    // open, for information
	Leaks      int      `json:"leaks"`    // holds older than any call can be
	Budgets    []string `json:"budgets,omitempty"`
}

// Balanced reports a sound ledger.
func (i *Imbalance) Balanced() bool { return i.Quantities == Quantities{} && i.Negative == 0 }

// Check compares the counters with the journal at one instant: in each counter
// what is used beyond what is spent must be what the open holds add up to, and
// all that was loaded and posted must be in some counter.
func (l *Ledger) Check() Imbalance {
	now := l.cfg.Clock().UnixNano()
	out := l.check(now)
	if !out.Balanced() {
		l.cfg.Logger.Error("budget: counters and entries do not agree", "off", out.USD.String(), "tokens", out.Tokens,
			"requests", out.Requests, "negative", out.Negative, "budgets", out.Budgets)
	}
	if out.Leaks > 0 {
		l.cfg.Logger.Error("budget: attempts hold money for longer than any can take", "holds", out.Leaks)
	}
	return out
}

func (l *Ledger) check(now int64) Imbalance {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out Imbalance
	l.journal.each(func(h *Hold) {
		out.Holds++
		if now-h.since > int64(l.cfg.MaxHold) {
			out.Leaks++
		}
	})
	held := l.journal.held()
	var off, sum amounts
	for in := range l.all() {
		wrong, holds := false, held[in.win]
		for u := range units {
			spent, used := in.win.spent[u].Load(), in.win.used[u].Load()
			sum[u] += spent
			if !in.terms.limited[u] {
				continue
			}
			diff := used - spent - holds[u]
			off[u] += abs(diff)
			wrong = wrong || diff != 0
			if spent < 0 || used < 0 {
				out.Negative++
				wrong = true
			}
		}
		if wrong {
			out.Budgets = append(out.Budgets, string(in.id))
		}
	}
	posted := l.journal.posted()
	for u := range units {
		off[u] += abs(l.journal.loaded[u].Load() + posted[u] - sum[u] - l.journal.closed[u].Load())
	}
	slices.Sort(out.Budgets)
	out.Quantities = off.quantities()
	return out
}

// all are the counters in force and those that went away. Caller holds the lock.
func (l *Ledger) all() iter.Seq[*instance] {
	return func(yield func(*instance) bool) {
		for _, in := range l.insts {
			if !yield(in) {
				return
			}
		}
		for _, in := range l.away {
			if !yield(in) {
				return
			}
		}
	}
}

func abs(n int64) int64 { return max(n, -n) }

// Report is the outcome of an audit.
type Report struct {
	Balanced bool        `json:"balanced"`
	Charges  int64       `json:"charges"` // that were added up
	Assumed  Quantities  `json:"assumed"` // of them, what was charged without being known
	Lines    []AuditLine `json:"lines"`   // by budget and period
}

// AuditLine compares one counter with the records in one period, or bucket of
// a rolling window.
type AuditLine struct {
	Budget  model.BudgetID `json:"budget"`
	Period  time.Time      `json:"period"`
	Entries Quantities     `json:"entries"`
	Opening Quantities     `json:"opening,omitzero"`  // spent before the budget came into force
	Counter *Quantities    `json:"counter,omitempty"` // absent: the period is over and no counter shows it
	Equal   bool           `json:"equal"`             // true when there is nothing to compare with
}

type auditKey struct {
	id    model.BudgetID
	start int64
}

// Audit adds up the charges of the outcomes in the records and compares the
// sums, and what the budgets opened with, with the counters. What has settled but is not in the records yet
// differs; write it first.
func (l *Ledger) Audit(entries iter.Seq[model.Charge], openings []Opening) Report {
	var r Report
	var assumed amounts
	sums, opened := map[auditKey]amounts{}, map[auditKey]amounts{}
	for c := range entries {
		k := auditKey{c.Budget, c.Period.UnixNano()}
		a := sums[k]
		for u, n := range (amounts{int64(c.Cost), c.Tokens, c.Requests}) {
			a[u] += n
			if c.Assumed {
				assumed[u] += n
			}
		}
		sums[k] = a
		r.Charges++
	}
	counters := l.counters()
	for _, o := range openings {
		for _, s := range o.Spent {
			k := auditKey{s.Budget, s.Period.UnixNano()}
			if _, shown := counters[k]; shown {
				opened[k] = s.amounts()
			}
		}
	}
	for k := range counters {
		if _, ok := sums[k]; !ok && counters[k] != (amounts{}) {
			sums[k] = amounts{}
		}
	}
	r.Balanced, r.Assumed, r.Lines = true, assumed.quantities(), []AuditLine{}
	for k, sum := range sums {
		line := AuditLine{Budget: k.id, Period: instant(k.start), Entries: sum.quantities(), Opening: opened[k].quantities(), Equal: true}
		if have, ok := counters[k]; ok {
			q := have.quantities()
			for u, n := range opened[k] {
				sum[u] += n
			}
			line.Counter, line.Equal = &q, have == sum
		}
		r.Balanced = r.Balanced && line.Equal
		r.Lines = append(r.Lines, line)
	}
	slices.SortFunc(r.Lines, func(a, b AuditLine) int {
		return cmp.Or(cmp.Compare(a.Budget, b.Budget), a.Period.Compare(b.Period))
	})
	return r
}

// counters reads what is spent by budget and period.
func (l *Ledger) counters() map[auditKey]amounts {
	out := map[auditKey]amounts{}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, in := range l.insts {
		if !in.state.calendar.rolling() {
			out[auditKey{in.id, in.win.start}] = in.spent().amounts()
			continue
		}
		for _, c := range in.win.cells {
			var a amounts
			for u := range units {
				a[u] = c.spent[u].Load()
			}
			out[auditKey{in.id, c.start}] = a
		}
	}
	return out
}
