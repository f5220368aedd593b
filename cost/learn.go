package cost

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/cartrita/cartrita/model"
)

// figures are what is known of one (canonical model, task), ready for
// estimating. Immutable once published.
type figures struct {
	ratio     span    // correction of baseTokens
	output    span    // tokens of an answer
	read      span    // share of the prompt read from the cache
	write     float64 // mean share of the prompt written to the cache
	reasoning float64 // mean share of reasoning in the answer
	ratios    float64 // decayed number of prompts learned from
	outputs   float64 // decayed number of answers learned from
}

// enough is the number of observations from which an estimate counts as learned.
const enough = 5

// method says what an estimate of q rests on.
func (f *figures) method(q *Request) model.EstimateMethod {
	switch {
	case q.InputTokens.Known:
		return model.MethodCounted
	case f.ratios >= enough && f.outputs >= enough:
		return model.MethodLearned
	}
	return model.MethodPrior
}

// cells are what is learned about one canonical model, by task.
type cells struct {
	published [taskSlots]atomic.Pointer[figures]

	mu    sync.Mutex
	cells [taskSlots]*cell
}

// slot is the index of a task.
func slot(t model.Task) int { return int(t) % taskSlots }

// figures returns what is known of the endpoint's model for a task.
func (p *Profile) figures(l *law, t model.Task) *figures {
	if f := p.cells.published[slot(t)].Load(); f != nil {
		return f
	}
	return &l.priors[p.reasoning][slot(t)]
}

// Observe learns from a finished answer: q is what was known before, u what
// the upstream reported. Usage that we counted ourselves teaches nothing and
// is ignored, as are counts that are unknown. Cut answers should not be
// observed: their length is no answer's length.
func (e *Estimator) Observe(p *Profile, q Request, u model.Usage) {
	if u.Source == model.UsageCounted || !u.Input.Known && !u.Output.Known {
		return
	}
	i := slot(q.Task)
	p.cells.mu.Lock()
	defer p.cells.mu.Unlock()
	c := p.cells.cells[i]
	if c == nil {
		c = e.law.newCell(p.reasoning, i)
		p.cells.cells[i] = c
	}
	c.observe(&e.law, &q, &u)
	p.cells.published[i].Store(c.figures(&e.law))
}

// cell learns about one (canonical model, task).
type cell struct {
	ratio, read, write, reasoning moments
	output                        histogram
	ratios, outputs               float64 // decayed observations, priors not counted
}

// maxLogRatio bounds one observation of ln(actual/base): beyond it, the byte
// count does not describe the prompt.
const maxLogRatio = 4

func (c *cell) observe(l *law, q *Request, u *model.Usage) {
	if in := float64(count(u.Input)); in > 0 {
		if q.PromptBytes > 0 || q.Images > 0 {
			x := math.Log(in / baseTokens(q))
			c.ratio.observe(max(-maxLogRatio, min(x, maxLogRatio)), l.decay)
			c.ratios = c.ratios*l.decay + 1
		}
		c.read.observeShare(u.CachedRead, in, l.decay)
		c.write.observeShare(u.CacheWrite, in, l.decay)
	}
	if u.Output.Known {
		out := float64(count(u.Output)) / float64(max(q.Choices, 1))
		c.output.observe(out, l.decay)
		c.outputs = c.outputs*l.decay + 1
		if out > 0 {
			c.reasoning.observeShare(u.Reasoning, out, l.decay)
		}
	}
}

// figures works out what to publish.
func (c *cell) figures(l *law) *figures {
	sd := c.ratio.predictive()
	low, high := c.ratio.mean-l.z*sd, c.ratio.mean+l.z*sd
	f := &figures{
		ratio: span{math.Exp(low), math.Exp(min(c.ratio.mean+sd*sd/2, high)), math.Exp(high)},
		output: span{
			c.output.quantile(l.tail),
			c.output.mean(),
			c.output.quantile(1 - l.tail),
		},
		write: c.write.mean, reasoning: c.reasoning.mean,
		ratios: c.ratios, outputs: c.outputs,
	}
	sd = l.z * c.read.predictive()
	f.read = span{max(c.read.mean-sd, 0), c.read.mean, min(c.read.mean+sd, 1)}
	f.output.low = min(f.output.low, f.output.mid)
	f.output.high = max(f.output.high, f.output.mid)
	return f
}

// moments are a decaying mean and variance.
type moments struct{ weight, mean, m2 float64 }

// observe adds x after letting the earlier observations fade by decay.
func (m *moments) observe(x, decay float64) {
	m.weight = m.weight*decay + 1
	d := x - m.mean
	m.mean += d / m.weight
	m.m2 = m.m2*decay + d*(x-m.mean)
}

// observeShare adds the share of n in whole; an unknown n is no observation.
func (m *moments) observeShare(n model.Count, whole, decay float64) {
	if n.Known {
		m.observe(min(float64(count(n))/whole, 1), decay)
	}
}

// predictive is the standard deviation of the next observation, with the
// doubt about the mean itself.
func (m *moments) predictive() float64 {
	return math.Sqrt(m.m2 / m.weight * (1 + 1/m.weight))
}
