package route

import (
	"slices"

	"github.com/cartrita/cartrita/model"
)

// Table holds what decisions read of every endpoint of a registry snapshot,
// packed in the order in which they read it: a decision among a thousand
// endpoints is bound by memory, and the records are spread over it. Immutable;
// safe for concurrent use.
type Table struct {
	facts []fact
}

// fact fits a cache line.
type fact struct {
	tasks        model.TaskSet
	features     model.FeatureSet
	lacks        model.FeatureSet
	weights      int32   // equal for records of the same weights
	context      int64   // tokens; the prior if not known
	maxOutput    int64   // tokens; 0 unknown
	quality      float64 // score; the prior if not known
	latency      float64 // ms to the first token before anything is measured; the prior if not known
	places       int32   // 0 unknown
	status       model.Status
	risk         model.Risk
	ready        bool
	commercial   bool // known to be allowed
	contextKnown bool
	qualityKnown bool
	latencyKnown bool
	selfHosted   bool // priced by the hour, or tagged so
}

// NewTable makes the table of the endpoints, once per snapshot. The endpoints
// must not be written afterwards.
func NewTable(served []model.Served) *Table {
	t := &Table{facts: make([]fact, len(served))}
	ids := make(map[string]int32, len(served))
	for i := range served {
		s := &served[i]
		name := canonical(s.Model)
		id, seen := ids[name]
		if !seen {
			id = int32(len(ids))
			ids[name] = id
		}
		t.facts[i] = newFact(s, id)
	}
	return t
}

func newFact(s *model.Served, weights int32) fact {
	f := fact{
		tasks: s.Tasks, features: s.Features, lacks: s.Lacks, weights: weights,
		context: holds(s), contextKnown: s.Context > 0, maxOutput: s.MaxOutput,
		places: int32(max(s.MaxConcurrency, 0)), status: s.Model.Status, risk: s.Model.Risk,
		ready: s.Ready, commercial: s.CommercialKnown && s.Commercial,
		quality: priorQuality, qualityKnown: s.QualityKnown, latency: priorLatencyMS,
	}
	f.selfHosted = s.Pricing != nil && s.Pricing.Hourly != nil || slices.Contains(s.Tags, model.TagSelfHosted)
	if s.QualityKnown {
		f.quality = min(max(s.Quality, 0), 1)
	}
	if l := s.Model.LatencyMS; l != nil && l.Value >= 0 {
		f.latency, f.latencyKnown = l.Value, true
	}
	return f
}

// canonical names the weights of a model.
func canonical(m *model.Model) string {
	if m.Canonical != "" {
		return m.Canonical
	}
	return string(m.ID)
}

// holds is the context length in tokens, the prior if unknown.
func holds(s *model.Served) int64 {
	if s.Context > 0 {
		return s.Context
	}
	return unknownContext
}
