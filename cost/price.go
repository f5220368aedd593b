package cost

import (
	"math"
	"math/bits"

	"github.com/cartrita/cartrita/model"
)

const maxMoney = math.MaxInt64

// rate is one price: known or not, in nano-USD per some number of tokens.
type rate struct {
	nano  uint64
	known bool
}

// rates is a model.Pricing worked out: parts decided, conventions applied.
type rates struct {
	tokens   bool // token prices are part of the bill
	hardware bool // hardware is part of the bill
	none     bool // nothing is known about the price

	input, output, read, write, reasoning rate // per 10⁶ tokens
	device                                rate // per 10⁹ tokens
	request                               uint64
}

// perMillion reads one token price; a negative one is no price.
func perMillion(m *model.Money) rate {
	if m == nil || *m < 0 {
		return rate{}
	}
	return rate{uint64(*m), true}
}

// or returns r, or def when r is unknown.
func (r rate) or(def rate) rate {
	if r.known {
		return r
	}
	return def
}

// resolve works out a pricing. throughput is what is known of the hardware's
// tokens per second from elsewhere, 0 if nothing; the pricing's own wins.
func resolve(p *model.Pricing, throughput float64) rates {
	if p == nil {
		return rates{none: true}
	}
	r := rates{
		tokens:   p.Input != nil || p.Output != nil || p.CachedRead != nil || p.CacheWrite != nil || p.Reasoning != nil,
		hardware: p.Hourly != nil,
		input:    perMillion(p.Input),
		output:   perMillion(p.Output),
	}
	r.read = perMillion(p.CachedRead).or(r.input)
	r.write = perMillion(p.CacheWrite).or(r.input)
	r.reasoning = perMillion(p.Reasoning).or(r.output)
	if r.hardware {
		r.device = deviceRate(p, throughput)
	}
	if p.Request != nil && *p.Request > 0 {
		r.request = uint64(*p.Request)
	}
	r.none = !r.tokens && !r.hardware && p.Request == nil
	return r
}

// deviceRate is the price of hardware in nano-USD per 10⁹ tokens.
func deviceRate(p *model.Pricing, throughput float64) rate {
	if p.TokensPerSecond != nil {
		throughput = *p.TokensPerSecond
	}
	if !(throughput > 0) || *p.Hourly < 0 {
		return rate{}
	}
	factor := func(f *float64) float64 {
		if f == nil {
			return 1
		}
		return *f
	}
	perHour := float64(*p.Hourly) * float64(max(p.Devices, 1)) *
		factor(p.CapacityShare) * factor(p.OverheadFactor) * factor(p.MoEFactor)
	v := math.Round(perHour * 1e9 / (throughput * 3600))
	if !(v >= 0) {
		return rate{}
	}
	if v >= maxMoney {
		return rate{maxMoney, true}
	}
	return rate{uint64(v), true}
}

// Price returns what usage u costs at price p. See the package comment for
// the formula, the rounding and the meaning of Unpriced.
func Price(p *model.Pricing, u model.Usage) model.CostBreakdown {
	r := resolve(p, 0)
	return r.price(&u)
}

const (
	million = 1_000_000
	billion = 1_000_000_000
)

// price works out the bill of one request.
func (r *rates) price(u *model.Usage) model.CostBreakdown {
	if r.none {
		return model.CostBreakdown{Unpriced: true}
	}
	b := bill{CostBreakdown: model.CostBreakdown{Request: model.Money(r.request)}}
	if r.tokens {
		read, write, reasoning := count(u.CachedRead), count(u.CacheWrite), count(u.Reasoning)
		b.unknown(u.Input, r.input)
		b.unknown(u.Output, r.output)
		b.Input = b.class(less(count(u.Input), read, write), r.input, million)
		b.CachedRead = b.class(read, r.read, million)
		b.CacheWrite = b.class(write, r.write, million)
		b.Output = b.class(less(count(u.Output), reasoning, 0), r.output, million)
		b.Reasoning = b.class(reasoning, r.reasoning, million)
	}
	if r.hardware {
		b.unknown(u.Input, r.device)
		b.unknown(u.Output, r.device)
		b.Hardware = b.class(count(u.Input)+count(u.Output), r.device, billion)
	}
	b.Total = total(&b.CostBreakdown)
	return b.CostBreakdown
}

// bill is a breakdown being made.
type bill struct{ model.CostBreakdown }

// class prices n tokens.
func (b *bill) class(n uint64, r rate, per uint64) model.Money {
	if n == 0 {
		return 0
	}
	if !r.known {
		b.Unpriced = true
		return 0
	}
	return mulDiv(n, r.nano, per)
}

// unknown marks the bill when the count of a class that costs is unknown.
func (b *bill) unknown(c model.Count, r rate) {
	if !c.Known && r.known && r.nano > 0 {
		b.Unpriced = true
	}
}

// count returns a count as unsigned; unknown and negative ones are none.
func count(c model.Count) uint64 {
	if !c.Known || c.N < 0 {
		return 0
	}
	return uint64(c.N)
}

// less returns n − a − b, at least 0.
func less(n, a, b uint64) uint64 {
	if a+b >= n { // two counts below 2⁶³ cannot overflow
		return 0
	}
	return n - a - b
}

// mulDiv returns n × nano / per, rounded half up, saturating.
func mulDiv(n, nano, per uint64) model.Money {
	hi, lo := bits.Mul64(n, nano)
	lo, carry := bits.Add64(lo, per/2, 0)
	hi += carry
	if hi >= per { // the quotient needs more than 64 bits
		return maxMoney
	}
	q, _ := bits.Div64(hi, lo, per)
	if q > maxMoney {
		return maxMoney
	}
	return model.Money(q)
}

// total adds up the classes of b.
func total(b *model.CostBreakdown) model.Money {
	t := add(add(b.Input, b.CachedRead), b.CacheWrite)
	t = add(add(t, b.Output), b.Reasoning)
	return add(add(t, b.Hardware), b.Request)
}

// add adds two amounts that are not negative, saturating.
func add(a, b model.Money) model.Money {
	if s := a + b; s >= a {
		return s
	}
	return maxMoney
}

// Sum adds two breakdowns class by class, as for the attempts of one call. It
// is unpriced if either is.
func Sum(a, b model.CostBreakdown) model.CostBreakdown {
	s := model.CostBreakdown{
		Input:      add(a.Input, b.Input),
		CachedRead: add(a.CachedRead, b.CachedRead),
		CacheWrite: add(a.CacheWrite, b.CacheWrite),
		Output:     add(a.Output, b.Output),
		Reasoning:  add(a.Reasoning, b.Reasoning),
		Hardware:   add(a.Hardware, b.Hardware),
		Request:    add(a.Request, b.Request),
		Unpriced:   a.Unpriced || b.Unpriced,
	}
	s.Total = total(&s)
	return s
}
