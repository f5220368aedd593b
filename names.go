package cartrita

import (
	"context"
	"slices"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/near"
	"github.com/cartrita/cartrita/model"
)

// pastNames tells whether names stand for models and endpoints that stored calls
// may have gone to: those that are known now, and those on record.
type pastNames struct {
	service *Service
	stored  map[string]bool // nil: not asked yet
}

// check refuses a name that no model has as its id or canonical name or, where
// endpoints count, no model or endpoint as its id: a typing error would otherwise look like a change that changes nothing. Errors:
// KindInvalid at the path, with near names; those of the store.
func (n *pastNames) check(ctx context.Context, op, path, name string, endpoints bool) error {
	snap := n.service.current().snap
	if _, ok := snap.Model(model.ModelID(name)); ok {
		return nil
	}
	if _, ok := snap.Endpoint(model.EndpointID(name)); ok && endpoints {
		return nil
	}
	if n.stored == nil {
		if err := n.read(ctx); err != nil {
			return err
		}
	}
	var known []string
	for stored, endpoint := range n.stored {
		if stored == name && (endpoints || !endpoint) {
			return nil
		}
		known = append(known, stored)
	}
	what := "model"
	if endpoints {
		what = "model or endpoint"
	}
	for i := range snap.Served {
		s := &snap.Served[i]
		known = append(known, string(s.Endpoint.Model), s.Model.Canonical)
		if endpoints {
			known[len(known)-1] = string(s.ID)
		}
	}
	if !endpoints && name != "" && slices.ContainsFunc(snap.Models, func(m *model.Model) bool { return m.Canonical == name }) {
		return nil
	}
	return model.Invalidf(op, path, "no %s has the id %.100q, now or on record%s", what, name, near.Suggest(name, known))
}

// checkPrices refuses prices of nothing; path stands before the name at fault.
func (n *pastNames) checkPrices(ctx context.Context, op, path string, prices map[string]*model.Pricing) error {
	for name := range prices {
		if err := n.check(ctx, op, path+name, name, true); err != nil {
			return err
		}
	}
	return nil
}

func (n *pastNames) read(ctx context.Context) error {
	if err := n.service.events.Flush(ctx); err != nil {
		return err
	}
	n.stored = map[string]bool{}
	for _, by := range []event.Dimension{event.ByEndpoint, event.ByModel} {
		report, err := n.service.reader.Costs(ctx, event.CostQuery{By: by})
		if err != nil {
			return err
		}
		for i := range report.Groups {
			if key := report.Groups[i].Key; key != "" {
				n.stored[key] = by == event.ByEndpoint
			}
		}
	}
	return nil
}
