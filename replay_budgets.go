package cartrita

import (
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// simulation is the ledger of a replay: budgets that were not in force when the
// calls were made. It is for one goroutine, which sees the calls in the order
// in which they ended.
type simulation struct {
	ledger     *budget.Ledger
	strategies *route.Strategies
	now        time.Time // of the call under way; budgets know no other clock
}

// newSimulation makes the ledger of budgets; nil for none. Errors: KindInvalid
// with the field.
func newSimulation(budgets []budget.Budget, strategies *route.Strategies) (*simulation, error) {
	if budgets == nil {
		return nil, nil
	}
	s := &simulation{strategies: strategies}
	ledger, err := budget.New(budget.Config{Clock: func() time.Time { return s.now }})
	if err != nil {
		return nil, err
	}
	if err := ledger.Configure(budgets); err != nil {
		e := *model.AsError(err)
		e.Param = "change.budgets" + e.Param
		return nil, &e
	}
	s.ledger = ledger
	return s, nil
}

// consult asks what the budgets leave a call to choose from; false: nothing.
func (s *simulation) consult(in *route.Input, c *stored) (open bool, err error) {
	if c.trace.Now.After(s.now) {
		s.now = c.trace.Now
	}
	who := subjectOf(&c.rec.Caller, &c.rec.Context)
	v := s.ledger.View(&who)
	in.Budget = v.Limits
	if v.Refusal != nil {
		return false, nil //nolint:nilerr // a refusal is an answer
	}
	if v.Limits != nil && v.Limits.Strategy != "" {
		in.Strategy, err = s.strategies.Get(v.Limits.Strategy)
	}
	return true, err
}

// charge takes what the call would have cost; false: a budget does not pay
// for it. Of a call that was not completed, or whose costs are not known, it is
// what the decision expected.
func (s *simulation) charge(c *stored, out *compared) bool {
	cost := out.other.Estimate.Expected
	if out.priced {
		cost = out.would
	}
	tokens := c.rec.Usage.Input.Or(out.other.Estimate.InputTokens) + c.rec.Usage.Output.Or(out.other.Estimate.OutputTokens)
	who := subjectOf(&c.rec.Caller, &c.rec.Context)
	target := budget.Target{Model: out.other.Model, Provider: c.fleet.Served[out.other.Index].Provider}
	hold, refusal := s.ledger.Reserve(&who, target, budget.Amounts{
		Worst: cost, Quantile: cost, AssumedMax: cost, Known: out.other.Estimate.Priced, Tokens: tokens, Requests: 1,
	})
	if refusal != nil {
		return false
	}
	hold.Settle(nil, budget.Spend{Cost: cost, Known: true, Tokens: tokens, Requests: 1})
	return true
}
