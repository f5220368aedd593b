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
	return model.Errorf(op, model.KindBudget,
		"the budgets of this call allow none of the %d endpoints that could serve it now", d.counts[model.FilterBudget])
}
