package cost

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/cartrita/cartrita/model"
)

// figures are what is known of the answers to one kind of call, ready for
// estimating. Immutable once published.
type figures struct {
	lengths   table
	low, high float64    // scores between which the interval lies
	span      [3]float64 // lengths at low, at the median and at high
	mean      float64
	read      [2]float64 // share of the prompt read from the cache: mean and deviation
	write     float64    // mean share of the prompt written to the cache
	reasoning float64    // mean share of reasoning in the answer
	outputs   float64    // decayed number of answers of the task learned from
	own       float64    // of those, in this cell
}

// ratios are the corrections of baseTokens for one model, by kind of text.
type ratios struct {
	of    [model.TextKinds]struct{ mean, sd, doubt, middle, expected float64 } // of the logarithm, with the doubt about its mean; the factors at median and mean
	count float64                                                              // decayed number of prompts learned from
}

// enough is the number of observations from which an estimate counts as learned.
const enough = 5

// method says what an estimate of q rests on.
func (f *figures) method(r *ratios, q *Request) model.EstimateMethod {
	switch {
	case q.InputTokens.Known:
		return model.MethodCounted
	case r.count >= enough && f.outputs >= enough:
		return model.MethodLearned
	}
	return model.MethodPrior
}

// Cells of a task: what is asked for and the length of the prompt tell more
// about the length of an answer than the task alone.
const (
	limitBuckets  = 6
	promptBuckets = 4
	cellsPerTask  = limitBuckets * promptBuckets
)

// cellOf is the index of a request's cell within its task.
func cellOf(q *Request) int {
	limit := 0 // none
	if q.MaxOutput.Known {
		switch n := q.MaxOutput.N; {
		case n <= 64:
			limit = 1
		case n <= 256:
			limit = 2
		case n <= 1024:
			limit = 3
		case n <= 4096:
			limit = 4
		default:
			limit = 5
		}
	}
	bytes := q.PromptBytes
	if q.InputTokens.Known && bytes == 0 {
		bytes = bytesPerToken * q.InputTokens.N
	}
	switch {
	case bytes < 1<<10:
		return limit
	case bytes < 1<<13:
		return limit + limitBuckets
	case bytes < 1<<16:
		return limit + 2*limitBuckets
	}
	return limit + 3*limitBuckets
}

// knowledge is what is learned about one canonical model.
type knowledge struct {
	canonical string
	ratios    atomic.Pointer[ratios]
	tasks     [taskSlots]atomic.Pointer[task]

	mu      sync.Mutex               // guards what follows, and the tasks but for what they publish
	reasons int                      // 1 when the model reasons: longer answers before anything is learned
	prompts [model.TextKinds]moments // of ln(actual/base)
	lengths histogram                // relative to what is assumed of the task
	calls   int
}

// task is what is learned about one task of a model.
type task struct {
	base  atomic.Pointer[figures] // for cells that learned nothing of their own
	cells [cellsPerTask]atomic.Pointer[cell]

	lengths                histogram
	read, write, reasoning moments
	scores                 scores
	low, high              float64 // tails of scores, as last worked out
	calls, covered         int64   // settled, and of those inside their interval
	observed               int
}

// cell is what is learned about one kind of call within a task.
type cell struct {
	figures atomic.Pointer[figures]
	lengths histogram
}

// How often figures are worked out again, in observations: those of the cell
// itself each time or nearly, those that it shares now and then.
const (
	baseEvery  = 8
	cellEvery  = 4
	youngCell  = 32 // answers below which a cell is worked out after each
	modelEvery = 64
	poolEvery  = 256
)

// figures returns what is known of the endpoint's model for a kind of call.
func (p *Profile) figures(l *learning, q *Request) *figures {
	i := slot(q.Task)
	if t := p.known.tasks[i].Load(); t != nil {
		if c := t.cells[cellOf(q)].Load(); c != nil {
			return c.figures.Load()
		}
		return t.base.Load()
	}
	return &l.assumed.Load()[p.reasoning][i]
}

func (p *Profile) ratios(l *learning) *ratios {
	if r := p.known.ratios.Load(); r != nil {
		return r
	}
	return &l.ratios
}

// Observe learns from a finished answer: q is what was known before, u what
// the upstream reported. Usage that we counted ourselves teaches nothing and
// is ignored, as are counts that are unknown. An answer as long as its limit
// was cut there: all that is learned is that it would have been longer.
// Answers that broke off should not be observed.
func (e *Estimator) Observe(p *Profile, q Request, u model.Usage) {
	if u.Source == model.UsageCounted || !u.Input.Known && !u.Output.Known {
		return
	}
	e.learned.Add(1)
	k := p.known
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slot(q.Task)
	t := k.task(&e.learning, i)
	if in := float64(count(u.Input)); in > 0 {
		if q.Attached == 0 && !q.InputTokens.Known { // else bytes of text say nothing about the tokens
			k.prompt(&e.learning, &q, in)
		}
		t.read.observeShare(u.CachedRead, in, e.decay)
		t.write.observeShare(u.CacheWrite, in, e.decay)
	}
	if u.Output.Known {
		out := float64(count(u.Output)) / float64(max(q.Choices, 1))
		k.answer(e, t, i, p, &q, out)
		if out > 0 {
			t.reasoning.observeShare(u.Reasoning, out, e.decay)
		}
	}
	k.publish(&e.learning, t, i, cellOf(&q))
}

// maxLogRatio bounds one observation of ln(actual/base): beyond it, the byte
// count does not describe the prompt.
const maxLogRatio = 4

// prompt learns from the tokens of a prompt.
func (k *knowledge) prompt(l *learning, q *Request, in float64) {
	if q.PromptBytes <= 0 && q.Images <= 0 {
		return
	}
	x := math.Log(in / baseTokens(q))
	k.prompts[kindOf(q)].observe(max(-maxLogRatio, min(x, maxLogRatio)), l.decay)
	k.ratios.Store(newRatios(&k.prompts))
}

// answer learns from the tokens of an answer.
func (k *knowledge) answer(e *Estimator, t *task, i int, p *Profile, q *Request, out float64) {
	prior := &e.priors[k.reasons][i]
	limit := p.maxOutput
	if q.MaxOutput.Known {
		limit = min(limit, float64(max(q.MaxOutput.N, 0)))
	}
	c := e.cell(t, cellOf(q))
	if out < limit || limit < 1 {
		t.lengths.observe(out, e.decay)
		if c != nil {
			c.lengths.observe(out, e.decay)
		}
		if prior.median > 0 {
			relative := out * unit / prior.median
			k.lengths.observe(relative, e.decay)
			if e.pool.observe(&e.law, relative) {
				e.assume()
			}
		}
		return
	}
	cut := t.base.Load().lengths.beyond(out) // the task knows answers that were not cut
	t.lengths.observeShape(&cut, e.decay)
	if c != nil {
		c.lengths.observeShape(&cut, e.decay)
	}
	if prior.median > 0 {
		var relative shape
		relative.addShifted(&cut, -prior.shift, 1)
		k.lengths.observeShape(&relative, e.decay)
	}
}

// task returns what is learned about a task, making a place for it.
func (k *knowledge) task(l *learning, i int) *task {
	t := k.tasks[i].Load()
	if t == nil {
		t = &task{low: -l.z, high: l.z}
		t.base.Store(&l.assumed.Load()[k.reasons][i])
		k.tasks[i].Store(t)
	}
	return t
}

// cell returns the cell of a task, making it if there is room for one more;
// else nil.
func (e *Estimator) cell(t *task, i int) *cell {
	c := t.cells[i].Load()
	if c == nil && e.cells.Add(1) <= e.maxCells {
		c = &cell{}
		c.figures.Store(t.base.Load())
		t.cells[i].Store(c)
	} else if c == nil {
		e.cells.Add(-1)
	}
	return c
}

// publish works out the figures that an observation changed. What lies further
// off follows from time to time.
func (k *knowledge) publish(l *learning, t *task, i, at int) {
	k.calls++
	t.observed++
	if k.calls%modelEvery == 0 {
		for j := range numTasks {
			k.refresh(l, k.task(l, j), j)
		}
		return
	}
	base := t.observed < modelEvery || t.observed%baseEvery == 0
	c := t.cells[at].Load()
	cell := c != nil && (base || c.lengths.weight < youngCell || t.observed%cellEvery == 0)
	if !base && !cell {
		return
	}
	if base {
		t.low, t.high = t.scores.tails(l.level, l.level)
	}
	parent, mean := k.behind(l, i)
	lengths, mean := t.lengths.over(&parent, mean, priorWeight)
	if base {
		t.base.Store(t.figures(&lengths, mean, 0))
	}
	if cell {
		t.publish(c, &lengths, mean)
	}
}

// refresh works out all figures of a task.
func (k *knowledge) refresh(l *learning, t *task, i int) {
	t.low, t.high = t.scores.tails(l.level, l.level)
	parent, mean := k.behind(l, i)
	lengths, mean := t.lengths.over(&parent, mean, priorWeight)
	t.base.Store(t.figures(&lengths, mean, 0))
	for j := range t.cells {
		if c := t.cells[j].Load(); c != nil {
			t.publish(c, &lengths, mean)
		}
	}
}

func (t *task) publish(c *cell, lengths *shape, mean float64) {
	own, mean := c.lengths.over(lengths, mean, cellWeight)
	c.figures.Store(t.figures(&own, mean, c.lengths.weight))
}

// behind is what is assumed of a task of this model: the prior, and how wordy
// the model was at other tasks and other models were.
func (k *knowledge) behind(l *learning, i int) (s shape, mean float64) {
	return l.behind(&k.lengths, k.reasons, i)
}

func (t *task) figures(lengths *shape, mean, own float64) *figures {
	f := &figures{
		lengths: newTable(lengths, mean), low: t.low, high: t.high, mean: mean,
		read:  [2]float64{t.read.Mean, t.read.predictive()},
		write: t.write.Mean, reasoning: t.reasoning.Mean,
		outputs: t.lengths.weight, own: own,
	}
	f.quantiles()
	return f
}

// quantiles works out the lengths at the ends of the interval.
func (f *figures) quantiles() {
	f.span = [3]float64{f.length(f.low), f.lengths.quantile(0.5), f.length(f.high)}
}

// length is the length of an answer at a score, in whole tokens on the side
// away from the median.
func (f *figures) length(z float64) float64 {
	v := f.lengths.quantile(below(z))
	if z < 0 {
		return math.Floor(v)
	}
	return math.Ceil(v)
}

// newRatios works out the corrections: for each kind of text what was learned
// of it, with some of what the model's other texts showed, and the prior.
func newRatios(prompts *[model.TextKinds]moments) *ratios {
	r := &ratios{}
	var all moments
	for _, m := range prompts {
		all.add(m)
	}
	r.count = all.Weight
	all = all.atMost(modelRatioWeight)
	for i := range r.of {
		m := prompts[i]
		m.add(all)
		m.add(moments{Weight: priorRatioWeight, M2: priorRatioWeight * ratioSigma * ratioSigma})
		sd := m.predictive()
		o := &r.of[i]
		o.mean, o.sd, o.doubt = m.Mean, sd, math.Sqrt(m.M2)/m.Weight
		o.middle, o.expected = math.Exp(m.Mean), math.Exp(m.Mean+sd*sd/2)
	}
	return r
}
