package model

import (
	"encoding/json"
	"time"

	"github.com/cartrita/cartrita/internal/jsonscan"
)

// Surface is the API shape by which a call arrived.
type Surface string

// The surfaces.
const (
	SurfaceChat        Surface = "chat.completions"
	SurfaceCompletions Surface = "completions"
	SurfaceEmbeddings  Surface = "embeddings"
	SurfaceSelect      Surface = "select" // a decision without a call
)

// Call is one request: the raw body, in OpenAI's shape, and the few facts that
// routing needs. The gateway makes it; nothing after it sees HTTP. A Call is
// immutable: a step that changes the text returns a new one.
type Call struct {
	ID           CallID
	Surface      Surface
	Task         Task
	Body         jsonscan.Object // as received, without our own "cartrita" member
	Model        string          // as asked: "auto", "auto:<strategy>", an id, canonical id or alias
	Stream       bool
	WantsUsage   bool       // the caller asked for usage in the stream
	Needs        FeatureSet // features the request uses
	MaxOutput    Count      // tokens the caller allows, per answer
	Choices      int64      // answers asked for at once ("n"); 0 is 1
	PromptBytes  int64      // bytes of prompt text as received
	PromptTokens Count      // of a prompt that is given in token numbers
	Texts        int64      // texts that are answered each by itself; 0 is 1
	Largest      float64    // share of the prompt that the largest of them is; 0 is 1
	Attached     int64      // bytes of audio, video and files in the prompt; huge where one is only named
	Text         TextKind   // what its text looks like
	Images       int        // image parts in the prompt
	Criteria     Criteria   // wishes and limits of the caller
	Caller       Caller     // on whose account; from the API key, never from the body
	Received     time.Time  // with the monotonic clock reading
}

// Criteria is what a caller wants from a decision: the body of POST
// /api/v1/select, the "cartrita" member of a chat request, and the argument of
// Service.Select. The zero value asks for the default strategy.
type Criteria struct {
	Model    string `json:"model,omitempty"` // restrict to this id, canonical id or alias; "" or "auto" = any
	Task     *Task  `json:"task_type,omitempty"`
	Strategy string `json:"strategy,omitempty"`

	// Weights override the strategy's; they are normalised to sum 1. A nil
	// weight beside a given one counts as 0; safety and availability keep the
	// strategy's share when nil.
	QualityWeight      *float64 `json:"quality_weight,omitempty"`
	CostWeight         *float64 `json:"cost_weight,omitempty"`
	LatencyWeight      *float64 `json:"latency_weight,omitempty"`
	SafetyWeight       *float64 `json:"safety_weight,omitempty"`
	AvailabilityWeight *float64 `json:"availability_weight,omitempty"`

	SafetyRequired     bool      `json:"safety_required,omitempty"`        // exclude risk high, critical and unknown
	CommercialUse      bool      `json:"commercial_use,omitempty"`         // exclude models not known to allow it
	MaxCostPer1KTokens *Money    `json:"max_cost_per_1k_tokens,omitempty"` // blended input and output of this call
	MaxCost            *Money    `json:"max_cost_usd,omitempty"`           // of the whole call, upper end of the estimate
	MaxLatencyMS       *float64  `json:"max_latency_ms,omitempty"`         // to the first token
	MinQuality         *float64  `json:"min_quality_score,omitempty"`      // composite, [0,1]
	MaxRisk            Risk      `json:"max_risk_level,omitzero"`
	RequiredTags       []string  `json:"required_tags,omitempty"`
	ExcludedTags       []string  `json:"excluded_tags,omitempty"`
	Features           []Feature `json:"required_features,omitempty"`

	Messages     json.RawMessage `json:"messages,omitempty"`      // to estimate from; or the counts below
	InputTokens  *int64          `json:"input_tokens,omitempty"`  // known prompt size
	OutputTokens *int64          `json:"output_tokens,omitempty"` // expected answer size

	Context Context `json:"context,omitzero"`

	// Set by the gateway from the API key; no request can name them.
	Caller *Caller    `json:"-"` // on whose account a decision without a call is asked for
	Allow  *Allowance `json:"-"` // what the key may ask for; nil: everything
}

// Context says on whose behalf a call is made. It is recorded with every event.
type Context struct {
	UserID        string   `json:"user_id,omitempty"`
	WorkflowRunID string   `json:"workflow_run_id,omitempty"`
	Stage         string   `json:"stage,omitempty"`
	Supervisor    string   `json:"supervisor,omitempty"`
	SessionID     string   `json:"session_id,omitempty"`
	Priority      Priority `json:"priority,omitzero"`
	DeadlineMS    *int64   `json:"deadline_ms,omitempty"` // for the whole call, from its arrival

	Budget *BudgetConstraints `json:"budget_constraints,omitempty"`
	Safety *SafetyConstraints `json:"safety_requirements,omitempty"`
}

// BudgetConstraints are limits that the caller sets for this call alone.
type BudgetConstraints struct {
	MaxCost            *Money `json:"max_cost_usd,omitempty"`
	MaxCostPer1KTokens *Money `json:"max_cost_per_1k_tokens,omitempty"`
}

// SafetyConstraints are demands on the model's safety for this call alone.
type SafetyConstraints struct {
	Required bool `json:"required,omitempty"`
	MaxRisk  Risk `json:"max_risk_level,omitzero"`
}
