package budget

import (
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Override changes a budget by hand until it expires. Limits left out stay as
// configured.
type Override struct {
	Until         time.Time    `json:"until"`
	Reason        string       `json:"reason"`
	Actor         string       `json:"actor,omitempty"`
	LimitUSD      *model.Money `json:"limit_usd,omitempty"`
	LimitTokens   *int64       `json:"limit_tokens,omitempty"`
	LimitRequests *int64       `json:"limit_requests,omitempty"`
	SuspendLadder bool         `json:"suspend_ladder,omitempty"`
}

// Override puts an override on a budget, or on one of its counters ("teams/a");
// it replaces an earlier one. Errors: KindNotFound, KindInvalid with the field.
func (l *Ledger) Override(id model.BudgetID, o Override) error {
	const op = "budget.Override"
	now := l.cfg.Clock()
	switch {
	case o.Until.IsZero():
		return model.Invalidf(op, "until", "is missing: want a time in the future")
	case !o.Until.After(now):
		return model.Invalidf(op, "until", "is %s: want a time in the future", o.Until.Format(time.RFC3339))
	case strings.TrimSpace(o.Reason) == "":
		return model.Invalidf(op, "reason", "is missing: want why, for the audit")
	case o.LimitUSD == nil && o.LimitTokens == nil && o.LimitRequests == nil && !o.SuspendLadder:
		return model.Invalidf(op, "limit_usd", "is missing: want a limit, or suspend_ladder")
	}
	for _, f := range []struct {
		name string
		n    *int64
	}{{"limit_usd", (*int64)(o.LimitUSD)}, {"limit_tokens", o.LimitTokens}, {"limit_requests", o.LimitRequests}} {
		if f.n != nil && (*f.n < 0 || *f.n > most) {
			return outOfRange(op, f.name, *f.n)
		}
	}
	l.mu.Lock()
	changed, found := l.under(id)
	if !found {
		l.mu.Unlock()
		return model.Errorf(op, model.KindNotFound, "there is no budget %.80q; see GET /api/v1/budgets", id)
	}
	l.overrides[id] = o
	l.held = l.journal.held()
	for _, in := range changed {
		l.refresh(in, now.UnixNano())
	}
	l.held = nil
	settleLevels(changed)
	l.mu.Unlock()
	l.relevel(changed)
	return nil
}

// outOfRange words a limit below 0 or above most.
func outOfRange(op, name string, n int64) *model.Error {
	if name == "limit_usd" {
		return model.Invalidf(op, name, "is %s: want 0 or more, and less than 4.6 billion dollars", model.Money(n))
	}
	return model.Invalidf(op, name, "is %d: want a number from 0 to %d", n, int64(most))
}

// under finds the counters of an id: of a budget all, else the one.
func (l *Ledger) under(id model.BudgetID) (ins []*instance, found bool) {
	if in := l.insts[id]; in != nil {
		return []*instance{in}, true
	}
	for _, s := range l.budgets {
		if s.Name != string(id) {
			continue
		}
		for _, in := range l.insts {
			if in.state == s {
				ins = append(ins, in)
			}
		}
		return ins, true
	}
	return nil, false
}
