package cost

import (
	"cmp"
	"slices"

	"github.com/cartrita/cartrita/model"
)

// Settled compares the estimate of a call with what it cost in the end, from
// usage that the upstream reported. Observe it afterwards: what the call
// teaches must not be part of what it is compared with.
func (e *Estimator) Settled(p *Profile, q Request, est model.Estimate, actual model.Money) {
	if !est.Priced || est.Low == est.High || q.OutputTokens.Known {
		return
	}
	z, side := p.score(&e.learning, &q, actual), 0
	switch {
	case actual < est.Low:
		side = -1
	case actual > est.High:
		side = 1
	}
	k := p.known
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.task(&e.learning, slot(q.Task))
	t.calls++
	if side == 0 {
		t.covered++
	}
	t.scores.observe(z, side, e.decay)
}

// score returns where an actual cost lies in the distribution that is
// predicted: the score nearest to the median whose cost is as far from it.
func (p *Profile) score(l *learning, q *Request, actual model.Money) float64 {
	c := p.forecast(l, q)
	middle, want := c.f.span[1], float64(actual)
	above := want > c.at(0, middle, middle)
	from, to := 0.0, -maxScore // from is too near
	if above {
		to = maxScore
	}
	for range 14 {
		z := (from + to) / 2
		v := c.end(p, z, c.f.length(z), middle)
		if above && v < want || !above && v > want {
			from = z
		} else {
			to = z
		}
	}
	return to
}

// Calibration says how often the actual costs of calls lay inside the interval
// that was estimated for them.
type Calibration struct {
	Model   string     `json:"model"` // canonical id
	Task    model.Task `json:"task"`
	Calls   int64      `json:"calls"`        // since the estimator has learned
	Covered int64      `json:"covered"`      // of those, inside
	Share   float64    `json:"share"`        // covered of calls
	Recent  float64    `json:"recent_share"` // of the latest calls
	Level   float64    `json:"level"`        // what the share should be
	// Note says why the share means little yet.
	Note string `json:"note,omitempty"`
}

// fewCalls is the number of settled calls below which a share means little.
const fewCalls = 50

// Calibration returns how well the intervals held, by model and task.
func (e *Estimator) Calibration() []Calibration {
	var out []Calibration
	for _, k := range e.known() {
		k.mu.Lock()
		for i := range k.tasks {
			t := k.tasks[i].Load()
			if t == nil || t.calls == 0 {
				continue
			}
			c := Calibration{
				Model: k.canonical, Task: model.Task(i), Calls: t.calls, Covered: t.covered,
				Share: float64(t.covered) / float64(t.calls), Recent: t.recent(), Level: e.level,
			}
			if c.Calls < fewCalls {
				c.Note = "fewer than 50 calls: the share may be chance"
			}
			out = append(out, c)
		}
		k.mu.Unlock()
	}
	return out
}

// known returns what is known of each model, by name.
func (e *Estimator) known() []*knowledge {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*knowledge, 0, len(e.models))
	for _, k := range e.models {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b *knowledge) int { return cmp.Compare(a.canonical, b.canonical) })
	return out
}
