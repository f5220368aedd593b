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

// BudgetLimits is what the budgets of a call ask of the decision: the steps of
// their degradation ladders that are in force. The zero value asks nothing.
type BudgetLimits struct {
	Strategy string       `json:"strategy,omitempty"` // in place of the call's own
	Rules    []BudgetRule `json:"rules,omitempty"`    // all must be kept
}

// BudgetRule is one step in force, for the endpoints of a model, a provider,
// both, or all. It asks for one thing.
type BudgetRule struct {
	Budget   BudgetID `json:"budget"`
	Model    ModelID  `json:"model,omitempty"`    // "" any
	Provider string   `json:"provider,omitempty"` // "" any

	Closed             bool   `json:"closed,omitempty"`                 // nothing is left
	MaxCostPer1KTokens *Money `json:"max_cost_per_1k_tokens,omitempty"` // expected, input and output blended
	RequiredTag        string `json:"required_tag,omitempty"`           //
	SelfHosted         bool   `json:"self_hosted,omitempty"`            // only on hardware of our own
	MaxOutput          int64  `json:"max_output_tokens,omitempty"`      // caps the answer; excludes nobody
}

// Covers reports whether the rule is for the endpoint.
func (r *BudgetRule) Covers(m ModelID, provider string) bool {
	return (r.Model == "" || r.Model == m) && (r.Provider == "" || r.Provider == provider)
}

// TagSelfHosted marks endpoints on hardware of the user's own that have no
// hourly price.
const TagSelfHosted = "self-hosted"

// BudgetStep is a step of a budget's degradation ladder that was in force for a call.
type BudgetStep struct {
	Budget BudgetID `json:"budget"`
	Action string   `json:"action"`           // prefer-cheaper, max-price, require-tag, self-hosted-only, cap-tokens, refuse
	Detail string   `json:"detail,omitempty"` // the price, tag or number of tokens
	Used   float64  `json:"used"`             // share of the limit that was spent
}
