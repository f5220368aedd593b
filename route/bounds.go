package route

import (
	"math"
	"time"

	"github.com/cartrita/cartrita/model"
)

// bounds are the limits of the caller and of the strategy together.
type bounds struct {
	maxCost    model.Money // MaxInt64: none
	maxPer1K   float64     // nano-USD; +Inf: none
	maxLatency float64     // ms; +Inf: none
	remaining  float64     // ms to the deadline; +Inf: none
	limitsCost bool        // maxCost or maxPer1K is set
	minQuality float64     // 0: none
	maxRisk    model.Risk  // unknown: none
	commercial bool
	required   [2][]string // tags, of the strategy and of the caller
	excluded   [2][]string
	uses       model.FeatureSet // features the request uses
	must       model.FeatureSet // features the caller requires
	limitsTags bool             // required or excluded is set
	limitsTime bool             // maxLatency or remaining is set
}

// newBounds joins the limits. Those of the strategy are valid by construction;
// those of the caller are checked by checkCriteria.
func newBounds(in *Input, s *Strategy, c *model.Criteria) bounds {
	l := &s.Limits
	b := bounds{
		maxCost: math.MaxInt64, maxPer1K: math.Inf(1), maxLatency: math.Inf(1), remaining: math.Inf(1),
		maxRisk:    stricter(l.MaxRisk, c.MaxRisk),
		commercial: l.CommercialUse || c.CommercialUse,
		required:   [2][]string{l.RequiredTags, c.RequiredTags},
		excluded:   [2][]string{l.ExcludedTags, c.ExcludedTags},
		uses:       in.Needs,
		must:       model.Features(c.Features...),
	}
	b.cost(l.MaxCost, l.MaxCostPer1KTokens)
	b.cost(c.MaxCost, c.MaxCostPer1KTokens)
	if own := c.Context.Budget; own != nil {
		b.cost(own.MaxCost, own.MaxCostPer1KTokens)
	}
	for _, ms := range [...]*float64{l.MaxLatencyMS, c.MaxLatencyMS} {
		if ms != nil {
			b.maxLatency = min(b.maxLatency, *ms)
		}
	}
	for _, q := range [...]*float64{l.MinQuality, c.MinQuality} {
		if q != nil {
			b.minQuality = max(b.minQuality, *q)
		}
	}
	if own := c.Context.Safety; own != nil {
		b.maxRisk = stricter(b.maxRisk, own.MaxRisk)
		if own.Required {
			b.maxRisk = stricter(b.maxRisk, model.RiskMedium)
		}
	}
	if c.SafetyRequired {
		b.maxRisk = stricter(b.maxRisk, model.RiskMedium)
	}
	if ms := c.Context.DeadlineMS; ms != nil {
		b.remaining = float64(*ms) - milliseconds(elapsed(in))
	}
	b.limitsTags = len(l.RequiredTags)+len(c.RequiredTags)+len(l.ExcludedTags)+len(c.ExcludedTags) > 0
	b.limitsTime = limits(b.maxLatency) || limits(b.remaining)
	return b
}

func (b *bounds) cost(call, per1K *model.Money) {
	b.limitsCost = b.limitsCost || call != nil || per1K != nil
	if call != nil {
		b.maxCost = min(b.maxCost, *call)
	}
	if per1K != nil {
		b.maxPer1K = min(b.maxPer1K, float64(*per1K))
	}
}

// limits reports whether a ceiling is one.
func limits(ceiling float64) bool { return ceiling <= math.MaxFloat64 }

// stricter returns the lower of two ceilings; unknown is no ceiling.
func stricter(a, b model.Risk) model.Risk {
	if a == model.RiskUnknown || b != model.RiskUnknown && b < a {
		return b
	}
	return a
}

// elapsed is the time between the arrival of the call and the decision.
func elapsed(in *Input) time.Duration {
	if in.Received.IsZero() {
		return 0
	}
	return max(in.Now.Sub(in.Received), 0)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// checkCriteria refuses limits that make no sense.
func checkCriteria(c *model.Criteria) error {
	const op = "route.Decide"
	if err := checkMoney(op, "max_cost_usd", c.MaxCost); err != nil {
		return err
	}
	if err := checkMoney(op, "max_cost_per_1k_tokens", c.MaxCostPer1KTokens); err != nil {
		return err
	}
	if err := checkLatency(op, "max_latency_ms", c.MaxLatencyMS); err != nil {
		return err
	}
	if err := checkQuality(op, "min_quality_score", c.MinQuality); err != nil {
		return err
	}
	if own := c.Context.Budget; own != nil {
		if err := checkMoney(op, "context.budget_constraints.max_cost_usd", own.MaxCost); err != nil {
			return err
		}
		if err := checkMoney(op, "context.budget_constraints.max_cost_per_1k_tokens", own.MaxCostPer1KTokens); err != nil {
			return err
		}
	}
	if ms := c.Context.DeadlineMS; ms != nil && *ms <= 0 {
		return model.Invalidf(op, "context.deadline_ms", "want a number of milliseconds above 0, got %d", *ms)
	}
	return nil
}
