package cost

import (
	"math"

	"github.com/cartrita/cartrita/model"
)

// Bounds outside which a price is suspicious: the dearest models on the market
// cost hundreds of dollars per million tokens, the cheapest around a cent.
const (
	suspiciouslyHigh = 5000 * model.USD        // per million tokens
	suspiciouslyLow  = 500_000 * model.NanoUSD // $0.0005 per million tokens
)

// Validate refuses a pricing that cannot be computed with: negative amounts,
// throughputs and factors out of range.
// The error's Param is the field's name on the wire.
func Validate(p *model.Pricing) error {
	for _, f := range amounts(p) {
		if f.value != nil && *f.value < 0 {
			return model.Invalidf("cost.Validate", f.name, "is %s: want zero or more", f.value)
		}
	}
	if p.Devices < 0 {
		return model.Invalidf("cost.Validate", "devices", "is %d: want 1 or more, or nothing", p.Devices)
	}
	for _, f := range []struct {
		name     string
		value    *float64
		ok       func(float64) bool
		expected string
	}{
		{"tokens_per_second", p.TokensPerSecond, func(v float64) bool { return v > 0 }, "above 0"},
		{"capacity_share", p.CapacityShare, func(v float64) bool { return v > 0 && v <= 1 }, "above 0 and at most 1"},
		{"overhead_factor", p.OverheadFactor, func(v float64) bool { return v >= 1 }, "1 or more"},
		{"moe_factor", p.MoEFactor, func(v float64) bool { return v > 0 && v <= 1 }, "above 0 and at most 1"},
	} {
		if f.value != nil && (!f.ok(*f.value) || math.IsInf(*f.value, 0)) {
			return model.Invalidf("cost.Validate", f.name, "is %v: want a number %s", *f.value, f.expected)
		}
	}
	return nil
}

// Warnings says what looks wrong with a valid pricing: prices that seem to be
// meant for another unit, cached tokens dearer than fresh ones, hardware
// without throughput. Each starts with the field's name.
func Warnings(p *model.Pricing) []string {
	var out []string
	for _, f := range amounts(p) {
		if f.value == nil || !f.perMillion {
			continue
		}
		switch v := *f.value; {
		case v > suspiciouslyHigh:
			out = append(out, f.name+": "+v.String()+" per million tokens is dearer than any model known; was it meant for more tokens?")
		case v > 0 && v < suspiciouslyLow:
			out = append(out, f.name+": "+v.String()+" per million tokens is cheaper than any model known; was it meant per token or per thousand?")
		}
	}
	if p.Input != nil && p.CachedRead != nil && *p.CachedRead > *p.Input {
		out = append(out, "cached_read_usd_per_million: is above the price of fresh input")
	}
	if p.Hourly != nil && p.TokensPerSecond == nil {
		out = append(out, "tokens_per_second: is missing, so that hourly_usd counts only where the model's throughput on the endpoint's hardware is known")
	}
	return out
}

type amount struct {
	name       string
	value      *model.Money
	perMillion bool
}

func amounts(p *model.Pricing) []amount {
	return []amount{
		{"input_usd_per_million", p.Input, true},
		{"output_usd_per_million", p.Output, true},
		{"cached_read_usd_per_million", p.CachedRead, true},
		{"cache_write_usd_per_million", p.CacheWrite, true},
		{"reasoning_usd_per_million", p.Reasoning, true},
		{"request_usd", p.Request, false},
		{"hourly_usd", p.Hourly, false},
	}
}
