package model

import "fmt"

// Bounds outside which a price is suspicious: the dearest models on the market
// cost hundreds of dollars per million tokens, the cheapest around a cent.
const (
	suspiciouslyHigh = 5000 * USD        // per million tokens
	suspiciouslyLow  = 500_000 * NanoUSD // $0.0005 per million tokens
)

// The same for the other units: no call costs $1,000 by itself, no device $500
// an hour, and no second of a call what such a device costs in an hour.
const (
	dearRequest = 1000 * USD
	dearHour    = 500 * USD
	dearSecond  = 10 * USD
	dearPower   = 5 * USD
)

// Warnings says what looks wrong with a valid pricing: prices that seem to be
// meant for another unit, cached tokens dearer than fresh ones, hardware
// without throughput. Each starts with the field's name.
func (p *Pricing) Warnings() []string {
	var out []string
	warn := func(path, text string) { out = append(out, path+": "+text) }
	rate := 1.0
	if p.USDPerUnit != nil {
		rate = *p.USDPerUnit
	}
	usd := func(m *Money) Money { return FromUSD(m.USD() * rate) } // near enough for a bound
	for _, f := range amounts(p) {
		if f.value != nil {
			f.dear(warn, usd(f.value))
		}
	}
	for i := range p.Tiers {
		for _, f := range p.Tiers[i].TokenPrices() {
			if m := *f.Price; m != nil {
				a := amount{fmt.Sprintf("tiers[%d].%s", i, f.Name), m, suspiciouslyHigh, perMillionTokens}
				a.dear(warn, usd(m))
			}
		}
	}
	above := func(a, b *Money) bool { return a != nil && b != nil && *a > *b }
	if above(p.CachedRead, p.Input) {
		warn("cached_read_usd_per_million", "is above the price of fresh input")
	}
	if above(p.CacheWrite, p.CacheWriteLong) {
		warn("cache_write_long_usd_per_million", "is below the price of a short-lived write")
	}
	if _, declared := p.MachineThroughput(); p.Hourly != nil && !declared {
		warn("tokens_per_second", "is missing, so that hourly_usd counts only where the model's throughput on the endpoint's hardware is known")
	}
	if p.Utilisation != nil && !p.AmortiseIdle {
		warn("utilisation_share", "counts only with amortise_idle")
	}
	return out
}

// dear warns of an amount that seems to be meant for another unit.
func (f *amount) dear(warn func(path, text string), v Money) {
	switch {
	case v > f.most:
		warn(f.name, v.String()+" "+f.unit+" is dearer than any known; was it meant for more of them?")
	case v > 0 && v < suspiciouslyLow && f.unit == perMillionTokens:
		warn(f.name, v.String()+" "+f.unit+" is cheaper than any model known; was it meant per token or per thousand?")
	}
}

// amount is one amount of a pricing, and the most that is plausible for it.
type amount struct {
	name  string
	value *Money
	most  Money
	unit  string
}

const perMillionTokens = "per million tokens"

func amounts(p *Pricing) []amount {
	out := make([]amount, 0, TokenClasses+4)
	for _, f := range p.TokenPrices() {
		out = append(out, amount{f.Name, *f.Price, suspiciouslyHigh, perMillionTokens})
	}
	return append(out,
		amount{"request_usd", p.Request, dearRequest, "per request"},
		amount{"second_usd", p.Second, dearSecond, "per second"},
		amount{"hourly_usd", p.Hourly, dearHour, "per hour"},
		amount{"power_usd_per_kwh", p.PowerPrice, dearPower, "per kilowatt-hour"},
	)
}
