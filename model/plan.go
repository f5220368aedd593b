package model

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Weights are the shares of the five terms in the composite score; they sum to 1.
type Weights struct {
	Quality      float64 `json:"quality" yaml:"quality"`
	Cost         float64 `json:"cost" yaml:"cost"`
	Latency      float64 `json:"latency" yaml:"latency"`
	Safety       float64 `json:"safety" yaml:"safety"`
	Availability float64 `json:"availability" yaml:"availability"`
}

// Term is one part of a composite score.
type Term struct {
	Score float64 `json:"score"` // in [0,1], more is better
	Value float64 `json:"value"` // the figure behind it, in the term's own unit; meaningful if Known
	Known bool    `json:"known"` // false: scored by the stated prior
}

// Terms are the five parts of a candidate's score. The units of the values:
// quality composite in [0,1], cost in US dollars, latency in milliseconds to
// the first token, safety as risk level 1–4, availability as expected success rate.
type Terms struct {
	Quality      Term `json:"quality"`
	Cost         Term `json:"cost"`
	Latency      Term `json:"latency"`
	Safety       Term `json:"safety"`
	Availability Term `json:"availability"`
}

// Candidate is an endpoint that may serve the call, with its score.
type Candidate struct {
	Endpoint EndpointID `json:"endpoint"`
	Model    ModelID    `json:"model"`
	Score    float64    `json:"score"` // Σ weight × term score, in [0,1]
	Terms    Terms      `json:"terms"`
	Load     float64    `json:"load"` // in-flight and queued calls per unit of speed; breaks near ties
	Estimate Estimate   `json:"estimate"`
	Index    int        `json:"-"` // position in the snapshot that was decided on
}

// Filter names the hard condition that excluded an endpoint.
type Filter uint8

// The filters, in the order in which they are applied, but for FilterDeadline,
// which comes before FilterCircuit; the first that fails is reported.
const (
	FilterName Filter = iota
	FilterKey
	FilterTask
	FilterStatus
	FilterCredentials
	FilterLicense
	FilterRisk
	FilterFeatures
	FilterRequiredTags
	FilterExcludedTags
	FilterContextLength
	FilterMinQuality
	FilterMaxCost
	FilterMaxLatency
	FilterBudget
	FilterCircuit
	FilterDeadline
	filterCount
)

var filterNames = [filterCount]string{
	"model", "key", "task_type", "status", "credentials", "commercial_use", "risk_level", "features",
	"required_tags", "excluded_tags", "context_length", "min_quality_score", "max_cost", "max_latency_ms", "budget", "circuit",
	"deadline_ms",
}

// String returns the name of the filter.
func (f Filter) String() string { return filterNames[f] }

// MarshalText implements encoding.TextMarshaler.
func (f Filter) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Filter) UnmarshalText(b []byte) error {
	i, err := parseName("filter", filterNames[:], string(b))
	*f = Filter(i)
	return err
}

// Exclusion says why an endpoint may not serve the call. It holds figures, not
// prose, so that excluding a thousand endpoints allocates nothing; Reason
// words it.
type Exclusion struct {
	Endpoint EndpointID `json:"endpoint"`
	Model    ModelID    `json:"model"`
	Filter   Filter     `json:"filter"`
	Want     float64    `json:"want,omitempty"`    // the limit, in the filter's unit
	Have     float64    `json:"have,omitempty"`    // what the endpoint has; meaningful unless Unknown
	Unknown  bool       `json:"unknown,omitempty"` // excluded because the figure is unknown
	Detail   string     `json:"detail,omitempty"`  // a tag, a status, a feature list, FromRecord
}

// Reason says in words why the endpoint was excluded.
func (e Exclusion) Reason() string {
	if e.Unknown {
		return e.unknownReason()
	}
	switch e.Filter {
	case FilterName:
		return "is not the model that was asked for"
	case FilterKey:
		return "is not allowed for this key"
	case FilterTask:
		return "does not do " + e.Detail
	case FilterStatus:
		return "is " + e.Detail
	case FilterCredentials:
		return "has no credentials: " + e.Detail + " is not set"
	case FilterLicense:
		return "does not allow commercial use"
	case FilterRisk:
		return fmt.Sprintf("has risk level %s, at most %s is allowed", riskWord(e.Have), riskWord(e.Want))
	case FilterFeatures:
		return "lacks " + e.Detail
	case FilterRequiredTags:
		return "lacks the tag " + strconv.Quote(e.Detail)
	case FilterExcludedTags:
		return "has the excluded tag " + strconv.Quote(e.Detail)
	case FilterContextLength:
		if e.Detail != "" {
			return fmt.Sprintf("gives answers of at most %s tokens, the call allows %s", atMost(e.Have, 0), atLeast(e.Want, 0))
		}
		return fmt.Sprintf("holds %s tokens, the call needs about %s", atMost(e.Have, 0), atLeast(e.Want, 0))
	case FilterMinQuality:
		return fmt.Sprintf("has quality %s, at least %s is asked", atMost(e.Have, 3), atLeast(e.Want, 3))
	case FilterMaxCost:
		return fmt.Sprintf("costs up to $%s %s, at most $%s is allowed", dollars(e.Have), e.Detail, dollars(e.Want))
	case FilterMaxLatency:
		return fmt.Sprintf("has latency %s ms%s, at most %s ms is allowed", atLeast(e.Have, 0), assumed(e.Detail), atMost(e.Want, 0))
	case FilterDeadline:
		return fmt.Sprintf("answers in about %s ms%s, %s ms are left to the deadline", atLeast(e.Have, 0), assumed(e.Detail), atMost(e.Want, 0))
	case FilterBudget:
		return e.budgetReason()
	case FilterCircuit:
		if e.Have > 0 {
			return fmt.Sprintf("is not taking calls for %s s: %s", atLeast(e.Have, 0), e.Detail)
		}
		return "is not taking calls: " + e.Detail
	}
	return e.Filter.String()
}

// budgetReason words an exclusion by a budget; Detail names the budget, and
// behind a colon what it asks for.
func (e Exclusion) budgetReason() string {
	budget, asked, _ := strings.Cut(e.Detail, ": ")
	switch {
	case e.Want > 0:
		return fmt.Sprintf("costs $%s per 1,000 tokens, the budget %s allows at most $%s at its present step", dollars(e.Have), budget, dollars(e.Want))
	case asked != "":
		return fmt.Sprintf("is not %s, all that the budget %s allows at its present step", asked, budget)
	}
	return "has no budget left: " + budget
}

// FromRecord is the Detail of an exclusion for a latency that the endpoint is
// assumed to have by its record: no calls have measured it.
const FromRecord = "from its record"

func assumed(detail string) string {
	if detail == FromRecord {
		return " (assumed from its record, not measured by calls)"
	}
	return ""
}

// unknownReason words an exclusion for a figure that nobody knows.
func (e Exclusion) unknownReason() string {
	switch e.Filter {
	case FilterLicense:
		return "is not known to allow commercial use"
	case FilterRisk:
		return fmt.Sprintf("has no known risk level, at most %s is allowed", riskWord(e.Want))
	case FilterFeatures:
		return "is not known to have " + e.Detail
	case FilterContextLength:
		return fmt.Sprintf("has no known context length, the call needs about %s tokens", atLeast(e.Want, 0))
	case FilterMinQuality:
		return fmt.Sprintf("has no known quality, at least %s is asked", atLeast(e.Want, 3))
	case FilterMaxCost:
		return fmt.Sprintf("has no known price, at most $%s %s is allowed", dollars(e.Want), e.Detail)
	case FilterMaxLatency:
		return fmt.Sprintf("has no known latency, at most %s ms is allowed", atMost(e.Want, 0))
	}
	return e.Filter.String()
}

// atLeast and atMost write a figure with up to so many decimals, rounded up and
// down: a limit and what fails it never read alike.
func atLeast(f float64, decimals int) string { return rounded(f, decimals, math.Ceil, -1) }

func atMost(f float64, decimals int) string { return rounded(f, decimals, math.Floor, 1) }

func rounded(f float64, decimals int, to func(float64) float64, slack float64) string {
	scale := math.Pow10(decimals)
	return strconv.FormatFloat(max(to(f*scale+slack*1e-6), 0)/scale, 'f', -1, 64) // slack: 0.57·1000 is a little less than 570
}

// dollars writes an amount with six digits that count.
func dollars(usd float64) string {
	f, _ := strconv.ParseFloat(strconv.FormatFloat(usd, 'g', 6, 64), 64)
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func riskWord(level float64) string {
	if i := int(level); i > 0 && i < len(riskNames) {
		return riskNames[i]
	}
	return "unknown"
}

// Step is why an attempt stands where it does in the plan.
type Step string

// The steps of a plan, in their order.
const (
	StepBest      Step = "best"       // highest score
	StepSameModel Step = "same-model" // another endpoint of the chosen model
	StepChain     Step = "chain"      // the model's fallback chain
	StepNextBest  Step = "next-best"  // next by score
)

// PlannedAttempt is one entry of the fallback order.
type PlannedAttempt struct {
	Candidate int  `json:"candidate"` // index into Plan.Candidates
	Step      Step `json:"step"`
}

// Plan is a decision: who may serve the call, in what order, and why. The
// same Input gives the same Plan.
type Plan struct {
	Strategy   string           `json:"strategy"`
	Weights    Weights          `json:"weights"`
	Seed       uint64           `json:"seed,string"`      // of the load spreading
	Snapshot   uint64           `json:"registry_version"` // registry version decided on
	Candidates []Candidate      `json:"candidates"`       // by falling score; cut to Input.Keep
	Considered int              `json:"considered"`       // endpoints looked at
	Eligible   int              `json:"eligible"`         // endpoints that passed every filter
	Excluded   []Exclusion      `json:"excluded"`         // cut to Input.Keep
	Attempts   []PlannedAttempt `json:"attempts"`
	Spread     bool             `json:"spread,omitempty"` // the first attempt was moved ahead of a near equal for its lower load
	Confidence float64          `json:"confidence"`       // [0,1]; see package route
	Trace      []byte           `json:"-"`                // what the decision was made from, for a replay; see route.Trace
}

// First returns the candidate of the first attempt. A plan from route.Decide
// without error has at least one.
func (p *Plan) First() *Candidate { return &p.Candidates[p.Attempts[0].Candidate] }
