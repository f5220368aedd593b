package cost

import (
	"math"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Confidence says in a word how far an estimate can be trusted. The rules
// stand in the package comment.
type Confidence string

// The confidences, from best to worst.
const (
	ConfidenceHigh   Confidence = "high"
	ConfidenceMedium Confidence = "medium"
	ConfidenceLow    Confidence = "low"
)

// The rules of Confidence: calls learned from, and the width of the interval
// relative to the expected cost.
const (
	manyCalls   = 50
	narrowWidth = 1.5
	mediumWidth = 5
)

// Explanation is an estimate with everything that it rests on. It has no form
// of its own in JSON: encoding it gives the Estimate.
type Explanation struct {
	model.Estimate
	Level      float64 // share of calls whose cost is to lie between low and high
	Confidence Confidence
	// Breakdown is the expected bill by class; nil when the price is unknown.
	Breakdown *model.CostBreakdown
	Factors   Factors

	spread float64 // standard deviation of the cost, nano-USD
	common float64 // that of its mean, which all calls of the kind share
}

// Factors are the figures behind an estimate.
type Factors struct {
	Prompt        Tokens         `json:"prompt_tokens"`
	Answer        Tokens         `json:"answer_tokens"` // of one answer
	AnswerLimit   model.Count    `json:"answer_limit,omitzero"`
	Answers       int64          `json:"answers"`
	Text          model.TextKind `json:"text"`
	BytesPerToken float64        `json:"bytes_per_token"` // of that kind of text, at this model
	CachedShare   float64        `json:"cached_read_share"`
	WriteShare    float64        `json:"cache_write_share"`
	Reasoning     float64        `json:"reasoning_share"`
	Learned       Evidence       `json:"learned_from"`
	PriceSource   string         `json:"price_source,omitempty"`
	PriceFrom     time.Time      `json:"price_from,omitzero"`
}

// Tokens is a number of tokens with its interval.
type Tokens struct {
	Expected float64 `json:"expected"`
	Low      float64 `json:"low"`
	Median   float64 `json:"median"`
	High     float64 `json:"high"`
}

// Evidence counts what an estimate was learned from. Earlier calls count less.
type Evidence struct {
	Prompts float64 `json:"prompts"` // to the model
	Answers float64 `json:"answers"` // of the model to the task
	Cell    float64 `json:"cell"`    // of those, with a like limit and prompt
	Settled int64   `json:"settled"` // calls whose cost was compared with their interval
	Covered float64 `json:"covered"` // share of the latest of those inside it
}

// Explain estimates as Estimate does, at any level from 0.5 to 0.99 (0: the
// estimator's own), and says what the estimate rests on. Errors: KindInvalid.
func (e *Estimator) Explain(p *Profile, q Request, level float64) (Explanation, error) {
	if level == 0 {
		level = e.level
	}
	if err := CheckLevel(level); err != nil {
		return Explanation{}, err
	}
	c := p.forecast(&e.learning, &q)
	x := Explanation{Estimate: p.estimate(&e.learning, &q), Level: level}
	tail := (1 - level) / 2
	low, high := -quantileOf(tail), quantileOf(tail)
	if t := p.known.tasks[slot(q.Task)].Load(); t != nil {
		p.known.mu.Lock()
		low, high = t.scores.tails(level, e.level)
		x.Factors.Learned.Settled, x.Factors.Learned.Covered = t.calls, t.recent()
		p.known.mu.Unlock()
	}
	middle := c.f.span[1]
	if x.Priced && x.Low != x.High {
		x.Low = min(model.Money(min(c.end(p, low, c.f.length(low), middle), maxMoney/2)), x.Expected)
		x.High = max(nano(math.Ceil(c.end(p, high, c.f.length(high), middle))), x.Expected)
	}
	x.factors(&e.learning, p, &q, &c, low, high)
	x.spread, x.common = c.spread(p.ratios(&e.learning), kindOf(&q))
	if x.Priced {
		bill := p.rates.price(c.usage(), AssumedTime)
		x.Breakdown = &bill
	}
	x.Confidence = x.confidence()
	return x, nil
}

// quantileOf is the normal deviate that a share tail lies above.
func quantileOf(tail float64) float64 { return math.Sqrt2 * math.Erfinv(1-2*tail) }

// recent is the share of the latest settled calls that lay inside their interval.
func (t *task) recent() float64 {
	w := t.scores.Side[0].Weight
	if w == 0 {
		return 0
	}
	return 1 - (t.scores.Side[0].Sum+t.scores.Side[1].Sum)/w
}

func (x *Explanation) factors(l *learning, p *Profile, q *Request, c *forecast, low, high float64) {
	f := &x.Factors
	r := p.ratios(l)
	kind := kindOf(q)
	f.Prompt = Tokens{c.in, c.mid * math.Exp(low*c.sd), c.mid, c.mid * math.Exp(high*c.sd)}
	f.Answer = Tokens{c.out, min(c.f.length(low), c.limit), min(c.f.span[1], c.limit), min(c.f.length(high), c.limit)}
	if c.known >= 0 {
		f.Answer = Tokens{c.known, c.known, c.known, c.known}
	}
	if !math.IsInf(c.limit, 0) {
		f.AnswerLimit = model.Known(tokens(c.limit))
	}
	f.Answers, f.Text, f.BytesPerToken = int64(c.n), kind, perToken[kind]/r.of[kind].middle
	f.CachedShare, f.WriteShare, f.Reasoning = c.f.read[0], c.f.write, c.f.reasoning
	f.Learned.Prompts, f.Learned.Answers, f.Learned.Cell = r.count, c.f.outputs, c.f.own
	if p.pricing != nil {
		f.PriceSource, f.PriceFrom = p.pricing.Source, p.pricing.EffectiveFrom
	}
}

// confidence applies the rules.
func (x *Explanation) confidence() Confidence {
	if !x.Priced {
		return ConfidenceLow
	}
	if x.Low == x.High {
		return ConfidenceHigh
	}
	width := float64(x.High-x.Low) / max(float64(x.Expected), 1)
	seen := x.Factors.Learned.Answers
	if x.Method != model.MethodCounted {
		seen = min(seen, x.Factors.Learned.Prompts)
	}
	switch {
	case seen >= manyCalls && width <= narrowWidth:
		return ConfidenceHigh
	case seen >= enough && width <= mediumWidth:
		return ConfidenceMedium
	}
	return ConfidenceLow
}

// usage is the expected usage.
func (c *forecast) usage() *model.Usage {
	in, out := tokens(c.in), tokens(c.n*c.out)
	u := &model.Usage{Input: model.Known(in), Output: model.Known(out)}
	u.CachedRead = model.Known(tokens(c.in * c.f.read[0]))
	u.CacheWrite = model.Known(tokens(c.in * c.f.write))
	u.Reasoning = model.Known(tokens(c.n * c.out * c.f.reasoning))
	return u
}

// spread returns the standard deviation of the cost, and the part of it that
// is doubt about the means and so the same in all calls of the kind.
func (c *forecast) spread(r *ratios, kind model.TextKind) (all, common float64) {
	prompt := c.in * c.pin * math.Sqrt(math.Expm1(c.sd*c.sd))
	price := c.in * c.saved * c.f.read[1]
	answer := 0.0
	if c.known < 0 {
		answer = c.n * c.pout * math.Sqrt(max(c.f.lengths.squares(c.limit)-c.out*c.out, 0))
	}
	all = math.Sqrt(prompt*prompt + price*price + answer*answer)
	if c.sd > 0 {
		prompt *= r.of[kind].doubt / c.sd
	}
	price /= math.Sqrt(c.f.outputs + 1)
	answer /= math.Sqrt(c.f.outputs + priorWeight)
	return all, math.Sqrt(prompt*prompt + price*price + answer*answer)
}
