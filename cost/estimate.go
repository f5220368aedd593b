package cost

import (
	"math"

	"github.com/cartrita/cartrita/model"
)

// span is a predicted figure with the ends of its interval, low ≤ mid ≤ high.
type span struct{ low, mid, high float64 }

// exactly is a figure without doubt.
func exactly(v float64) span { return span{v, v, v} }

// scale multiplies all three by f ≥ 0.
func (s span) scale(f float64) span { return span{s.low * f, s.mid * f, s.high * f} }

// input predicts the tokens of a prompt.
func (f *figures) input(l *law, q *Request) span {
	switch {
	case q.InputTokens.Known:
		return exactly(float64(max(q.InputTokens.N, 0)))
	case q.PromptBytes == 0 && q.Images == 0:
		return l.assumed
	}
	return f.ratio.scale(baseTokens(q))
}

// answer predicts the tokens of an answer to a prompt of in tokens.
func (f *figures) answer(p *Profile, q *Request, in float64) span {
	out := f.output
	if q.OutputTokens.Known {
		out = exactly(float64(max(q.OutputTokens.N, 0)))
	}
	limit := min(p.maxOutput, max(p.context-in, 1))
	if q.MaxOutput.Known {
		limit = min(limit, float64(max(q.MaxOutput.N, 0)))
	}
	return span{min(out.low, limit), min(out.mid, limit), min(out.high, limit)}
}

// prompt returns the price of one prompt token, given the shares that are
// read from and written to the cache. A large share read is the low end.
func (r *floatRates) prompt(f *figures) span {
	if !r.cached || f.read.high == 0 && f.write == 0 {
		return exactly(r.input)
	}
	base := r.input + f.write*(r.write-r.input)
	saved := r.input - r.read
	a, b := base-f.read.high*saved, base-f.read.low*saved
	return span{max(min(a, b), 0), max(base-f.read.mid*saved, 0), max(a, b, 0)}
}

// generated returns the price of one answer token, given the share of reasoning.
func (r *floatRates) generated(f *figures) float64 {
	if !r.reasons {
		return r.output
	}
	return r.output + f.reasoning*(r.reasoning-r.output)
}

func (p *Profile) estimate(l *law, q *Request) model.Estimate {
	f, r := p.figures(l, q.Task), &p.float
	in := f.input(l, q)
	out := f.answer(p, q, in.mid)
	est := model.Estimate{
		InputTokens:  int64(in.mid + 0.5),
		OutputTokens: int64(out.mid + 0.5),
		Method:       f.method(q),
		Priced:       (r.inputKnown || in.high == 0) && (r.outputKnown || out.high == 0) && !p.rates.none,
	}
	if !est.Priced {
		return est
	}
	out = out.scale(float64(max(q.Choices, 1)))
	pin, pout := r.prompt(f), r.generated(f)
	if in.low == in.high && out.low == out.high && pin.low == pin.high && pout == r.output {
		est.Expected = p.exact(in.mid, out.mid)
		est.Low, est.High = est.Expected, est.Expected
		return est
	}
	mid := in.mid*pin.mid + out.mid*pout + r.request
	below := norm((in.mid-in.low)*pin.mid, in.mid*(pin.mid-pin.low), (out.mid-out.low)*pout)
	above := norm((in.high-in.mid)*pin.mid, in.mid*(pin.high-pin.mid), (out.high-out.mid)*pout)
	est.Expected = nano(mid)
	est.Low = nano(max(mid-below, r.request))
	est.High = nano(mid + above)
	return est
}

// exact prices known token counts in integers.
func (p *Profile) exact(in, out float64) model.Money {
	u := model.Usage{Input: model.Known(tokens(in)), Output: model.Known(tokens(out))}
	return p.rates.price(&u).Total
}

// tokens converts a predicted number of tokens, saturating.
func tokens(v float64) int64 {
	if v >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(v + 0.5)
}

// norm is the length of (a, b, c): independent deviations added up.
func norm(a, b, c float64) float64 { return math.Sqrt(a*a + b*b + c*c) }

// nano rounds a predicted amount that is not negative, saturating.
func nano(v float64) model.Money {
	if v >= maxMoney {
		return maxMoney
	}
	return model.Money(v + 0.5)
}
