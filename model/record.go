package model

import "time"

// Attempt is one call of one endpoint.
type Attempt struct {
	Endpoint  EndpointID `json:"endpoint"`
	Model     ModelID    `json:"model"`
	Step      Step       `json:"step"`
	Retry     int        `json:"retry,omitempty"` // 1 for the first retry of the same endpoint
	StartMS   float64    `json:"start_ms"`        // after the call was received
	TTFTMS    float64    `json:"ttft_ms,omitempty"`
	LatencyMS float64    `json:"latency_ms"`
	Status    int        `json:"status,omitempty"` // the upstream's HTTP status; 0 none
	Error     *Failure   `json:"error,omitempty"`
	Usage     Usage      `json:"usage,omitzero"`
	Cost      Money      `json:"cost_usd,omitzero"` // billed for this attempt even if it failed
}

// Sent reports whether the attempt was made: it was not when a budget, a full
// queue or an open circuit refused it before.
func (a *Attempt) Sent() bool {
	return a.Error == nil || a.Status != 0 || a.LatencyMS > 0 || a.Usage.Source != ""
}

// Failure is an error as it is recorded.
type Failure struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
}

// State is where a call has come to.
type State string

// The states of a record.
const (
	StatePlanned   State = "planned"
	StateCompleted State = "completed"
	StateFailed    State = "failed"
)

// Record is everything that happened to one call: the audit row, the payload
// of its events, the line in the dashboard and the input of a replay.
type Record struct {
	ID       CallID    `json:"call_id"`
	Received time.Time `json:"received_at"`
	Surface  Surface   `json:"surface"`
	Task     Task      `json:"task_type"`
	Asked    string    `json:"model_asked"`
	Stream   bool      `json:"stream,omitempty"`
	Context  Context   `json:"context,omitzero"`
	Caller   Caller    `json:"caller,omitzero"`
	Plan     *Plan     `json:"plan,omitempty"`

	State     State         `json:"state"`
	Attempts  []Attempt     `json:"attempts,omitempty"`
	Model     ModelID       `json:"model,omitempty"`    // that answered, or was tried last
	Endpoint  EndpointID    `json:"endpoint,omitempty"` // likewise
	Provider  string        `json:"provider,omitempty"` // likewise
	Usage     Usage         `json:"usage,omitzero"`     // of the answer
	Cost      CostBreakdown `json:"cost,omitzero"`      // of all attempts
	Estimated Money         `json:"estimated_usd,omitzero"`
	TTFTMS    float64       `json:"ttft_ms,omitempty"`
	LatencyMS float64       `json:"latency_ms"`
	// OverheadMS is the time not spent waiting on an upstream.
	OverheadMS float64  `json:"overhead_ms"`
	Error      *Failure `json:"error,omitempty"`

	Charges  []Charge     `json:"charges,omitempty"`  // to budgets: held in an intent, spent in an outcome
	Degraded []BudgetStep `json:"degraded,omitempty"` // steps of budgets that the decision was made under
}
