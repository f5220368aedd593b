package cost

import (
	"cmp"
	"slices"

	"github.com/cartrita/cartrita/model"
)

// tokenRates are the prices of all token classes, per 10⁶ tokens.
type tokenRates struct {
	input, read, write, writeLong, audioIn, imageIn rate
	output, reasoning, audioOut, imageOut           rate
}

// tierRates are the prices of a service tier above a prompt length.
type tierRates struct {
	service string // "" is the usual one
	above   uint64
	tokenRates
}

// listed are token prices as they stand, in the order of TokenPrices.
type listed [model.TokenClasses]rate

func listedRates(p *model.Pricing, exchange float64) (l listed) {
	for i, c := range p.TokenPrices() {
		l[i] = amountOf(*c.Price).times(exchange)
	}
	return l
}

func (l *listed) any() bool {
	return slices.ContainsFunc(l[:], func(r rate) bool { return r.known })
}

// overlay returns l with the prices of t in their place.
func (l listed) overlay(t *model.PriceTier, exchange float64) listed {
	factor := 1.0
	if t.Factor != nil {
		factor = *t.Factor
	}
	for i, c := range t.TokenPrices() {
		l[i] = amountOf(*c.Price).times(exchange).or(l[i].times(factor))
	}
	return l
}

// settle applies what is agreed for classes without a price of their own.
func (l *listed) settle() tokenRates {
	t := tokenRates{input: l[0], output: l[1]}
	t.read = l[2].or(t.input)
	t.write = l[3].or(t.input)
	t.writeLong = l[4].orAtLeast(t.write)
	t.reasoning = l[5].or(t.output)
	t.audioIn = l[6].orAtLeast(t.input)
	t.audioOut = l[7].orAtLeast(t.output)
	t.imageIn = l[8].or(t.input)
	t.imageOut = l[9].orAtLeast(t.output)
	return t
}

// tierTable works out the prices of every service tier at every threshold, the
// usual service first, of one service the highest threshold first.
func tierTable(p *model.Pricing, base listed, exchange float64) (out []tierRates) {
	if len(p.Tiers) == 0 {
		return nil
	}
	services, thresholds := []string{""}, []int64{0}
	for i := range p.Tiers {
		services = append(services, model.UsualTier(p.Tiers[i].ServiceTier))
		thresholds = append(thresholds, max(p.Tiers[i].AboveInput, 0))
	}
	slices.Sort(services)
	slices.SortFunc(thresholds, func(a, b int64) int { return cmp.Compare(b, a) })
	services, thresholds = slices.Compact(services), slices.Compact(thresholds)
	for _, s := range services {
		for _, above := range thresholds {
			l := base
			if t := tierAt(p.Tiers, "", above); t != nil {
				l = l.overlay(t, exchange)
			}
			if s != "" {
				if t := tierAt(p.Tiers, s, above); t != nil {
					l = l.overlay(t, exchange)
				}
			}
			out = append(out, tierRates{s, uint64(above), l.settle()})
		}
	}
	return out
}

// tierAt is the tier of a service with the highest threshold up to above.
func tierAt(tiers []model.PriceTier, name string, above int64) (best *model.PriceTier) {
	for i := range tiers {
		t := &tiers[i]
		if model.UsualTier(t.ServiceTier) == name && t.AboveInput <= above && (best == nil || t.AboveInput >= best.AboveInput) {
			best = t
		}
	}
	return best
}

// pick returns the token prices that hold for a usage. It is false when the
// upstream served in a tier that the pricing does not list: then the usual
// prices stand in.
func (r *rates) pick(u *model.Usage) (t *tokenRates, known bool) {
	name, in := model.UsualTier(u.ServiceTier), count(u.Input)
	t = &r.base
	usual := false
	for i := range r.tiers { // of one service, the first that fits is the highest
		tier := &r.tiers[i]
		if in <= tier.above && tier.above > 0 {
			continue
		}
		if tier.service == name {
			return &tier.tokenRates, true
		}
		if tier.service == "" && !usual {
			t, usual = &tier.tokenRates, true
		}
	}
	return t, name == ""
}
