package route

import (
	"slices"

	"github.com/cartrita/cartrita/model"
)

// overBudget reports whether a budget keeps the call from the endpoint.
func (d *decision) overBudget(i int) bool {
	rules := d.in.Budget.Rules
	for k := range rules {
		if d.breaks(i, &rules[k]) {
			return true
		}
	}
	return false
}

func (d *decision) breaks(i int, r *model.BudgetRule) bool {
	s := &d.served[i]
	if !r.Covers(s.Endpoint.Model, s.Provider) {
		return false
	}
	return r.Closed ||
		r.SelfHosted && !d.facts[i].selfHosted ||
		r.RequiredTag != "" && !slices.Contains(s.Tags, r.RequiredTag) ||
		r.MaxCostPer1KTokens != nil && !withinPrice(&d.estimates[i], *r.MaxCostPer1KTokens)
}

func withinPrice(e *model.Estimate, most model.Money) bool {
	return e.Priced && float64(e.Expected)*1000 <= float64(most)*tokens(e)
}

func (d *decision) tellBudget(x *model.Exclusion, i int) {
	rules := d.in.Budget.Rules
	at := slices.IndexFunc(rules, func(r model.BudgetRule) bool { return d.breaks(i, &r) })
	r, e := &rules[at], &d.estimates[i]
	x.Detail = string(r.Budget)
	switch {
	case r.Closed:
	case r.SelfHosted:
		x.Detail += ": self-hosted"
	case r.RequiredTag != "":
		x.Detail += ": tagged " + r.RequiredTag
	case !e.Priced:
		x.Detail += ": priced"
	default:
		x.Want, x.Have = r.MaxCostPer1KTokens.USD(), float64(e.Expected)/1e9*1000/tokens(e)
	}
}

// unaffordable is the error when budgets are all that stands between the call
// and an endpoint.
func (d *decision) unaffordable(op string) *model.Error {
	n := d.counts[model.FilterBudget]
	if n == 1 {
		return model.Errorf(op, model.KindBudget, "the budgets of this call do not allow the only endpoint that could serve it now")
	}
	return model.Errorf(op, model.KindBudget, "the budgets of this call allow none of the %d endpoints that could serve it now", n)
}

// broken lists the rules that stand before the endpoints that only budgets
// exclude.
func (d *decision) broken() (ways [][]int) {
	for i, m := range d.marks {
		if m.filter != model.FilterBudget {
			continue
		}
		var way []int
		for k := range d.in.Budget.Rules {
			if d.breaks(i, &d.in.Budget.Rules[k]) {
				way = append(way, k)
			}
		}
		if !slices.ContainsFunc(ways, func(w []int) bool { return slices.Equal(w, way) }) {
			ways = append(ways, way)
		}
	}
	return ways
}
