package cartrita

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cartrita/cartrita/model"
)

// SuggestQuery asks for ways to save, from the stored calls alone.
type SuggestQuery struct {
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	Team    string    `json:"team,omitempty"`
	Project string    `json:"project,omitempty"`
}

// SuggestReport is what could be saved, most first.
type SuggestReport struct {
	Calls       int64        `json:"calls"` // that ended in the time asked for and hold a trace
	From        time.Time    `json:"from,omitzero"`
	To          time.Time    `json:"to,omitzero"`
	Cost        model.Money  `json:"cost_usd"` // of the completed ones
	Suggestions []Suggestion `json:"suggestions"`
	// Silent says for each kind of suggestion that was looked for and not made, why.
	Silent []string `json:"not_suggested"`
	Damaged
}

// Suggestion is one way to save. Amounts are of the time asked for; suggestions
// overlap and must not be added up.
type Suggestion struct {
	Kind       SuggestionKind `json:"kind"`
	Scope      string         `json:"scope"` // the task, endpoint or traffic that it is about
	Title      string         `json:"title"`
	Calls      int64          `json:"calls"` // that would change
	Saved      Interval       `json:"saved_usd"`
	Latency    *Interval      `json:"latency_ms"`    // mean change of the expected time to the first token; null: none, or not known
	Quality    *Interval      `json:"quality_score"` // mean change of the expected quality; likewise
	Confidence string         `json:"confidence"`    // high, medium, low
	How        string         `json:"how"`           // it was worked out
	TradeOff   string         `json:"trade_off"`
	Apply      string         `json:"apply"`
}

// SuggestionKind is a kind of suggestion.
type SuggestionKind string

// The kinds.
const (
	SuggestStrategy    SuggestionKind = "strategy"     // decide by cost
	SuggestSameQuality SuggestionKind = "same-quality" // decide by cost among models that are no worse
	SuggestExactCache  SuggestionKind = "exact-cache"  // answer repeated prompts from a cache
	SuggestPromptCache SuggestionKind = "prompt-cache" // let the provider cache prompts that begin alike
	SuggestContext     SuggestionKind = "context"      // shorten prompts far above the usual
	SuggestBatch       SuggestionKind = "batch"        // send what has time by the batch tier
	SuggestHosted      SuggestionKind = "hosted"       // hardware that costs more than its work would elsewhere
	SuggestHardware    SuggestionKind = "hardware"     // hardware that is all but full
)

// fewCalls is the number of calls below which nothing is suggested for them.
const fewCalls = 100

// Suggest works out what could have been saved. Errors: as Replay.
func (s *Service) Suggest(ctx context.Context, q SuggestQuery) (*SuggestReport, error) {
	replay := &ReplayQuery{Since: q.Since, Until: q.Until, Team: q.Team, Project: q.Project}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return nil, model.Invalidf("cartrita.Suggest", "until", "is not after since")
	}
	byCost, err := s.Strategies().Get("cost-optimized")
	if err != nil {
		return nil, err
	}
	all := newAdviser(replay, byCost)
	damaged, err := s.eachTrace(ctx, replay, func() visitor { return newAdviser(replay, byCost) }, func(v visitor) { all.merge(v.(*adviser)) })
	if err != nil {
		return nil, err
	}
	report := all.report()
	report.Damaged = damaged
	return report, nil
}

func (a *adviser) report() *SuggestReport {
	r := &SuggestReport{Calls: a.calls, From: a.from, To: a.to, Cost: a.cost, Suggestions: []Suggestion{}, Silent: []string{}}
	if a.calls < fewCalls {
		r.Silent = append(r.Silent, fmt.Sprintf("anything: %d calls are on record with what they were decided from, fewer than %d", a.calls, fewCalls))
		return r
	}
	for _, part := range []struct {
		kinds   string
		suggest func() ([]Suggestion, string)
	}{
		{"strategy", func() ([]Suggestion, string) { return a.strategies(SuggestStrategy, a.cheap) }},
		{"same-quality", func() ([]Suggestion, string) { return a.strategies(SuggestSameQuality, a.floor) }},
		{"exact-cache", a.exactCache},
		{"prompt-cache", a.promptCache},
		{"context", a.contexts},
		{"batch", a.batches},
		{"hosted, hardware", a.machines},
	} {
		found, why := part.suggest()
		r.Suggestions = append(r.Suggestions, found...)
		if len(found) == 0 {
			r.Silent = append(r.Silent, part.kinds+": "+why)
		}
	}
	r.Silent = append(r.Silent, "quantized variants: one that is a model of its own, with a quality measured for it, takes part in same-quality; the registry holds no quality by quantization of one model")
	slices.SortStableFunc(r.Suggestions, func(a, b Suggestion) int { return cmp.Compare(b.Saved.Value, a.Saved.Value) })
	return r
}

// confidence of a saving: by how many calls it rests on, and whether its
// interval is narrow.
func confidence(i Interval) string {
	switch half := i.High - i.Value; {
	case i.Calls >= 1000 && half <= 0.25*i.Value:
		return "high"
	case i.Calls >= fewCalls && i.Low > 0:
		return "medium"
	}
	return "low"
}
