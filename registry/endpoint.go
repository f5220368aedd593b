package registry

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/internal/near"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/catalogue"
	"github.com/cartrita/cartrita/registry/schema"
)

// SelfHosted is the provider of records that stand for weights as such, made
// for endpoints whose model is named by a canonical id.
const SelfHosted = "self-hosted"

// SetEndpoints replaces the endpoints and the inline records of the
// configuration, and publishes the snapshot. Everything is checked first; on
// an error nothing changes. An endpoint's Model is resolved and rewritten: the
// id of a record, else "<provider>/<model>", else a canonical id or alias, for
// which a record of the weights is made. An empty ID becomes
// "<provider>/<upstream>", an empty Upstream the model's name. An inline record
// whose canonical id is known gets what is published about those weights where
// it says nothing itself.
//
// Errors are KindInvalid with a Param of the form "endpoints[2].base_url" or
// "models[0].task_types", and every problem under Details; KindConflict before
// Load.
func (r *Registry) SetEndpoints(endpoints []model.Endpoint, inline []model.Model) error {
	const op = "registry.SetEndpoints"
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cat == nil {
		return model.Errorf(op, model.KindConflict, "the registry is not loaded yet")
	}
	records := make(map[model.ModelID]*model.Model, len(inline))
	var problems []schema.Problem
	for i := range inline {
		at := fmt.Sprintf("models[%d]", i)
		m, ps := r.normalise(&inline[i])
		for _, p := range ps {
			problems = append(problems, under(at, p))
		}
		if _, twice := records[inline[i].ID]; twice {
			problems = append(problems, schema.Problem{Path: at + ".model_id", Message: fmt.Sprintf("%q is described twice", inline[i].ID)})
		}
		if m != nil {
			r.cat.Fill(m)
		}
		records[inline[i].ID] = m
	}
	endpoints = slices.Clone(endpoints)
	ids := make(map[model.EndpointID]int, len(endpoints))
	for i := range endpoints {
		ep := &endpoints[i]
		complete(ep)
		at := fmt.Sprintf("endpoints[%d]", i)
		for _, p := range checkEndpoint(ep) {
			problems = append(problems, under(at, p))
		}
		if first, twice := ids[ep.ID]; twice {
			problems = append(problems, schema.Problem{Path: at + ".endpoint_id", Message: fmt.Sprintf("%q is also the id of endpoints[%d]", ep.ID, first)})
		}
		ids[ep.ID] = i
	}
	if len(problems) > 0 {
		return invalid(op, problems)
	}
	s, err := r.build(r.stored, endpoints, records)
	if err != nil {
		return err
	}
	r.endpoints, r.inline = endpoints, records
	r.snap.Store(s)
	return nil
}

// complete fills what follows from the other fields.
func complete(ep *model.Endpoint) {
	ep.BaseURL = strings.TrimRight(ep.BaseURL, "/")
	if ep.Upstream == "" {
		ep.Upstream = strings.TrimPrefix(string(ep.Model), ep.Provider+"/")
	}
	if ep.ID == "" {
		ep.ID = model.EndpointID(ep.Provider + "/" + ep.Upstream)
	}
}

func checkEndpoint(ep *model.Endpoint) (out []schema.Problem) {
	bad := func(path, format string, args ...any) {
		out = append(out, schema.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	if ep.Provider == "" || strings.ContainsAny(ep.Provider, " \t\n/") {
		bad("provider", "want a name without spaces and slashes, got %q", ep.Provider)
	}
	switch ep.Kind {
	case model.ProviderOpenAI, model.ProviderAnthropic, model.ProviderHuggingFace:
	default:
		kinds := []string{"openai", "anthropic", "huggingface"}
		bad("kind", "unknown kind %q: want one of %s%s", ep.Kind, strings.Join(kinds, ", "), near.Suggest(string(ep.Kind), kinds))
	}
	if u, err := url.Parse(ep.BaseURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		bad("base_url", "want an address such as https://api.example.com/v1, got %q", ep.BaseURL)
	}
	if ep.Model == "" {
		bad("model_id", "is required")
	}
	if ep.MaxConcurrency < 0 {
		bad("max_concurrency", "want 0 (no limit known) or more, got %d", ep.MaxConcurrency)
	}
	return append(out, checkPricing("cost_profile", ep.Pricing)...)
}

// checkPricing checks what the schema checks in records, for endpoints.
func checkPricing(at string, p *model.Pricing) (out []schema.Problem) {
	if p == nil {
		return nil
	}
	for _, found := range p.Problems() {
		out = append(out, schema.Problem{Path: at + "." + found.Path, Message: found.Message})
	}
	return out
}

// under moves a problem below a path.
func under(at string, p schema.Problem) schema.Problem {
	if p.Path != "" && at != "" {
		at += "."
	}
	p.Path = at + p.Path
	return p
}

// invalid makes one error of several problems: the first in words, all in Details.
func invalid(op string, problems []schema.Problem) *model.Error {
	e := model.Invalidf(op, problems[0].Path, "%s", problems[0].Message)
	if len(problems) > 1 {
		e.Message += fmt.Sprintf(" (and %d more problems)", len(problems)-1)
	}
	e.Details = map[string][]schema.Problem{"problems": problems}
	return e
}

// resolve finds the record of every endpoint, making records of weights where
// a canonical id is named.
func (b *builder) resolve(endpoints []model.Endpoint) error {
	var problems []schema.Problem
	b.served = slices.Clone(endpoints)
	for i := range b.served {
		ep := &b.served[i]
		id, ok := b.record(ep)
		if !ok {
			problems = append(problems, schema.Problem{
				Path: fmt.Sprintf("endpoints[%d].model_id", i),
				Message: fmt.Sprintf("there is no model %q in the registry: describe it inline, add it, or use a known id%s",
					ep.Model, near.Suggest(string(ep.Model), b.ids())),
			})
			continue
		}
		ep.Model = id
	}
	if len(problems) > 0 {
		return invalid("registry.SetEndpoints", problems)
	}
	return nil
}

func (b *builder) record(ep *model.Endpoint) (model.ModelID, bool) {
	if _, ok := b.models[ep.Model]; ok {
		return ep.Model, true
	}
	if id := model.ModelID(ep.Provider + "/" + string(ep.Model)); b.models[id] != nil {
		return id, true
	}
	canonical, ok := b.canonical(string(ep.Model))
	if !ok {
		return "", false
	}
	id := model.ModelID(canonical)
	if b.models[id] == nil {
		b.models[id] = b.weights(canonical)
		b.listings = nil
	}
	return id, true
}

// canonical finds a canonical id by itself or by an alias, in the records and
// in the catalogue.
func (b *builder) canonical(name string) (string, bool) {
	if b.folded == nil {
		b.folded = make(map[string]string, len(b.models))
		for _, m := range b.models {
			b.folded[catalogue.Fold(m.Canonical)] = m.Canonical
			for _, a := range m.Aliases {
				b.folded[catalogue.Fold(a)] = m.Canonical
			}
		}
	}
	if c, ok := b.folded[catalogue.Fold(name)]; ok {
		return c, true
	}
	return b.cat.Known(name)
}

// weights makes a record of weights as such, from what their listings agree on.
func (b *builder) weights(canonical string) *model.Model {
	m := &model.Model{ID: model.ModelID(canonical), Canonical: canonical, Provider: SelfHosted, Upstream: canonical, Source: catalogue.Source}
	b.cat.Fill(m)
	listings := b.ofWeights(canonical)
	for i, l := range listings {
		if i == 0 {
			m.Name, m.Tasks = l.Name, l.Tasks
			m.InputModalities, m.OutputModalities = l.InputModalities, l.OutputModalities
			m.Features, m.MissingFeatures = l.Features, l.MissingFeatures
			m.ParametersBillion = cmp.Or(m.ParametersBillion, l.ParametersBillion)
			m.Architecture = cmp.Or(m.Architecture, l.Architecture)
			continue
		}
		m.Features = both(m.Features, l.Features)
		m.MissingFeatures = both(m.MissingFeatures, l.MissingFeatures)
	}
	if m.ContextLength == nil {
		m.ContextLength = shortest(listings)
	}
	if m.Tasks == nil {
		m.Tasks = []model.Task{model.TaskTextGeneration, model.TaskChat}
	}
	return m
}

func both(a, b []model.Feature) (out []model.Feature) {
	for _, f := range a {
		if slices.Contains(b, f) {
			out = append(out, f)
		}
	}
	return out
}

// shortest is the smallest context that any listing offers: at least that much
// is known to work.
func shortest(listings []*model.Model) (out *int64) {
	for _, l := range listings {
		if l.ContextLength != nil && (out == nil || *l.ContextLength < *out) {
			out = l.ContextLength
		}
	}
	return out
}

// ids returns the names by which an endpoint may refer to a record.
func (b *builder) ids() []string {
	out := make([]string, 0, 2*len(b.models))
	for id, m := range b.models {
		out = append(out, string(id))
		if m.Canonical != string(id) {
			out = append(out, m.Canonical)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
