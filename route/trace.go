package route

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Trace is what one decision was made from and what came of it, small enough
// to be stored with every call: made again from it over the same endpoints, the
// decision is the same, and made under other rules it says what would have been
// chosen. The static facts of the endpoints are not in it but in the registry
// snapshot that Fleet names.
type Trace struct {
	Fleet    uint64 // names the endpoints that positions refer to
	Strategy Strategy
	Criteria *model.Criteria // limits and weights of the caller, without texts and names; nil: none
	Budget   *model.BudgetLimits
	Task     model.Task
	Needs    model.FeatureSet

	MaxOutput   model.Count
	Largest     float64
	Named       []int32 // as in Input
	Chain       [][]int32
	Seed        uint64
	Snapshot    uint64
	Now         time.Time
	Elapsed     time.Duration // from arrival to decision
	MaxAttempts int
	Keep        int

	Endpoints []Figures // of every endpoint that counted, rising in At
	Partial   bool      // some that other rules might have chosen are left out; see Scratch
	Request   Request

	Refused  bool    // nobody may serve the call
	Score    float64 // of the choice
	Attempts []int32 // positions, in their order
}

// Figures are what was known of one endpoint when the decision was made.
type Figures struct {
	At       int32 // position in the fleet
	Health   model.Health
	Estimate model.Estimate
}

// Request is what of a call has no part in the decision, and what a look back
// needs beside the decision: its size, and which prompts are alike.
type Request struct {
	PromptBytes int64
	Images      int
	Choices     int64
	Prompt      uint64 // fingerprint of the whole prompt; 0 none
	Prefix      uint64 // fingerprint of its beginning; 0 none or too short
}

const traceVersion = 1

// The flags of a trace.
const (
	traceRefused = 1 << iota
	tracePartial
	traceNamed
	traceMaxOutput
	traceLimits
	traceCriteria
	traceBudget
	traceNoLessSafe
	traceContentPolicy
	traceLargest
)

// The flags of an endpoint's figures.
const (
	figPriced  = 1 << iota
	figCalled      // health is not zero
	figRetryAt     //
	figMethod  = 3 // shift: two bits
	figCircuit = 5 // shift: two bits
)

var methods = [...]model.EstimateMethod{model.MethodPrior, model.MethodLearned, model.MethodCounted, ""}

var scopes = [...]Scope{"", ScopeAny, ScopeSameModel, ScopeNone}

// AppendTrace appends the trace of a decision that Decide made from in, whose
// Scratch it must not have lost: p is its plan, nil if it refused. fleet names
// in.Served. It is fast: no reflection unless the caller or a budget set limits.
func AppendTrace(b []byte, fleet uint64, in *Input, p *model.Plan, r *Request) []byte {
	list, partial := in.Scratch.choose(in, p)
	criteria := ownCriteria(in.Criteria)
	flags := uint64(0)
	for flag, set := range [...]bool{
		p == nil, partial, in.Named != nil, in.MaxOutput.Known, !in.Strategy.Limits.none(), criteria != nil, in.Budget != nil,
		in.Strategy.Fallback.NoLessSafe, in.Strategy.Fallback.ContentPolicy, in.Largest > 0,
	} {
		if set {
			flags |= 1 << flag
		}
	}
	b = append(b, traceVersion)
	b = binary.AppendUvarint(b, flags)
	for _, v := range [...]uint64{fleet, in.Seed, r.Prompt, r.Prefix} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.AppendUvarint(b, in.Snapshot)
	b = binary.AppendVarint(b, in.Now.UnixNano())
	b = binary.AppendVarint(b, int64(elapsed(in)))
	for _, v := range [...]uint64{
		uint64(in.Task), uint64(in.Needs), uint64(max(in.MaxAttempts, 0)), uint64(max(in.Keep, 0)),
		uint64(max(r.PromptBytes, 0)), uint64(max(r.Images, 0)), uint64(max(r.Choices, 0)),
	} {
		b = binary.AppendUvarint(b, v)
	}
	if in.MaxOutput.Known {
		b = binary.AppendVarint(b, in.MaxOutput.N)
	}
	if in.Largest > 0 {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(in.Largest))
	}
	b = appendStrategy(b, in.Strategy)
	if criteria != nil {
		b = appendJSON(b, criteria)
	}
	if in.Budget != nil {
		b = appendJSON(b, in.Budget)
	}
	if in.Named != nil {
		b = appendPositions(b, in.Named)
		b = binary.AppendUvarint(b, uint64(len(in.Chain)))
		for _, link := range in.Chain {
			b = appendPositions(b, link)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(list)))
	last := int32(0)
	for _, at := range list {
		b = binary.AppendUvarint(b, uint64(at-last))
		b, last = appendFigures(b, in, at), at
	}
	if p != nil {
		b = appendFloat(b, p.First().Score)
		b = binary.AppendUvarint(b, uint64(len(p.Attempts)))
		for _, a := range p.Attempts {
			b = binary.AppendUvarint(b, uint64(p.Candidates[a.Candidate].Index))
		}
	}
	return b
}

func appendStrategy(b []byte, s *Strategy) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.Name)))
	b = append(b, s.Name...)
	for _, w := range [...]float64{s.Weights.Quality, s.Weights.Cost, s.Weights.Latency, s.Weights.Safety, s.Weights.Availability} {
		b = appendFloat(b, w)
	}
	scope := byte(0)
	for i, name := range scopes {
		if s.Fallback.Scope == name {
			scope = byte(i)
		}
	}
	b = append(b, scope)
	if !s.Limits.none() {
		b = appendJSON(b, &s.Limits)
	}
	return b
}

// appendFigures writes what was known of the endpoint at a position. An
// endpoint that was never called costs nothing but its estimate.
func appendFigures(b []byte, in *Input, at int32) []byte {
	e, h := &in.Estimates[at], &in.Health[at]
	flags := uint64(h.Circuit&3) << figCircuit
	for i, m := range methods {
		if e.Method == m {
			flags |= uint64(i) << figMethod
		}
	}
	if e.Priced {
		flags |= figPriced
	}
	if *h != (model.Health{Circuit: h.Circuit}) {
		flags |= figCalled
	}
	if !h.RetryAt.IsZero() {
		flags |= figRetryAt
	}
	b = binary.AppendUvarint(b, flags)
	b = binary.AppendVarint(b, e.InputTokens)
	b = binary.AppendVarint(b, e.OutputTokens)
	if e.Priced {
		b = binary.AppendVarint(b, int64(e.Expected))
		b = binary.AppendVarint(b, int64(e.Expected-e.Low))
		b = binary.AppendVarint(b, int64(e.High-e.Expected))
	}
	if flags&figCalled != 0 {
		b = binary.AppendVarint(b, int64(h.InFlight))
		b = binary.AppendVarint(b, int64(h.Queued))
		for _, f := range [...]float64{h.Samples, h.TTFTMS, h.LatencyMS, h.TokensPerSecond, h.ErrorRate} {
			b = appendFloat(b, f)
		}
	}
	if !h.RetryAt.IsZero() {
		b = binary.AppendVarint(b, int64(h.RetryAt.Sub(in.Now)))
	}
	return b
}

func appendFloat(b []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
}

// appendPositions writes a list behind its length; nil and empty are one here,
// the flag tells whether a model was named.
func appendPositions(b []byte, list []int32) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, at := range list {
		b = binary.AppendUvarint(b, uint64(at))
	}
	return b
}

// appendJSON writes a document behind its length. What is given to it is made
// of numbers and strings that were decoded or checked before, and always
// encodes; if it did not, the empty document would fail to be read, loudly.
func appendJSON(b []byte, v any) []byte {
	doc, err := json.Marshal(v)
	if err != nil {
		doc = nil
	}
	b = binary.AppendUvarint(b, uint64(len(doc)))
	return append(b, doc...)
}

// ownCriteria is the part of the criteria that a decision depends on, nil when
// there is none: no texts, and of the context no names.
func ownCriteria(c *model.Criteria) *model.Criteria {
	if c == nil {
		return nil
	}
	x := &c.Context
	plain := c.QualityWeight == nil && c.CostWeight == nil && c.LatencyWeight == nil && c.SafetyWeight == nil &&
		c.AvailabilityWeight == nil && !c.SafetyRequired && !c.CommercialUse && c.MaxCostPer1KTokens == nil &&
		c.MaxCost == nil && c.MaxLatencyMS == nil && c.MinQuality == nil && c.MaxRisk == 0 && len(c.RequiredTags) == 0 &&
		len(c.ExcludedTags) == 0 && len(c.Features) == 0 && c.InputTokens == nil && c.OutputTokens == nil
	if plain && x.Priority == 0 && x.DeadlineMS == nil && x.Budget == nil && x.Safety == nil {
		return nil
	}
	own := *c
	own.Model, own.Strategy, own.Task, own.Messages, own.Caller, own.Allow = "", "", nil, nil, nil, nil
	own.Context = model.Context{Priority: x.Priority, DeadlineMS: x.DeadlineMS, Budget: x.Budget, Safety: x.Safety}
	return &own
}

// none reports limits that limit nothing.
func (l *Limits) none() bool {
	return l.MaxCost == nil && l.MaxCostPer1KTokens == nil && l.MaxLatencyMS == nil && l.MinQuality == nil &&
		l.MaxRisk == 0 && !l.CommercialUse && len(l.RequiredTags) == 0 && len(l.ExcludedTags) == 0
}
