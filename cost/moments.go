package cost

import (
	"math"

	"github.com/cartrita/cartrita/model"
)

// moments are a decaying mean and variance.
type moments struct {
	Weight float64 `json:"w"`
	Mean   float64 `json:"mean"`
	M2     float64 `json:"m2"`
}

// observe adds x after letting the earlier observations fade by decay.
func (m *moments) observe(x, decay float64) {
	m.Weight = m.Weight*decay + 1
	d := x - m.Mean
	m.Mean += d / m.Weight
	m.M2 = m.M2*decay + d*(x-m.Mean)
}

// observeShare adds the share of n in whole; an unknown n is no observation.
func (m *moments) observeShare(n model.Count, whole, decay float64) {
	if n.Known {
		m.observe(min(float64(count(n))/whole, 1), decay)
	}
}

// add adds the observations of o.
func (m *moments) add(o moments) {
	switch {
	case o.Weight == 0:
		return
	case m.Weight == 0:
		*m = o // to the last bit
		return
	}
	w, d := m.Weight+o.Weight, o.Mean-m.Mean
	m.M2 += o.M2 + d*d*m.Weight*o.Weight/w
	m.Mean += d * o.Weight / w
	m.Weight = w
}

// atMost returns m with its weight cut to w: the same figures, fewer observations.
func (m moments) atMost(w float64) moments {
	if m.Weight > w {
		m.M2 *= w / m.Weight
		m.Weight = w
	}
	return m
}

// predictive is the standard deviation of the next observation, with the
// doubt about the mean itself.
func (m *moments) predictive() float64 {
	if m.Weight == 0 {
		return 0
	}
	return math.Sqrt(m.M2 / m.Weight * (1 + 1/m.Weight))
}
