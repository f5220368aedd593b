package config

import (
	"fmt"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Budget limits what calls may spend. What its fields mean together is checked
// by package budget.
type Budget struct {
	// Name; what was spent stays with it when anything else changes.
	Name string `json:"name"`
	// Calls that count: all that match every value given; "*" makes one budget for each value. [all calls]
	Scope BudgetScope `json:"scope,omitzero"`
	// hourly, daily, weekly (from Monday), monthly, yearly or total.
	Period string `json:"period"`
	// Count the last 60 minutes, 24 hours, 7, 30 or 365 days instead of the calendar's. [false]
	Rolling bool `json:"rolling,omitempty"`
	// Time zone of the calendar, such as Europe/Berlin. [UTC]
	TimeZone string `json:"time_zone,omitempty"`
	// Most US dollars in a period; 0 refuses all. At least one limit is needed.
	LimitUSD *model.Money `json:"limit_usd,omitempty"`
	// Most tokens, prompt and answer together.
	LimitTokens *int64 `json:"limit_tokens,omitempty"`
	// Most requests.
	LimitRequests *int64 `json:"limit_requests,omitempty"`
	// Shares of the limit whose crossing is an event.
	Thresholds BudgetThresholds `json:"thresholds,omitzero"`
	// What happens as the budget is used. [refuse at the hard stop]
	Ladder []BudgetStep `json:"ladder,omitempty"`
	// What a call holds before it is sent: worst (the most it can cost; the limit is never passed), or p75 to p99 of its estimate (calls with a large max_tokens do not freeze the budget; the overshoot is bounded and reported). [worst]
	Reserve string `json:"reserve,omitempty"`
	// A call to an endpoint without a known price: refuse, assume-max (the dearest known) or free. [the top-level unknown_price]
	UnknownPrice string `json:"unknown_price,omitempty"`
}

// BudgetScope names the calls that a budget counts.
type BudgetScope struct {
	// Id of a virtual key.
	Key string `json:"key,omitempty"`
	// User: the key's owner, else the one that the call names.
	User string `json:"user,omitempty"`
	// Team of the key.
	Team string `json:"team,omitempty"`
	// Project of the key.
	Project string `json:"project,omitempty"`
	// Workflow run id.
	Workflow string `json:"workflow,omitempty"`
	// Model id.
	Model string `json:"model,omitempty"`
	// Provider name.
	Provider string `json:"provider,omitempty"`
	// Tag of the key.
	Tag string `json:"tag,omitempty"`
}

// BudgetThresholds are shares of a limit.
type BudgetThresholds struct {
	// A first warning. [0.7, where that is below critical]
	Warning float64 `json:"warning,omitempty"`
	// Nearly used up. [0.9, where that is below hard_stop]
	Critical float64 `json:"critical,omitempty"`
	// Used up: from here on calls are refused, unless the ladder says otherwise. [1]
	HardStop float64 `json:"hard_stop,omitempty"`
}

// BudgetStep is a step of a budget's ladder.
type BudgetStep struct {
	// Share of the limit from which it is in force, 0 to 1.
	At float64 `json:"at"`
	// notify, prefer-cheaper (strategy cost-optimized), max-price, require-tag, self-hosted-only, cap-tokens or refuse.
	Action string `json:"action"`
	// Of max-price: dollars per 1,000 tokens; of require-tag: the tag; of cap-tokens: the most tokens of an answer.
	Value string `json:"value,omitempty"`
}

// BudgetSharing says how gateways share the budgets.
type BudgetSharing struct {
	// While the database is away and what this gateway holds of a budget is used up: closed (calls are refused) or open (they are admitted, up to the limit as far as it is known). [closed]
	WhenAway string `json:"when_away"`
	// After how long out of sight what a gateway holds is free for the others, whatever it spent and did not record; at least 1m. None: when it starts again, or is released by hand.
	FreeAfter Duration `json:"free_after,omitzero"`
}

// The values of budget_sharing.when_away.
const (
	WhenAwayClosed = "closed"
	WhenAwayOpen   = "open"
)

// The values of unknown_price.
const (
	UnknownPriceRefuse    = "refuse"
	UnknownPriceAssumeMax = "assume-max"
	UnknownPriceFree      = "free"
)

func (v *validator) budgets() {
	v.oneOf("unknown_price", v.c.UnknownPrice, UnknownPriceRefuse, UnknownPriceAssumeMax, UnknownPriceFree)
	v.oneOf("budget_sharing.when_away", v.c.BudgetSharing.WhenAway, WhenAwayClosed, WhenAwayOpen)
	if after := v.c.BudgetSharing.FreeAfter; after != 0 {
		v.atLeast("budget_sharing.free_after", int64(after), int64(time.Minute), "1m")
	}
	seen := map[string]bool{}
	for i := range v.c.Budgets {
		v.name(fmt.Sprintf("budgets[%d].name", i), v.c.Budgets[i].Name, seen)
	}
}
