package cost

import (
	"sync"
	"sync/atomic"

	"github.com/cartrita/cartrita/model"
)

// learning is what all models share: the law, and what is assumed of a model
// that nothing was learned of.
type learning struct {
	law
	ratios  ratios
	pool    pool
	assumed atomic.Pointer[[2][taskSlots]figures] // by "reasons" and task
}

// pool is how long the answers of all models were, relative to what is assumed
// of their tasks.
type pool struct {
	mu      sync.Mutex
	lengths histogram
	seen    int

	published atomic.Pointer[histogram] // a copy now and then
}

// observe adds one answer and reports whether it is time to work out anew what
// rests on the pool.
func (p *pool) observe(l *law, relative float64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lengths.observe(relative, l.decay)
	p.seen++
	return p.seen%poolEvery == 0
}

func (p *pool) publish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.lengths
	p.published.Store(&h)
}

func (l *learning) init() {
	var none [model.TextKinds]moments
	l.ratios = *newRatios(&none)
	l.assume()
}

// assume works out what is assumed of models that nothing was learned of.
func (l *learning) assume() {
	l.pool.publish()
	var all [2][taskSlots]figures
	for reasons := range all {
		for i := range all[reasons] {
			t := task{low: -l.z, high: l.z}
			s, mean := l.behind(&histogram{}, reasons, i)
			all[reasons][i] = *t.figures(&s, mean, 0)
		}
	}
	l.assumed.Store(&all)
}

// behind is the distribution that stands behind a task: the prior, with up to
// modelWeight observations of the model's other tasks and poolWeight of other
// models, both scaled to the task.
func (l *learning) behind(own *histogram, reasons, i int) (s shape, mean float64) {
	p := &l.priors[reasons][i]
	if p.median == 0 {
		return p.lengths, 0
	}
	weight := float64(priorWeight)
	s = p.lengths
	s.scale(priorWeight)
	mean = p.mean * priorWeight
	scale := p.median / unit
	for _, from := range []struct {
		h    *histogram
		most float64
	}{{own, modelWeight}, {l.pool.published.Load(), poolWeight}} {
		if from.h.weight == 0 {
			continue
		}
		w := min(from.h.weight, from.most)
		s.addShifted(&from.h.buckets, p.shift, w/from.h.weight)
		mean += w * scale * from.h.sum / from.h.weight
		weight += w
	}
	s.scale(1 / weight)
	return s, mean / weight
}
