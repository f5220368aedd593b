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
// allocated, when there are none. Budgets by model or provider only close
// their own endpoints.
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
	defer l.mu.RUnlock()
	return l.viewOf(r, s, now)
}

func (l *Ledger) viewOf(r *resolved, s *Subject, now int64) View {
	var v View
	for _, in := range r.insts {
		if in.level.Load() > 0 {
			v.add(in)
		}
	}
	if r.closed() {
		v.Refusal = l.refusal(r, &Amounts{Known: true, Requests: 1}, now)
	}
	for _, b := range r.targeted {
		for _, in := range b.hotOnes() {
			if !in.covers(s) {
				continue
			}
			v.add(in)
			if in.closed() {
				lim := v.limits()
				lim.Closed = append(lim.Closed, model.ClosedBudget{
					Budget: in.id, Model: model.ModelID(in.values[dimModel]), Provider: in.values[dimProvider],
				})
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

// add puts the steps of one budget on top of the others: the strictest counts.
func (v *View) add(in *instance) {
	if !in.terms.ladder {
		return
	}
	for i := range min(int(in.level.Load()), len(in.state.marks)) {
		st := in.state.marks[i].step
		if st == nil || st.Action == Notify {
			continue
		}
		v.apply(in.id, st)
		v.Steps = append(v.Steps, model.BudgetStep{
			Budget: in.id, Action: string(st.Action), Detail: string(st.Value), Used: in.share(),
		})
	}
}

func (v *View) apply(id model.BudgetID, st *Step) {
	switch st.Action {
	case PreferCheaper:
		v.limits().Strategy = costOptimized
	case MaxPrice:
		p, _ := model.ParseMoney(string(st.Value)) // checked by validate
		if lim := v.limits(); lim.MaxCostPer1KTokens == nil || p < *lim.MaxCostPer1KTokens {
			lim.MaxCostPer1KTokens, lim.PriceBudget = &p, id
		}
	case RequireTag:
		if lim := v.limits(); !slices.Contains(lim.RequiredTags, string(st.Value)) {
			lim.RequiredTags, lim.TagBudget = append(lim.RequiredTags, string(st.Value)), id
		}
	case SelfHostedOnly:
		lim := v.limits()
		lim.SelfHosted, lim.HostBudget = true, id
	case CapTokens:
		n, _ := strconv.ParseInt(string(st.Value), 10, 64) // checked by validate
		if lim := v.limits(); !lim.MaxOutput.Known || n < lim.MaxOutput.N {
			lim.MaxOutput = model.Known(n)
		}
	}
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
