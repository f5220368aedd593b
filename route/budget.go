package route

import (
	"slices"

	"github.com/cartrita/cartrita/model"
)

// overBudget reports whether a budget keeps the call from the endpoint.
func (d *decision) overBudget(i int) bool {
	b, s := d.in.Budget, &d.served[i]
	return b.SelfHosted && !d.facts[i].selfHosted ||
		b.MaxCostPer1KTokens != nil && !d.withinPrice(i) ||
		len(b.RequiredTags) > 0 && missingTag(s.Tags, b.RequiredTags) != "" ||
		len(b.Closed) > 0 && closedBy(b, s) != ""
}

func (d *decision) withinPrice(i int) bool {
	e := &d.estimates[i]
	return e.Priced && float64(e.Expected)*1000 <= float64(*d.in.Budget.MaxCostPer1KTokens)*tokens(e)
}

func missingTag(tags, required []string) string {
	for _, tag := range required {
		if !slices.Contains(tags, tag) {
			return tag
		}
	}
	return ""
}

func closedBy(b *model.BudgetLimits, s *model.Served) model.BudgetID {
	for i := range b.Closed {
		if b.Closed[i].Covers(s.Endpoint.Model, s.Provider) {
			return b.Closed[i].Budget
		}
	}
	return ""
}

func (d *decision) tellBudget(x *model.Exclusion, i int) {
	b, s := d.in.Budget, &d.served[i]
	if id := closedBy(b, s); id != "" {
		x.Detail = string(id)
		return
	}
	if b.SelfHosted && !d.facts[i].selfHosted {
		x.Detail = string(b.HostBudget) + ": self-hosted"
		return
	}
	if tag := missingTag(s.Tags, b.RequiredTags); tag != "" {
		x.Detail = string(b.TagBudget) + ": tagged " + tag
		return
	}
	e := &d.estimates[i]
	x.Detail, x.Want, x.Have = string(b.PriceBudget), b.MaxCostPer1KTokens.USD(), float64(e.Expected)/1e9*1000/tokens(e)
	if !e.Priced {
		x.Detail, x.Want = string(b.PriceBudget)+": priced", 0
	}
}

// unaffordable is the error when budgets are all that stands between the call
// and an endpoint.
func (d *decision) unaffordable(op string) *model.Error {
	return model.Errorf(op, model.KindBudget,
		"the budgets of this call allow none of the %d endpoints that could serve it now", d.counts[model.FilterBudget])
}
