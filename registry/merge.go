package registry

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/importer"
	"github.com/cartrita/cartrita/registry/schema"
)

// merge lays what a source says over what the registry has: a field that the
// source knows replaces the old one, a field on which it is silent stays.
// Prices, metrics and throughputs are replaced one by one. Tasks are added, never taken away: no
// source lists all of them. Features move between the two lists.
func merge(old, said *model.Model) *model.Model {
	m := *old
	set(&m.Canonical, said.Canonical)
	set(&m.Name, said.Name)
	set(&m.Upstream, said.Upstream)
	set(&m.Family, said.Family)
	set(&m.License, said.License)
	set(&m.RiskNotes, said.RiskNotes)
	set(&m.Source, said.Source)
	set(&m.Architecture, said.Architecture)
	set(&m.Risk, said.Risk)
	if m.Status != model.StatusRetired || said.Source != string(importer.LiteLLM) { // a list does not bring back what somebody retired
		set(&m.Status, said.Status)
	}
	set(&m.ParametersBillion, said.ParametersBillion)
	set(&m.CommercialAllowed, said.CommercialAllowed)
	set(&m.ContextLength, said.ContextLength)
	set(&m.MaxOutputTokens, said.MaxOutputTokens)
	set(&m.LatencyMS, said.LatencyMS)
	set(&m.DefaultTemperature, said.DefaultTemperature)
	m.Pricing = mergePricing(old, said.Pricing)
	set(&m.LastBenchmark, said.LastBenchmark)
	list(&m.Aliases, said.Aliases)
	m.Tasks = union(old.Tasks, said.Tasks)
	list(&m.InputModalities, said.InputModalities)
	list(&m.OutputModalities, said.OutputModalities)
	list(&m.Quantizations, said.Quantizations)
	list(&m.Tags, said.Tags)
	list(&m.Fallbacks, said.Fallbacks)
	list(&m.Metadata, said.Metadata)
	m.Quality = overlay(old.Quality, said.Quality)
	m.Throughput = overlay(old.Throughput, said.Throughput)
	have := model.Features(old.Features...)&^model.Features(said.MissingFeatures...) | model.Features(said.Features...)
	lack := model.Features(old.MissingFeatures...)&^model.Features(said.Features...) | model.Features(said.MissingFeatures...)
	m.Features, m.MissingFeatures = have.List(), (lack &^ have).List()
	return &m
}

// mergePricing keeps the prices on which the source is silent, and then names
// the sources of both.
func mergePricing(record *model.Model, said *model.Pricing) *model.Pricing {
	old := record.Pricing
	if old == nil || said == nil {
		return cmp.Or(said, old)
	}
	if cmp.Or(old.Currency, "USD") != cmp.Or(said.Currency, "USD") {
		return said // amounts in two currencies don't mix
	}
	p, kept := *said, false
	into, from := p.TokenPrices(), old.TokenPrices()
	for i := range into {
		kept = fill(into[i].Price, *from[i].Price) || kept
	}
	kept = fill(&p.Request, old.Request) || kept
	kept = fill(&p.Second, old.Second) || kept
	if p.Tiers == nil && old.Tiers != nil {
		p.Tiers, kept = old.Tiers, true
	}
	if p.Hourly == nil && old.Hourly != nil { // with the figures that it is shared by
		p.Hourly, p.Devices, p.TokensPerSecond, kept = old.Hourly, old.Devices, old.TokensPerSecond, true
		p.ThroughputByLoad, p.Load = old.ThroughputByLoad, old.Load
		p.CapacityShare, p.OverheadFactor, p.MoEFactor = old.CapacityShare, old.OverheadFactor, old.MoEFactor
		p.Utilisation, p.AmortiseIdle, p.Watts, p.PowerPrice = old.Utilisation, old.AmortiseIdle, old.Watts, old.PowerPrice
	}
	if kept {
		p.Source = sources(said.Source, cmp.Or(old.Source, record.Source))
	}
	return &p
}

// fill takes a price where there is none.
func fill(into **model.Money, old *model.Money) bool {
	if *into != nil || old == nil {
		return false
	}
	*into = old
	return true
}

// sources joins a source with those named before, each once.
func sources(first, before string) string {
	const and = " and "
	out := first
	for _, s := range strings.Split(before, and) {
		if s != first && s != "" {
			out += and + s
		}
	}
	return out
}

func set[T comparable](into *T, v T) {
	var zero T
	if v != zero {
		*into = v
	}
}

func list[S ~[]T, T any](into *S, v S) {
	if len(v) > 0 {
		*into = v
	}
}

func union[T comparable](old, said []T) []T {
	out := slices.Clone(old)
	for _, v := range said {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func overlay(old, said map[string]model.Figure) map[string]model.Figure {
	if len(said) == 0 {
		return old
	}
	out := maps.Clone(old)
	if out == nil {
		out = make(map[string]model.Figure, len(said))
	}
	maps.Copy(out, said)
	return out
}

// normalise fills what follows from other fields and checks a record against
// the schema and against itself. It returns a copy, or every problem.
func (r *Registry) normalise(in *model.Model) (*model.Model, []schema.Problem) {
	m := *in
	if m.Upstream == "" {
		m.Upstream = strings.TrimPrefix(string(m.ID), m.Provider+"/")
	}
	if m.Canonical == "" {
		m.Canonical = string(m.ID)
	}
	m.Features, m.MissingFeatures = ordered(m.Features), ordered(m.MissingFeatures)
	doc, err := encode(&m)
	if err != nil {
		return nil, []schema.Problem{{Message: err.Error()}}
	}
	out, problems := importer.Decode(doc, r.validator())
	if problems != nil {
		return nil, problems
	}
	return out, checkRecord(out)
}

// ordered puts features in the order of the vocabulary, so that the order in
// which a file names them is no change.
func ordered(fs []model.Feature) []model.Feature {
	if len(fs) == 0 {
		return nil
	}
	return slices.Sorted(slices.Values(fs))
}

// checkRecord checks what a schema cannot say.
func checkRecord(m *model.Model) (out []schema.Problem) {
	if strings.HasPrefix(string(m.ID), autoName+":") || m.ID == autoName {
		out = append(out, schema.Problem{Path: "model_id", Message: `"auto" and names that start with "auto:" are reserved for routing`})
	}
	for i, name := range m.Fallbacks {
		if name == string(m.ID) || name == m.Canonical {
			out = append(out, schema.Problem{Path: index("fallback_chain", i), Message: "a model cannot be its own fallback"})
		}
	}
	for i, f := range m.MissingFeatures {
		if model.Features(m.Features...).Has(f) {
			out = append(out, schema.Problem{Path: index("missing_features", i), Message: f.String() + " is also among the features"})
		}
	}
	if m.ContextLength != nil && m.MaxOutputTokens != nil && *m.MaxOutputTokens > *m.ContextLength {
		out = append(out, schema.Problem{Path: "max_output_tokens", Message: "is more than the context_length"})
	}
	return out
}
