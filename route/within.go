package route

import (
	"cmp"
	"slices"

	"github.com/cartrita/cartrita/model"
)

// Within returns s held to the hard limits and the fallback rules of other as
// well; where both set one, the stricter holds. Weights and name stay those of
// s. The result may share memory with both.
func (s *Strategy) Within(other *Strategy) Strategy {
	out := *s
	l, o := &out.Limits, &other.Limits
	l.MaxCost = tighter(l.MaxCost, o.MaxCost, false)
	l.MaxCostPer1KTokens = tighter(l.MaxCostPer1KTokens, o.MaxCostPer1KTokens, false)
	l.MaxLatencyMS = tighter(l.MaxLatencyMS, o.MaxLatencyMS, false)
	l.MinQuality = tighter(l.MinQuality, o.MinQuality, true)
	l.MaxRisk = stricter(l.MaxRisk, o.MaxRisk)
	l.CommercialUse = l.CommercialUse || o.CommercialUse
	l.RequiredTags = union(l.RequiredTags, o.RequiredTags)
	l.ExcludedTags = union(l.ExcludedTags, o.ExcludedTags)
	f := &out.Fallback
	if reach(other.Fallback.Scope) < reach(f.Scope) {
		f.Scope = other.Fallback.Scope
	}
	f.NoLessSafe = f.NoLessSafe || other.Fallback.NoLessSafe
	f.ContentPolicy = f.ContentPolicy && other.Fallback.ContentPolicy
	return out
}

// Limited reports whether the strategy sets any hard limit.
func (s *Strategy) Limited() bool { return !s.Limits.none() }

// tighter returns the lower of two ceilings, or the higher of two floors; nil
// is none.
func tighter[T model.Money | float64](a, b *T, floor bool) *T {
	if a == nil || b != nil && *b != *a && cmp.Less(*b, *a) != floor {
		return b
	}
	return a
}

func union(a, b []string) []string {
	out := slices.Clip(a)
	for _, tag := range b {
		if !slices.Contains(out, tag) {
			out = append(out, tag)
		}
	}
	return out
}

// reach orders scopes by how far they let a fallback go.
func reach(s Scope) int {
	return slices.Index([]Scope{ScopeNone, ScopeSameModel, ScopeAny}, cmp.Or(s, ScopeAny))
}
