package budget_test

import (
	"fmt"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
)

// A call holds what it may cost, and settles what it did.
func Example() {
	noon := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	ledger, err := budget.New(budget.Config{Clock: func() time.Time { return noon }})
	if err != nil {
		panic(err)
	}
	limit := 2 * model.USD
	err = ledger.Configure([]budget.Budget{{Name: "teams", Scope: budget.Scope{Team: budget.Any}, Period: budget.Daily, LimitUSD: &limit}})
	if err != nil {
		panic(err)
	}
	who, where := &budget.Subject{Team: "a"}, budget.Target{Model: "openai/gpt-5", Provider: "openai"}
	ask := budget.Amounts{Worst: model.USD * 3 / 2, Known: true, Requests: 1}

	hold, refused := ledger.Reserve(who, where, ask)
	fmt.Println("first:", refused == nil)
	_, refused = ledger.Reserve(who, where, ask)
	fmt.Println("second:", refused.Message)
	for _, c := range hold.Settle(nil, budget.Spend{Cost: model.USD / 4, Known: true, Requests: 1}) {
		fmt.Println("charged:", c.Budget, c.Cost)
	}
	hold, refused = ledger.Reserve(who, where, ask)
	fmt.Println("third:", refused == nil)
	hold.Release()
	// Output:
	// first: true
	// second: budget "teams/a" (team=a, daily) has spent $0 of $2 and holds $1.5 for running calls; this call asks for $1.5; up to $0.5 would still be allowed
	// charged: teams/a $0.25
	// third: true
}
