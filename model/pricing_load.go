package model

import "fmt"

// LoadThroughput is what a machine makes while it works on so many calls at
// once: batching makes more of it under load.
type LoadThroughput struct {
	Calls           float64 `json:"calls" yaml:"calls"` // at once
	TokensPerSecond float64 `json:"tokens_per_second" yaml:"tokens_per_second"`
}

// MachineThroughput is the declared throughput of the whole machine in tokens
// per second: TokensPerSecond, or what ThroughputByLoad says at Load, straight
// between two of its points and level beyond the ends. It is false where
// neither is declared.
func (p *Pricing) MachineThroughput() (float64, bool) {
	points := p.ThroughputByLoad
	switch {
	case p.TokensPerSecond != nil:
		return *p.TokensPerSecond, true
	case len(points) == 0:
		return 0, false
	case p.Load == nil:
		return points[len(points)-1].TokensPerSecond, true
	}
	load, before := *p.Load, points[0]
	for _, next := range points {
		if next.Calls >= load {
			if next.Calls == before.Calls {
				return next.TokensPerSecond, true
			}
			share := (load - before.Calls) / (next.Calls - before.Calls)
			return before.TokensPerSecond + max(share, 0)*(next.TokensPerSecond-before.TokensPerSecond), true
		}
		before = next
	}
	return before.TokensPerSecond, true
}

// loads checks the throughput by load.
func (c *pricingChecker) loads(p *Pricing) {
	const list = "throughput_by_load"
	points := p.ThroughputByLoad
	c.ensure(len(points) == 0 || p.TokensPerSecond == nil, list, "stands beside tokens_per_second: want one of the two")
	c.ensure(p.Load == nil || len(points) > 0, "load", "counts only with throughput_by_load, which is missing")
	c.number(boundedFigure{"load", p.Load, func(v float64) bool { return v > 0 }, "above 0"})
	for i := range points {
		at := fmt.Sprintf("%s[%d]", list, i)
		c.number(boundedFigure{at + ".calls", &points[i].Calls, func(v float64) bool { return v > 0 && (i == 0 || v > points[i-1].Calls) }, "above 0 and above that of the entry before"})
		c.number(boundedFigure{at + ".tokens_per_second", &points[i].TokensPerSecond, func(v float64) bool { return v > 0 }, "above 0"})
	}
}
