package cartrita

import (
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// Barred is the Details of an error about a call to which its budgets leave no
// endpoint: the budgets that stand in the way, and the endpoints.
type Barred struct {
	*budget.Refusal
	*route.NoCandidate
}

// explainBudgets says of a decision that fails for money what the budgets have
// spent, which of their steps is in the way, and until when.
func (s *Service) explainBudgets(ans *answer, err error) error {
	if s.budgets == nil || model.KindOf(err) != model.KindBudget {
		return err
	}
	e := model.AsError(err)
	none, ok := e.Details.(*route.NoCandidate)
	if !ok {
		return err
	}
	ways := make([][]*model.BudgetRule, len(none.Broken))
	for i, way := range none.Broken {
		for _, k := range way {
			ways[i] = append(ways[i], &ans.limits.Rules[k])
		}
	}
	barred := s.budgets.Barred(ways)
	if barred == nil { // a period has ended since, or a budget is gone
		return err
	}
	barred.Op = e.Op
	barred.Message = e.Message + ": " + barred.Message
	barred.Details = &Barred{barred.Details.(*budget.Refusal), none}
	return barred
}

// noCandidate is what a decision that failed says of the endpoints; nil when
// it was not about them.
func noCandidate(failure *model.Error) *route.NoCandidate {
	switch d := failure.Details.(type) {
	case *route.NoCandidate:
		return d
	case *Barred:
		return d.NoCandidate
	}
	return nil
}
