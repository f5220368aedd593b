package budget

import (
	"time"

	"github.com/cartrita/cartrita/model"
)

// bar is what one rule of a View says against a call.
type bar struct {
	Exceeded
	wait time.Duration // until it is lifted; 0: it never is, or nobody knows
}

// Barred is the error of a call that the rules of a View left no endpoint. Each
// way is the rules that stand before some endpoint; it is open when all of them
// are lifted. The time to come back is that of the way that opens first. Nil
// when no budget stands in the way any more.
func (l *Ledger) Barred(ways [][]*model.BudgetRule) *model.Error {
	now := l.cfg.Clock().UnixNano()
	d := &Refusal{}
	var soonest *bar // the last bar of the way that opens first
	bars := map[*model.BudgetRule]*bar{}
	l.mu.RLock()
	for _, way := range ways {
		var last *bar
		for _, r := range way {
			b, seen := bars[r]
			if !seen {
				if b = l.bar(r, now); b != nil {
					d.Exceeded = append(d.Exceeded, b.Exceeded)
				}
				bars[r] = b
			}
			if b != nil && (last == nil || later(b.wait, last.wait)) {
				last = b
			}
		}
		if last != nil && (soonest == nil || later(soonest.wait, last.wait)) {
			soonest = last
		}
	}
	l.mu.RUnlock()
	if soonest == nil {
		return nil
	}
	return &model.Error{
		Op: "budget.Barred", Kind: model.KindBudget, Message: soonest.message(), RetryAfter: soonest.wait, Details: d,
	}
}

// later compares waits, of which 0 is for ever.
func later(a, b time.Duration) bool { return b != 0 && (a == 0 || a > b) }

// bar says what stands behind a rule; nil when nothing does any more. Caller
// holds the lock, for reading at least.
func (l *Ledger) bar(r *model.BudgetRule, now int64) *bar {
	in := l.insts[r.Budget]
	if in == nil {
		return nil
	}
	ask := amounts{requests: 1}
	e, refuses := in.exceeded(ask, true)
	if r.Closed {
		if !refuses {
			return nil
		}
		return newBar(e, in.wait(&e, ask, now), now)
	}
	for i, m := range in.state.marks {
		if m.step == nil || !asks(m.step, r) {
			continue
		}
		e.Reason, e.Unit, e.Step = reasonLadder, unitNames[in.scarcest()], m.step
		return newBar(e, in.untilLeft(i, now), now)
	}
	return nil
}

func newBar(e Exceeded, wait time.Duration, now int64) *bar {
	e.resets(wait, now)
	return &bar{e, wait}
}

// asks reports whether the rule is what the step asks.
func asks(st *Step, r *model.BudgetRule) bool {
	want, ok := st.rule()
	if !ok || want.RequiredTag != r.RequiredTag || want.SelfHosted != r.SelfHosted || want.MaxOutput != r.MaxOutput {
		return false
	}
	p, q := want.MaxCostPer1KTokens, r.MaxCostPer1KTokens
	return p == nil && q == nil || p != nil && q != nil && *p == *q
}
