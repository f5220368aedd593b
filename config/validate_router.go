package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// maxAttempts is the most attempts that one call may take.
const maxAttempts = 16

func (v *validator) router() {
	r := &v.c.Router
	own := sortedKeys(r.Strategies)
	names := slices.Clone(builtinStrategies)
	for _, name := range own {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if slices.Contains(names, r.DefaultStrategy) || v.read("router.strategies") {
		v.oneOf("router.default_strategy", r.DefaultStrategy, names...)
	}
	if r.MaxAttempts < 1 || r.MaxAttempts > maxAttempts {
		v.problem("router.max_attempts", "%d: want a number from 1 to %d", r.MaxAttempts, maxAttempts)
	}
	v.atLeast("router.endpoint_queue", int64(r.EndpointQueue), 1, "1")
	for _, name := range own {
		at := "router.strategies." + name
		if name == "" || strings.ContainsFunc(name, notNameRune) {
			v.problem(at, "%q: want a name of letters, digits, dots, dashes and underscores only", name)
		}
		s := r.Strategies[name]
		v.strategy(at, &s)
	}
}

func (v *validator) strategy(at string, s *Strategy) {
	sum := 0.0
	for _, w := range []struct {
		name   string
		weight float64
	}{
		{"quality", s.Weights.Quality},
		{"cost", s.Weights.Cost},
		{"latency", s.Weights.Latency},
		{"safety", s.Weights.Safety},
		{"availability", s.Weights.Availability},
	} {
		if !(w.weight >= 0) {
			v.problem(at+".weights."+w.name, "%v: want a weight that is not negative", w.weight)
		}
		sum += w.weight
	}
	if !(sum > 0) || math.IsInf(sum, 0) {
		v.problem(at+".weights", "want at least one weight above 0")
	}
	v.strategyLimits(at+".limits", &s.Limits)
	if s.Fallback.Scope != "" {
		v.oneOf(at+".fallback.scope", s.Fallback.Scope, FallbackAny, FallbackSameModel, FallbackNone)
	}
}

func (v *validator) strategyLimits(at string, l *StrategyLimits) {
	if l.MaxCost != nil && *l.MaxCost < 0 {
		v.problem(at+".max_cost_usd", "want an amount that is not negative")
	}
	if l.MaxCostPer1KTokens != nil && *l.MaxCostPer1KTokens < 0 {
		v.problem(at+".max_cost_per_1k_tokens", "want an amount that is not negative")
	}
	if l.MaxLatencyMS != nil && !(*l.MaxLatencyMS > 0) {
		v.problem(at+".max_latency_ms", "%v: want a number above 0", *l.MaxLatencyMS)
	}
	if l.MinQuality != nil {
		v.within(at+".min_quality_score", *l.MinQuality, 0, 1)
	}
	v.tags(at+".required_tags", l.RequiredTags)
	v.tags(at+".excluded_tags", l.ExcludedTags)
	for i, t := range l.ExcludedTags {
		if slices.Contains(l.RequiredTags, t) {
			v.problem(fmt.Sprintf("%s.excluded_tags[%d]", at, i), "%q is required too", t)
		}
	}
}
