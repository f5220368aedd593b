package model

import (
	"fmt"
	"math"
)

// PricingProblem is one thing wrong with a pricing: the field's path on the
// wire, and what was expected there.
type PricingProblem struct{ Path, Message string }

// Validate refuses a pricing that cannot be computed with: negative amounts,
// throughputs and factors out of range, tiers without a condition, a currency
// without its rate. The error's Param is the field's name on the wire.
func (p *Pricing) Validate() error {
	if found := p.Problems(); len(found) > 0 {
		return Invalidf("model.Pricing", found[0].Path, "%s", found[0].Message)
	}
	return nil
}

// Problems lists everything for which Validate refuses a pricing.
func (p *Pricing) Problems() []PricingProblem {
	var c pricingChecker
	for _, f := range amounts(p) {
		c.amount(f.name, f.value)
	}
	c.ensure(p.Devices >= 0, "devices", "is %d: want 1 or more, or nothing", p.Devices)
	for _, f := range []boundedFigure{
		{"tokens_per_second", p.TokensPerSecond, func(v float64) bool { return v > 0 }, "above 0"},
		{"capacity_share", p.CapacityShare, isShare, "above 0 and at most 1"},
		{"utilisation_share", p.Utilisation, isShare, "above 0 and at most 1"},
		{"watts_per_device", p.Watts, func(v float64) bool { return v >= 0 }, "of 0 or more"},
		{"overhead_factor", p.OverheadFactor, func(v float64) bool { return v >= 1 }, "1 or more"},
		{"moe_factor", p.MoEFactor, isShare, "above 0 and at most 1"},
		{"usd_per_unit", p.USDPerUnit, func(v float64) bool { return v > 0 }, "above 0"},
	} {
		c.number(f)
	}
	c.ensure(!p.AmortiseIdle || p.Utilisation != nil, "utilisation_share", "is missing: amortise_idle needs the share of the time that the machine is busy")
	c.ensure((p.Watts == nil) == (p.PowerPrice == nil), "power_usd_per_kwh", "goes together with watts_per_device: give both or neither")
	c.ensure(validCurrency(p.Currency), "currency", "is %q: want three capital letters, such as EUR", p.Currency)
	foreign := p.Currency != "" && p.Currency != CurrencyUSD
	c.ensure(!foreign || p.USDPerUnit != nil, "usd_per_unit", "is missing: say how many dollars one %s is", p.Currency)
	c.ensure(foreign || p.USDPerUnit == nil, "usd_per_unit", "is the rate of another currency, and currency names none")
	c.ensure(p.EffectiveUntil.IsZero() || p.EffectiveUntil.After(p.EffectiveFrom), "effective_until", "is not after effective_from")
	c.loads(p)
	c.tiers(p.Tiers)
	return c.found
}

type boundedFigure struct {
	name     string
	value    *float64
	ok       func(float64) bool
	expected string
}

func isShare(v float64) bool { return v > 0 && v <= 1 }

func validCurrency(s string) bool {
	for _, c := range []byte(s) {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return s == "" || len(s) == 3
}

// pricingChecker collects problems.
type pricingChecker struct{ found []PricingProblem }

func (c *pricingChecker) ensure(ok bool, path, format string, args ...any) {
	if !ok {
		c.found = append(c.found, PricingProblem{path, fmt.Sprintf(format, args...)})
	}
}

func (c *pricingChecker) amount(path string, m *Money) {
	c.ensure(m == nil || *m >= 0, path, "is %s: want zero or more", m)
}

func (c *pricingChecker) number(f boundedFigure) {
	if f.value != nil {
		c.ensure(f.ok(*f.value) && !math.IsInf(*f.value, 0), f.name, "is %v: want a number %s", *f.value, f.expected)
	}
}

// tiers checks that each tier says when it holds, and that no two do so alike.
func (c *pricingChecker) tiers(tiers []PriceTier) {
	type when struct {
		service string
		above   int64
	}
	seen := map[when]bool{}
	for i := range tiers {
		t, at := &tiers[i], fmt.Sprintf("tiers[%d]", i)
		for _, f := range t.TokenPrices() {
			c.amount(at+"."+f.Name, *f.Price)
		}
		c.number(boundedFigure{at + ".factor", t.Factor, func(v float64) bool { return v >= 0 && v <= maxTierFactor }, "from 0 to 100"})
		c.ensure(t.AboveInput >= 0, at+".above_input_tokens", "is %d: want a number of tokens", t.AboveInput)
		usual := UsualTier(t.ServiceTier) == ""
		c.ensure(!usual || t.ServiceTier == "", at+".service_tier", "%q is the usual tier: leave it out", t.ServiceTier)
		c.ensure(!usual || t.AboveInput > 0, at, "says neither above_input_tokens nor service_tier: want at least one")
		key := when{UsualTier(t.ServiceTier), t.AboveInput}
		c.ensure(!seen[key], at, "holds for the same calls as an earlier tier")
		seen[key] = true
	}
}

const maxTierFactor = 100
