package cartrita

import (
	"time"

	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// compared is one call under the change beside what it was.
type compared struct {
	rec     *model.Record
	ended   time.Time
	first   *model.Candidate // as it was; nil: refused
	other   *model.Candidate // under the change; nil: refused
	priced  bool             // both costs are known
	was     model.Money
	would   model.Money
	doubt   float64 // standard deviation of would, in nano-USD
	changed bool
	beyond  bool // a hard limit of its own strategy forbids other

	strategy string // as it was
}

// compare works out what the call would have cost. The actual cost is known for
// calls that were completed; of the others only the choice is compared.
//
// At another endpoint the call is priced as served at its first attempt, with
// the tokens it used, each count scaled by the ratio of what the two models
// were expected to take and give (learned figures, as of the decision); the
// share of the prompt that was read from or written to a cache stays.
func (r *replayer) compare(c *stored, same, other *model.Plan) compared {
	out := compared{rec: c.rec, ended: c.call.Ended, strategy: c.trace.Strategy.Name}
	if same != nil {
		out.first = same.First()
	}
	if other != nil {
		out.other = other.First()
	}
	out.changed = (out.first == nil) != (out.other == nil) ||
		out.first != nil && out.first.Index != out.other.Index
	if c.rec.State != model.StateCompleted || c.rec.Cost.Unpriced || out.first == nil || out.other == nil || len(c.rec.Attempts) == 0 {
		return out
	}
	out.was = c.rec.Cost.Total
	served, known := servedBy(c)
	switch {
	case !known:
		return out
	case out.changed:
		r.reprice(c, served, &out)
	default:
		out.would, out.priced = out.was, true
		s := &c.fleet.Served[served.At]
		if p := r.change.pricing(s); p != s.Pricing {
			bill := cost.Price(withThroughput(p, s), c.rec.Usage, took(c))
			last := c.rec.Attempts[len(c.rec.Attempts)-1].Cost
			out.would, out.priced = out.was-last+bill.Total, !bill.Unpriced
		}
	}
	return out
}

// reprice prices the call at the endpoint that it would have gone to.
func (r *replayer) reprice(c *stored, from *route.Figures, out *compared) {
	s, old := &c.fleet.Served[out.other.Index], &c.fleet.Served[from.At]
	e := &out.other.Estimate
	alike := s.ID == old.ID || s.Model.Canonical != "" && s.Model.Canonical == old.Model.Canonical
	u := c.rec.Usage
	if !alike {
		u = translated(u, &from.Estimate, e, c.trace.MaxOutput)
		out.doubt = float64(e.High-e.Low) / (2 * z90)
	}
	bill := cost.Price(withThroughput(r.change.pricing(s), s), u, took(c))
	out.would, out.priced = bill.Total, !bill.Unpriced
}

// took is how long the attempt lasted that ended the call.
func took(c *stored) time.Duration {
	return time.Duration(c.rec.Attempts[len(c.rec.Attempts)-1].LatencyMS * float64(time.Millisecond))
}

// z90 is the number of standard deviations on either side that hold 90 %.
const z90 = 1.6448536269514722

// servedBy returns the figures of the endpoint that the call was served by.
func servedBy(c *stored) (*route.Figures, bool) {
	for i := range c.trace.Endpoints {
		f := &c.trace.Endpoints[i]
		if c.fleet.Served[f.At].ID == c.rec.Endpoint {
			return f, true
		}
	}
	return nil, false
}

// translated is the usage that another model would have had.
func translated(u model.Usage, from, to *model.Estimate, limit model.Count) model.Usage {
	u.ServiceTier = "" // the other endpoint serves in its usual one
	in := ratio(to.InputTokens, from.InputTokens)
	out := ratio(to.OutputTokens, from.OutputTokens)
	scale := func(c model.Count, f float64) model.Count {
		if !c.Known {
			return c
		}
		return model.Known(int64(float64(c.N)*f + 0.5))
	}
	for _, c := range [...]*model.Count{&u.Input, &u.CachedRead, &u.CacheWrite, &u.CacheWriteLong, &u.AudioInput, &u.ImageInput} {
		*c = scale(*c, in)
	}
	for _, c := range [...]*model.Count{&u.Output, &u.Reasoning, &u.AudioOutput, &u.ImageOutput} {
		*c = scale(*c, out)
	}
	if limit.Known && u.Output.Known && u.Output.N > limit.N {
		for _, c := range [...]*model.Count{&u.Output, &u.Reasoning, &u.AudioOutput, &u.ImageOutput} {
			c.N = min(c.N, limit.N)
		}
	}
	return u
}

func ratio(a, b int64) float64 {
	if a <= 0 || b <= 0 {
		return 1
	}
	return float64(a) / float64(b)
}
