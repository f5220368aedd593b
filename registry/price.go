package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/cartrita/cartrita/model"
)

// PricingAt returns the pricing of a model as it held at a time, from the
// versions of its record; nil when it had none. Each version holds from when
// it was stored until the next one, unless its pricing names another time from
// which it is effective: a correction made later then holds for the past too.
// A price that an endpoint has of its own is not looked at. Errors are those
// of History.
func (r *Registry) PricingAt(ctx context.Context, id model.ModelID, t time.Time) (*model.Pricing, error) {
	versions, err := r.History(ctx, id)
	if err != nil {
		return nil, err
	}
	var prices []model.Pricing
	for i := range versions {
		var m model.Model
		if err := json.Unmarshal(versions[i].Doc, &m); err != nil {
			return nil, model.Errorf("registry.PricingAt", model.KindInternal, "version %d of %s cannot be read: %v", versions[i].Number, id, err)
		}
		p := cmp.Or(m.Pricing, &model.Pricing{})
		if p.EffectiveFrom.IsZero() {
			p.EffectiveFrom = versions[i].At
		}
		prices = append(prices, *p)
	}
	p := model.PricingAt(prices, t)
	if p == nil || !priced(p) {
		return nil, nil
	}
	return p, nil
}

// priced reports whether a pricing has any price.
func priced(p *model.Pricing) bool {
	for _, c := range p.TokenPrices() {
		if *c.Price != nil {
			return true
		}
	}
	return len(p.Tiers) > 0 || p.Request != nil || p.Second != nil || p.Hourly != nil
}
