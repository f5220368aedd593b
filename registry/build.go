package registry

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/catalogue"
)

// publish builds a snapshot from the current layers and swaps it in. When an
// endpoint's model no longer resolves, nothing is swapped and the error says
// which.
func (r *Registry) publish() error {
	s, err := r.build(r.stored, r.endpoints, r.inline)
	if err != nil {
		return err
	}
	r.snap.Store(s)
	return nil
}

// build makes a snapshot of the catalogue and these layers.
func (r *Registry) build(stored map[model.ModelID]storedModel, endpoints []model.Endpoint, inline map[model.ModelID]*model.Model) (*Snapshot, error) {
	b := &builder{cat: r.cat, models: make(map[model.ModelID]*model.Model, len(r.base)+len(stored)+len(inline))}
	for id, m := range r.base {
		b.models[id] = m
	}
	for id, s := range stored {
		if s.model != nil {
			b.models[id] = s.model
		}
	}
	for id, m := range inline {
		b.models[id] = m
	}
	snap := &Snapshot{Version: max(uint64(r.clock().UnixMilli()), r.snap.Load().Version+1)}
	if err := b.resolve(endpoints); err != nil {
		return nil, err
	}
	b.join(snap)
	b.index(snap)
	return snap, nil
}

// builder makes one snapshot.
type builder struct {
	cat    *catalogue.Catalogue
	models map[model.ModelID]*model.Model
	served []model.Endpoint

	listings map[string][]*model.Model // by canonical id; made on demand
	folded   map[string]string         // folded alias or canonical id of records to canonical id; made on demand
}

// join sorts records and endpoints and works out what routing needs.
func (b *builder) join(s *Snapshot) {
	s.Models = make([]*model.Model, 0, len(b.models))
	for _, m := range b.models {
		s.Models = append(s.Models, m)
	}
	slices.SortFunc(s.Models, func(a, c *model.Model) int { return cmp.Compare(a.ID, c.ID) })
	slices.SortFunc(b.served, func(a, c model.Endpoint) int { return cmp.Compare(a.ID, c.ID) })
	s.models = make(map[model.ModelID]int32, len(s.Models))
	for i, m := range s.Models {
		s.models[m.ID] = int32(i)
	}
	s.Served = make([]model.Served, len(b.served))
	s.ends = make(map[model.EndpointID]int32, len(b.served))
	for i := range b.served {
		ep := &b.served[i]
		s.Served[i] = b.serve(ep, b.models[ep.Model])
		s.ends[ep.ID] = int32(i)
	}
}

// serve joins an endpoint with its record.
func (b *builder) serve(ep *model.Endpoint, m *model.Model) model.Served {
	out := model.Served{
		Endpoint: ep, Model: m,
		Tasks: model.Tasks(m.Tasks...), Features: model.Features(m.Features...), Lacks: model.Features(m.MissingFeatures...),
		Tags: tags(m.Tags, ep.Tags), Pricing: b.price(ep, m),
	}
	if m.ContextLength != nil {
		out.Context = *m.ContextLength
	}
	if m.MaxOutputTokens != nil {
		out.MaxOutput = *m.MaxOutputTokens
	}
	if m.CommercialAllowed != nil {
		out.Commercial, out.CommercialKnown = *m.CommercialAllowed, true
	}
	out.Quality, out.QualityKnown = b.quality(m)
	return out
}

// price is the effective cost profile; see the package comment.
func (b *builder) price(ep *model.Endpoint, m *model.Model) *model.Pricing {
	switch {
	case ep.Pricing != nil:
		return ep.Pricing
	case m.Pricing == nil:
		return nil
	case ep.Provider == m.Provider || !listing(m) || ep.BaseURL == b.providerURL(m.Provider):
		return m.Pricing
	}
	return nil
}

// listing reports whether a record was read from a provider's list, as opposed
// to written by a user.
func listing(m *model.Model) bool {
	switch m.Source {
	case catalogue.Source, "litellm", "openrouter", "huggingface":
		return true
	}
	return false
}

func (b *builder) providerURL(id string) string {
	i, ok := slices.BinarySearchFunc(b.cat.Providers, id, func(p catalogue.Provider, id string) int { return strings.Compare(p.ID, id) })
	if !ok {
		return "-"
	}
	return b.cat.Providers[i].URL
}

// quality is the record's own composite, or that of its weights.
func (b *builder) quality(m *model.Model) (float64, bool) {
	if q, ok := Composite(m.Quality); ok {
		return q, ok
	}
	if q, ok := Composite(b.cat.Metrics(m.Canonical)); ok {
		return q, ok
	}
	for _, other := range b.ofWeights(m.Canonical) {
		if q, ok := Composite(other.Quality); ok {
			return q, ok
		}
	}
	return 0, false
}

// ofWeights returns the records with this canonical id, sorted by id.
func (b *builder) ofWeights(canonical string) []*model.Model {
	if b.listings == nil {
		b.listings = make(map[string][]*model.Model, len(b.models))
		for _, m := range b.models {
			b.listings[m.Canonical] = append(b.listings[m.Canonical], m)
		}
		for _, ms := range b.listings {
			slices.SortFunc(ms, func(a, c *model.Model) int { return cmp.Compare(a.ID, c.ID) })
		}
	}
	return b.listings[canonical]
}

// tags is the sorted union.
func tags(a, b []string) []string {
	if len(a)+len(b) == 0 {
		return nil
	}
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}
