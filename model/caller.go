package model

import (
	"slices"
	"time"
)

// KeyID names a virtual API key; it is public, unlike the key's secret.
type KeyID string

// Caller is on whose account a call is made, as the gateway established it
// from the API key. Unlike Context it is never taken from the request, so that
// nobody can spend in another's name.
type Caller struct {
	Key     KeyID    `json:"key_id,omitempty"`  // "" for a caller without a virtual key
	User    string   `json:"user,omitempty"`    // owner of the key
	Team    string   `json:"team,omitempty"`    //
	Project string   `json:"project,omitempty"` //
	Tags    []string `json:"tags,omitempty"`    // sorted
}

// IsZero reports a caller of whom nothing is known.
func (c *Caller) IsZero() bool {
	return c.Key == "" && c.User == "" && c.Team == "" && c.Project == "" && len(c.Tags) == 0
}

// HasTag reports whether the caller's key carries the tag.
func (c *Caller) HasTag(tag string) bool { return slices.Contains(c.Tags, tag) }

// BudgetID names one budget. A budget with the scope {team: *} counts for each
// team apart; its id is then followed by the values, "teams/a".
type BudgetID string

// Charge is what one call takes from one budget: in an intent what is held for
// it, in an outcome what was spent. The charges of all outcomes add up to the
// budget's ledger.
type Charge struct {
	Budget   BudgetID  `json:"budget"`
	Period   time.Time `json:"period"` // start of the calendar period, or of the bucket of a rolling one
	Cost     Money     `json:"cost_usd,omitzero"`
	Tokens   int64     `json:"tokens,omitempty"`
	Requests int64     `json:"requests,omitempty"`
	// Assumed is true when what was spent is not known, as after a crash, and
	// what had been held is charged instead.
	Assumed bool `json:"assumed,omitempty"`
}

// BudgetStep is a step of a budget's degradation ladder that was in force for a call.
type BudgetStep struct {
	Budget BudgetID `json:"budget"`
	Action string   `json:"action"`           // prefer-cheaper, max-price, require-tag, self-hosted-only, cap-tokens, refuse
	Detail string   `json:"detail,omitempty"` // the price, tag or number of tokens
	Used   float64  `json:"used"`             // share of the limit that was used, held included
}
