package cost

import (
	"math"
	"math/bits"
	"time"

	"github.com/cartrita/cartrita/model"
)

const maxMoney = math.MaxInt64

const (
	million = 1_000_000
	billion = 1_000_000_000
)

// rate is one price: known or not, in nano-USD per some number of units.
type rate struct {
	nano     uint64
	known    bool
	borrowed bool // the price of another class, which is likely lower, stands in
}

// or returns r, or def when r is unknown.
func (r rate) or(def rate) rate {
	if r.known {
		return r
	}
	return def
}

// orAtLeast returns r, or def as a lower bound when r is unknown.
func (r rate) orAtLeast(def rate) rate {
	if !r.known {
		def.borrowed = true
		return def
	}
	return r
}

// times returns r × f ≥ 0, rounded to the nano-dollar.
func (r rate) times(f float64) rate {
	if f == 1 || !r.known {
		return r
	}
	v := math.Round(float64(r.nano) * f)
	if !(v >= 0) {
		return rate{}
	}
	r.nano = maxMoney
	if v < maxMoney {
		r.nano = uint64(v)
	}
	return r
}

// rates is a model.Pricing worked out: parts decided, conventions applied.
type rates struct {
	tokens   bool // token prices are part of the bill
	hardware bool // hardware is part of the bill
	none     bool // nothing is known about the price

	base    tokenRates
	tiers   []tierRates // see tierTable
	device  rate        // per 10⁹ tokens
	request uint64
	second  uint64 // per 10⁹ nanoseconds
}

// resolve works out a pricing. throughput is what is known of the hardware's
// tokens per second from elsewhere, 0 if nothing; the pricing's own wins.
func resolve(p *model.Pricing, throughput float64) rates {
	if p == nil {
		return rates{none: true}
	}
	exchange, ok := exchangeRate(p)
	if !ok {
		return rates{none: true}
	}
	r := rates{hardware: p.Hourly != nil}
	listed := listedRates(p, exchange)
	r.base, r.tiers = listed.settle(), tierTable(p, listed, exchange)
	r.tokens = listed.any() || len(r.tiers) > 0
	if r.hardware {
		r.device = deviceRate(p, throughput).times(exchange)
	}
	r.request = amountOf(p.Request).times(exchange).nano
	r.second = amountOf(p.Second).times(exchange).nano
	r.none = !r.tokens && !r.hardware && p.Request == nil && p.Second == nil
	return r
}

// exchangeRate is the number of dollars in a unit of the pricing's currency;
// false when it is not known.
func exchangeRate(p *model.Pricing) (float64, bool) {
	if p.Currency == "" || p.Currency == model.CurrencyUSD {
		return 1, true
	}
	if p.USDPerUnit == nil || !(*p.USDPerUnit > 0) || math.IsInf(*p.USDPerUnit, 0) {
		return 0, false
	}
	return *p.USDPerUnit, true
}

// amountOf reads one price; a negative one is no price.
func amountOf(m *model.Money) rate {
	if m == nil || *m < 0 {
		return rate{}
	}
	return rate{nano: uint64(*m), known: true}
}

// Price returns what usage u of a call that took d costs at price p; d counts
// with a price per second only, and a negative one is unknown. See the package
// comment for the formula, the rounding and the meaning of Unpriced.
func Price(p *model.Pricing, u model.Usage, d time.Duration) model.CostBreakdown {
	r := resolve(p, 0)
	return r.price(&u, d)
}

// price works out the bill of one request.
func (r *rates) price(u *model.Usage, d time.Duration) model.CostBreakdown {
	if r.none {
		return model.CostBreakdown{Unpriced: true}
	}
	b := bill{CostBreakdown: model.CostBreakdown{Request: model.Money(r.request)}}
	if r.tokens {
		t, listed := r.pick(u)
		b.perToken(u, t)
		b.Unpriced = b.Unpriced || !listed
	}
	if r.hardware {
		b.unknown(u.Input, r.device)
		b.unknown(u.Output, r.device)
		b.Hardware = b.class(count(u.Input)+count(u.Output), r.device, billion)
	}
	if r.second > 0 {
		b.Unpriced = b.Unpriced || d < 0
		b.Duration = mulDiv(uint64(max(d, 0)), r.second, billion)
	}
	b.Total = total(&b.CostBreakdown)
	return b.CostBreakdown
}

// bill is a breakdown being made.
type bill struct{ model.CostBreakdown }

// perToken prices the classes of tokens.
func (b *bill) perToken(u *model.Usage, t *tokenRates) {
	s := sharesOf(u)
	b.unknown(u.Input, t.input)
	b.unknown(u.Output, t.output)
	b.Input = b.class(s.input, t.input, million)
	b.CachedRead = b.class(s.read, t.read, million)
	b.CacheWrite = b.class(s.write, t.write, million)
	b.CacheWriteLong = b.class(s.writeLong, t.writeLong, million)
	b.AudioInput = b.class(s.audioIn, t.audioIn, million)
	b.ImageInput = b.class(s.imageIn, t.imageIn, million)
	b.Output = b.class(s.output, t.output, million)
	b.Reasoning = b.class(s.reasoning, t.reasoning, million)
	b.AudioOutput = b.class(s.audioOut, t.audioOut, million)
	b.ImageOutput = b.class(s.imageOut, t.imageOut, million)
}

// shares are the tokens of a usage, each counted in one class only.
type shares struct {
	input, read, write, writeLong, audioIn, imageIn uint64
	output, reasoning, audioOut, imageOut           uint64
}

// sharesOf files every token once. Cached tokens and reasoning are billed as
// reported; audio and images as far as what is left of the whole has room.
func sharesOf(u *model.Usage) (s shares) {
	s.read, s.writeLong = count(u.CachedRead), count(u.CacheWriteLong)
	s.write = less(count(u.CacheWrite), s.writeLong)
	s.input = less(less(less(count(u.Input), s.read), s.write), s.writeLong)
	s.input, s.audioIn = part(u.Input, s.input, u.AudioInput)
	s.input, s.imageIn = part(u.Input, s.input, u.ImageInput)
	s.reasoning = count(u.Reasoning)
	s.output = less(count(u.Output), s.reasoning)
	s.output, s.audioOut = part(u.Output, s.output, u.AudioOutput)
	s.output, s.imageOut = part(u.Output, s.output, u.ImageOutput)
	return s
}

// part takes a share out of the rest of a whole; of an unknown whole, it is
// what is reported.
func part(whole model.Count, rest uint64, share model.Count) (left, taken uint64) {
	taken = count(share)
	if whole.Known {
		taken = min(taken, rest)
	}
	return less(rest, taken), taken
}

// class prices n units.
func (b *bill) class(n uint64, r rate, per uint64) model.Money {
	if n == 0 {
		return 0
	}
	b.Unpriced = b.Unpriced || !r.known || r.borrowed
	if !r.known {
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

// less returns n − a, at least 0.
func less(n, a uint64) uint64 {
	if a >= n {
		return 0
	}
	return n - a
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

// classesOf lists the amounts that add up to the total.
func classesOf(b *model.CostBreakdown) [13]*model.Money {
	return [...]*model.Money{
		&b.Input, &b.CachedRead, &b.CacheWrite, &b.CacheWriteLong, &b.AudioInput, &b.ImageInput,
		&b.Output, &b.Reasoning, &b.AudioOutput, &b.ImageOutput, &b.Hardware, &b.Request, &b.Duration,
	}
}

// total adds up the classes of b.
func total(b *model.CostBreakdown) (sum model.Money) {
	for _, m := range classesOf(b) {
		sum = add(sum, *m)
	}
	return sum
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
	into, from := classesOf(&a), classesOf(&b)
	for i := range into {
		*into[i] = add(*into[i], *from[i])
	}
	a.Unpriced = a.Unpriced || b.Unpriced
	a.Total = total(&a)
	return a
}
