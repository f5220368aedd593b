package route

import "github.com/cartrita/cartrita/model"

// Decide chooses the endpoints that may serve a call, in order.
//
// Errors: KindInvalid (a weight or limit that makes no sense, with its field),
// KindNoCandidate (every endpoint was excluded by a condition of the call;
// Details is a *NoCandidate), KindUnavailable or KindRateLimited (endpoints
// meet the conditions but take no calls now; RetryAfter says until when).
func Decide(in *Input) (*model.Plan, error) { return nil, nil }

// NoCandidate is the Details of an error about a decision without candidates.
type NoCandidate struct {
	Considered int                `json:"considered"`
	Counts     map[string]int     `json:"excluded_by"` // number of endpoints by filter name
	Excluded   []ExcludedEndpoint `json:"excluded"`    // those that came furthest, at most Input.Keep
}

// ExcludedEndpoint is an exclusion with its reason in words.
type ExcludedEndpoint struct {
	model.Exclusion
	Reason string `json:"reason"`
}
