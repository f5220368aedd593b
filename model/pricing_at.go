package model

import "time"

// PricingAt returns the pricing that holds at a time, of several versions: the one
// with the latest start that has begun and has not ended, and of those that
// start together the last in the list. Nil when none holds then.
func PricingAt(prices []Pricing, t time.Time) *Pricing {
	var best *Pricing
	for i := range prices {
		p := &prices[i]
		if p.EffectiveFrom.After(t) || !p.EffectiveUntil.IsZero() && !t.Before(p.EffectiveUntil) {
			continue
		}
		if best == nil || !p.EffectiveFrom.Before(best.EffectiveFrom) {
			best = p
		}
	}
	return best
}
