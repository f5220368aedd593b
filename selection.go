package cartrita

import (
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// Criteria says what a decision is wanted for. See model.Criteria for the fields.
type Criteria = model.Criteria

// Selection is a decision without a call: the answer of POST /api/v1/select.
type Selection struct {
	RequestID          model.CallID       `json:"request_id"`
	Selected           model.ModelID      `json:"selected"`
	Endpoint           model.EndpointID   `json:"endpoint"`
	Strategy           string             `json:"strategy"`
	Weights            model.Weights      `json:"weights"`
	Score              float64            `json:"score"`
	Reason             string             `json:"reason"` // in words
	Confidence         float64            `json:"confidence"`
	EstimatedCostUSD   *model.Money       `json:"estimated_cost_usd"`   // null: the endpoint has no known price
	EstimatedCost      model.Estimate     `json:"estimated_cost"`       // with its 90 % interval
	EstimatedLatencyMS *float64           `json:"estimated_latency_ms"` // to the first token; null: unknown
	FallbackAvailable  bool               `json:"fallback_available"`
	Fallbacks          []model.EndpointID `json:"fallbacks"` // in the order in which they would be tried
	Candidates         []model.Candidate  `json:"candidates"`
	Excluded           []ExcludedEndpoint `json:"excluded"`
}

// ExcludedEndpoint is an exclusion with its reason in words.
type ExcludedEndpoint = route.ExcludedEndpoint

// Decision is a stored record with its explanation: the answer of GET
// /api/v1/decisions/{id}.
type Decision struct {
	*model.Record
	Explanation string             `json:"explanation"`
	Excluded    []ExcludedEndpoint `json:"excluded"` // the plan's exclusions, in words
}
