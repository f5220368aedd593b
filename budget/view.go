package budget

import (
	"slices"
	"strconv"

	"github.com/cartrita/cartrita/model"
)

// costOptimized is the strategy that prefer-cheaper decides by.
const costOptimized = "cost-optimized"

// View is what the budgets say before a decision.
type View struct {
	Limits  *model.BudgetLimits // on the decision; nil: none
	Steps   []model.BudgetStep  // what is behind them, for the record
	Refusal *model.Error        // KindBudget: no call at all may be made
}

// View returns the steps in force for a caller. It is empty, and nothing is
// allocated, when there are none. What a budget by model or provider asks is
// asked of its own endpoints, except prefer-cheaper, which is about the choice.
func (l *Ledger) View(s *Subject) View {
	if !l.configured.Load() {
		return View{}
	}
	var buf [256]byte
	now := l.cfg.Clock().UnixNano()
	l.mu.RLock()
	r := l.resolved[string(l.key(buf[:0], s, nil))]
	if r == nil || !r.fresh(now) || r.staleTargets(s, now) {
		l.mu.RUnlock()
		l.catchUp(s, now)
		l.mu.RLock()
		if r = l.resolved[string(l.key(buf[:0], s, nil))]; r == nil { // reconfigured in between
			l.mu.RUnlock()
			return View{}
		}
	}
	v := l.viewOf(r, s, now)
	l.mu.RUnlock()
	v.Refusal = inWords(v.Refusal)
	return v
}

func (l *Ledger) viewOf(r *resolved, s *Subject, now int64) View {
	var v View
	for _, in := range r.insts {
		if in.level.Load() > 0 {
			v.add(in)
		}
	}
	if r.closed(false) {
		v.Refusal = l.refusal(r, &Amounts{Known: true, Requests: 1}, now)
	}
	for _, b := range r.targeted {
		for _, in := range b.hotOnes() {
			if !in.covers(s) {
				continue
			}
			v.add(in)
			if in.closed(false) {
				v.rule(in, model.BudgetRule{Closed: true})
			}
		}
	}
	return v
}

func (v *View) limits() *model.BudgetLimits {
	if v.Limits == nil {
		v.Limits = &model.BudgetLimits{}
	}
	return v.Limits
}

// rule adds what one budget asks of the endpoints that it is for.
func (v *View) rule(in *instance, r model.BudgetRule) {
	r.Budget, r.Model, r.Provider = in.id, model.ModelID(in.values[dimModel]), in.values[dimProvider]
	v.limits().Rules = append(v.limits().Rules, r)
}

// add puts the steps of one budget that are in force beside those of the others.
func (v *View) add(in *instance) {
	if !in.terms.ladder {
		return
	}
	for i := range min(int(in.level.Load()), len(in.state.marks)) {
		st := in.state.marks[i].step
		if st == nil || st.Action == Notify {
			continue
		}
		v.apply(in, st)
		v.Steps = append(v.Steps, model.BudgetStep{
			Budget: in.id, Action: string(st.Action), Detail: string(st.Value), Used: in.share(),
		})
	}
}

// apply adds what one step asks.
func (v *View) apply(in *instance, st *Step) {
	if st.Action == PreferCheaper {
		v.limits().Strategy = costOptimized
	}
	if r, ok := st.rule(); ok {
		v.rule(in, r)
	}
}

// rule is what the step asks of endpoints; false when it asks nothing of them.
// Its value was checked by validate.
func (s *Step) rule() (r model.BudgetRule, ok bool) {
	switch s.Action {
	case MaxPrice:
		p, _ := model.ParseMoney(string(s.Value))
		r.MaxCostPer1KTokens = &p
	case RequireTag:
		r.RequiredTag = string(s.Value)
	case SelfHostedOnly:
		r.SelfHosted = true
	case CapTokens:
		r.MaxOutput, _ = strconv.ParseInt(string(s.Value), 10, 64)
	default:
		return r, false
	}
	return r, true
}

func (b *state) hotOnes() []*instance {
	if p := b.hot.Load(); p != nil {
		return *p
	}
	return nil
}

func (r *resolved) staleTargets(s *Subject, now int64) bool {
	for _, b := range r.targeted {
		for _, in := range b.hotOnes() {
			if now >= in.until && in.covers(s) {
				return true
			}
		}
	}
	return false
}

// catchUp makes the counters of a caller and brings them up to now.
func (l *Ledger) catchUp(s *Subject, now int64) {
	l.mu.Lock()
	r := l.resolve(s, nil, now)
	all := slices.Clone(r.insts)
	for _, b := range r.targeted {
		all = append(all, b.hotOnes()...)
	}
	for _, in := range all {
		if now >= in.until {
			l.refresh(in, now)
		}
	}
	settleLevels(all)
	l.mu.Unlock()
	l.relevel(all)
}
