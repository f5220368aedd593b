package postgres

import (
	"cmp"
	"slices"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// charges are the numbers of a row of budget_spend, none of which bounds another.
type charges [5]int64

const (
	chargedCalls   = iota // at least 1
	chargedKnown          // cost that was not assumed
	chargedAssumed        // the rest of the cost
	chargedTokens
	chargedRequests
)

func chargesOf(b *event.BudgetSpend) charges {
	if b == nil {
		return charges{}
	}
	return charges{b.Calls, int64(b.Cost - b.Assumed), int64(b.Assumed), b.Tokens, b.Requests}
}

func (c charges) plus(o charges, sign int64) charges {
	for u := range c {
		c[u] += sign * o[u]
	}
	return c
}

// spoolSpend is what the calls of one spool were charged; of "", nobody knows whose.
type spoolSpend struct {
	spool string
	charges
}

func (s *spoolSpend) spend() *event.BudgetSpend {
	return &event.BudgetSpend{
		Calls: s.charges[chargedCalls], Cost: model.Money(s.charges[chargedKnown] + s.charges[chargedAssumed]), Assumed: model.Money(s.charges[chargedAssumed]),
		Tokens: s.charges[chargedTokens], Requests: s.charges[chargedRequests],
	}
}

// apportion changes what spools were charged by a difference. Which of them was
// charged wrongly, the records of calls don't say. What a gateway recorded stays
// where it can, since a gateway that runs counts that as its own: what is missing
// is nobody's, and what is too much is taken from that, then from those with the
// most calls. Where fewer calls are left than gateways, all is nobody's.
func apportion(rows []spoolSpend, by charges) []spoolSpend {
	total := by
	nobody := spoolSpend{}
	var own []spoolSpend
	for _, r := range rows {
		total = total.plus(r.charges, 1)
		if r.spool == "" {
			nobody = r
		} else {
			own = append(own, r)
		}
	}
	if total[chargedCalls] < int64(len(own)) {
		if total[chargedCalls] == 0 {
			return nil
		}
		return []spoolSpend{{"", total}}
	}
	slices.SortFunc(own, func(a, b spoolSpend) int {
		return cmp.Or(cmp.Compare(b.charges[chargedCalls], a.charges[chargedCalls]), cmp.Compare(a.spool, b.spool))
	})
	nobody.charges = nobody.plus(by, 1)
	for u := range by {
		for i := 0; i < len(own) && nobody.charges[u] < 0; i++ {
			have := own[i].charges[u]
			if u == chargedCalls {
				have--
			}
			n := min(-nobody.charges[u], have)
			own[i].charges[u] -= n
			nobody.charges[u] += n
		}
	}
	switch {
	case nobody.charges[chargedCalls] > 0:
		return append(own, nobody)
	case len(own) > 0: // a row without calls there cannot be
		own[0].charges = own[0].plus(nobody.charges, 1)
	}
	return own
}
