package cost

import (
	"math"

	"github.com/cartrita/cartrita/model"
)

// forecast is the cost of a call before it is made: the parts that are not
// certain, and what one unit of each costs in nano-USD.
type forecast struct {
	f     *figures
	r     *floatRates
	exact bool    // the prompt's tokens are known
	in    float64 // mean tokens of the prompt
	mid   float64 // median tokens of the prompt
	sd    float64 // of the logarithm of its tokens
	out   float64 // mean tokens of an answer
	known float64 // tokens of an answer as the caller expects them; −1 not given
	limit float64 // tokens that an answer can have
	n     float64 // answers
	pin   float64 // price of a prompt token at the mean share of cached ones
	saved float64 // what a token is cheaper when read from the cache, if its share is not known
	pout  float64 // price of an answer's token
}

func (p *Profile) forecast(l *learning, q *Request) (c forecast) {
	c.f = p.figures(l, q)
	switch {
	case q.InputTokens.Known:
		c.exact = true
		c.in = float64(max(q.InputTokens.N, 0))
		c.mid = c.in
	case q.PromptBytes == 0 && q.Images == 0:
		c.in, c.sd = assumedTokens, assumedSigma
		c.mid = assumedTokens * assumedMedian
	default:
		ratio, base := &p.ratios(l).of[kindOf(q)], baseTokens(q)
		c.in, c.mid, c.sd = base*ratio.expected, base*ratio.middle, ratio.sd
	}
	c.answer(p, q)
	c.price(p.float.at(c.in))
	return c
}

// price works out the price of a token by the rates of one tier.
func (c *forecast) price(r *floatRates) {
	c.r, c.saved = r, 0
	c.prompt()
	c.pout = c.r.output
	if c.r.reasons {
		c.pout += c.f.reasoning * (c.r.reasoning - c.r.output)
	}
}

// end is the cost at one end of the interval. A prompt that is so much longer
// or shorter there that another tier prices it costs what that tier says.
func (c *forecast) end(p *Profile, z, out, middle float64) float64 {
	if len(p.float.long) == 0 {
		return c.at(z, out, middle)
	}
	there := *c
	if r := p.float.at(c.mid * math.Exp(z*c.sd)); r != c.r {
		there.price(r)
	}
	return there.at(z, out, middle)
}

// assumedMedian is the median of the assumed prompt relative to its mean.
var assumedMedian = math.Exp(-assumedSigma * assumedSigma / 2)

// answer works out how long an answer is.
func (c *forecast) answer(p *Profile, q *Request) {
	c.n = float64(max(q.Choices, 1))
	c.limit = min(p.maxOutput, max(p.context-c.in, 1))
	if q.MaxOutput.Known {
		c.limit = min(c.limit, float64(max(q.MaxOutput.N, 0)))
	}
	c.known = -1
	switch {
	case q.OutputTokens.Known:
		c.known = min(float64(max(q.OutputTokens.N, 0)), c.limit)
		c.out = c.known
	case c.limit >= longest:
		c.out = c.f.mean
	default:
		c.out = c.f.lengths.capped(c.limit)
	}
}

// longest is the length from which a limit cuts nothing that a histogram tells apart.
const longest = 1 << 19

// prompt works out the price of one token of the prompt.
func (c *forecast) prompt() {
	c.pin = c.r.input
	if !c.r.cached || c.f.read[0] == 0 && c.f.read[1] == 0 && c.f.write == 0 {
		return
	}
	c.saved = c.r.input - c.r.read
	c.pin = max(c.r.input+c.f.write*(c.r.write-c.r.input)-c.f.read[0]*c.saved, 0)
}

// token is the price of one token of the prompt at a score: cheap ones, of
// which much was in the cache, are at the low end.
func (c *forecast) token(z float64) float64 {
	if c.saved == 0 || c.f.read[1] == 0 {
		return c.pin
	}
	if c.saved < 0 {
		z = -z
	}
	share := max(0, min(c.f.read[0]-z*c.f.read[1], 1))
	return max(c.r.input+c.f.write*(c.r.write-c.r.input)-share*c.saved, 0)
}

// at is the cost at the score z, with an answer of out tokens there and of
// middle at the median. Deviations from the median are independent: they add
// up as the root of the sum of their squares. An answer that reaches its
// limit deviates no further, however unlikely the rest.
func (c *forecast) at(z, out, middle float64) float64 {
	if c.known >= 0 {
		out, middle = c.known, c.known
	}
	capped := z > 0 && out >= c.limit
	out, middle = min(out, c.limit), min(middle, c.limit)
	center := c.mid*c.pin + c.n*middle*c.pout + c.r.request
	prompt, price := 0.0, 0.0
	if c.sd > 0 {
		prompt = c.mid * (math.Exp(z*c.sd) - 1) * c.pin
	}
	if c.saved != 0 {
		price = c.mid * (c.token(z) - c.pin)
	}
	answer := c.n * (out - middle) * c.pout
	switch {
	case z < 0:
		return max(center-math.Sqrt(prompt*prompt+price*price+answer*answer), c.r.request)
	case capped:
		return center + answer + math.Sqrt(prompt*prompt+price*price)
	}
	return center + math.Sqrt(prompt*prompt+price*price+answer*answer)
}

// expected is the mean cost.
func (c *forecast) expected() float64 { return c.in*c.pin + c.n*c.out*c.pout + c.r.request }

// priced reports whether every class that may be used has a known price.
func (c *forecast) priced(p *Profile) bool {
	return (c.r.inputKnown || c.in == 0) && (c.r.outputKnown || c.out == 0) && !p.rates.none
}

// certain reports that nothing about the cost has to be predicted.
func (c *forecast) certain() bool {
	return c.exact && (c.known >= 0 || c.limit == 0 || c.f.span == [3]float64{} && c.out == 0) &&
		(c.saved == 0 || c.f.read == [2]float64{}) && c.pout == c.r.output && c.pin == c.r.input
}

func (p *Profile) estimate(l *learning, q *Request) model.Estimate {
	c := p.forecast(l, q)
	est := model.Estimate{
		InputTokens:  tokens(c.in),
		OutputTokens: tokens(c.out),
		Method:       c.f.method(p.ratios(l), q),
		Priced:       c.priced(p),
	}
	if !est.Priced {
		return est
	}
	if c.certain() {
		est.Expected = p.exact(c.in, c.n*c.out)
		est.Low, est.High = est.Expected, est.Expected
		return est
	}
	f := c.f
	est.Expected = nano(c.expected())
	est.Low = min(model.Money(min(c.end(p, f.low, f.span[0], f.span[1]), maxMoney/2)), est.Expected)
	est.High = max(nano(math.Ceil(c.end(p, f.high, f.span[2], f.span[1]))), est.Expected)
	return est
}

// exact prices known token counts in integers.
func (p *Profile) exact(in, out float64) model.Money {
	u := model.Usage{Input: model.Known(tokens(in)), Output: model.Known(tokens(out))}
	return p.rates.price(&u, AssumedTime).Total
}

// tokens converts a predicted number of tokens, saturating.
func tokens(v float64) int64 {
	if v >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(v + 0.5)
}

// nano rounds a predicted amount that is not negative, saturating.
func nano(v float64) model.Money {
	if v >= maxMoney {
		return maxMoney
	}
	return model.Money(v + 0.5)
}
