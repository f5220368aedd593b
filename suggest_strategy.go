package cartrita

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// strategies suggests to decide by cost, for each task where that saves for
// certain at the level of the interval; apart for calls that name a model,
// which can only go to another endpoint of it.
func (a *adviser) strategies(kind SuggestionKind, groups map[trafficKey]*traffic) ([]Suggestion, string) {
	var out []Suggestion
	for key, t := range groups {
		c := t.comparison(key.task)
		if c.Calls < fewCalls || c.Changed == 0 || c.Saved.Low <= 0 || c.Refused > 0 {
			continue
		}
		found := Suggestion{
			Kind: kind, Scope: key.String(), Calls: c.Changed, Saved: c.Saved, Latency: c.Latency, Quality: c.Quality, Confidence: confidence(c.Saved),
			How: fmt.Sprintf("%d calls were decided again under the change from what was known at the time, with every limit of each call and of the strategy that it was decided under; "+
				"at another model a call is priced by the tokens it used, scaled by the ratio of the tokens that the models were expected to take and give.", c.Calls),
			Apply: t.apply(kind, key.named),
		}
		if kind == SuggestStrategy {
			found.Title = "Decide by cost: " + found.Scope
			found.TradeOff = "Cheaper endpoints may be worse or slower, see quality and latency; both are the router's expectations, not measurements of your answers."
		} else {
			found.Title = "Decide by cost among models of no lower quality: " + found.Scope
			found.TradeOff = "Latency may rise, see there. Quality is the registry's composite of benchmarks; your task may differ."
		}
		out = append(out, found)
	}
	slices.SortFunc(out, func(a, b Suggestion) int { return cmp.Compare(a.Scope, b.Scope) })
	return out, fmt.Sprintf("for no task with %d calls or more does it save at the 90 %% level without refusing calls", fewCalls)
}

// String names the traffic as the scope of a suggestion.
func (k trafficKey) String() string {
	if k.named {
		return k.task + ", calls that name a model"
	}
	return k.task
}

// apply says how to do what was replayed and no more: calls that name a model
// go on naming it, and hard limits of strategies stay in force.
func (t *traffic) apply(kind SuggestionKind, named bool) string {
	const floor = "min_quality_score at the quality of the model that serves them now"
	var way, with string
	switch {
	case named:
		way = "Go on naming the model, and send strategy: cost-optimized with these calls: a cheaper endpoint of the same model serves them."
	case kind == SuggestSameQuality:
		way, with = "Send these calls to auto:cost-optimized with "+floor+".", " and a "+floor
	default:
		way = "Send these calls to auto:cost-optimized; default_strategy: cost-optimized does so for those that name neither a model nor a strategy."
	}
	if len(t.limited) > 0 {
		var names []string
		calls := int64(0)
		for _, name := range slices.Sorted(maps.Keys(t.limited)) {
			names, calls = append(names, name), calls+t.limited[name]
		}
		way += fmt.Sprintf(" Not so the %d calls decided under strategies with hard limits (%s), which cost-optimized does not set: give these strategies the weights of cost-optimized%s, and keep their limits.",
			calls, strings.Join(names, ", "), with)
	}
	if kind == SuggestStrategy {
		way += " See each call with: cartrita replay --strategy cost-optimized --keep-limits --by task"
	}
	return way
}
