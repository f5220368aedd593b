package cost

import "math"

// scores are where actual costs fell in their predicted distributions, as
// normal deviates: of a right prediction they have the normal distribution. An
// interval is taken at the quantiles of the scores and not at the normal ones,
// so that it covers what it says however wrong the shape of the prediction is
// (recalibration by quantiles, as conformal prediction has it).
type scores struct {
	Weight  float64               `json:"w"`
	Buckets [scoreBuckets]float64 `json:"b"`
	Side    [2]decayed            `json:"side"` // actual costs below and above their interval
}

const (
	scoreBuckets = 90
	scoreWidth   = 0.1
	maxScore     = scoreBuckets * scoreWidth / 2
	scoreWeight  = 40 // of the normal distribution that stands behind them, in observations
)

// decayed is a share of observations that fades.
type decayed struct {
	Weight float64 `json:"w"`
	Sum    float64 `json:"sum"`
}

func (d *decayed) observe(x, decay float64) {
	d.Weight, d.Sum = d.Weight*decay+1, d.Sum*decay+x
}

// below is the normal distribution function.
func below(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

// normalScores is the normal distribution over the buckets of scores.
var normalScores = func() (s [scoreBuckets]float64) {
	for i := range s {
		z := float64(i)*scoreWidth - maxScore
		s[i] = below(z+scoreWidth) - below(z)
	}
	s[0] += below(-maxScore)
	s[scoreBuckets-1] += below(-maxScore)
	return s
}()

// observe adds the score z of a call whose actual cost lay inside its interval
// (side 0), below (−1) or above it (1).
func (s *scores) observe(z float64, side int, decay float64) {
	for i := range s.Buckets {
		s.Buckets[i] *= decay
	}
	s.Weight = s.Weight*decay + 1
	i := int((z + maxScore) / scoreWidth)
	s.Buckets[max(0, min(i, scoreBuckets-1))]++
	for i := range s.Side {
		s.Side[i].observe(b2f(side == 2*i-1), decay)
	}
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (s *scores) add(o *scores) {
	s.Weight += o.Weight
	for i, w := range o.Buckets {
		s.Buckets[i] += w
	}
	for i := range s.Side {
		s.Side[i].Weight += o.Side[i].Weight
		s.Side[i].Sum += o.Side[i].Sum
	}
}

// quantile returns the score that a share p of calls stays below.
func (s *scores) quantile(p float64) float64 {
	left := p * (s.Weight + scoreWeight)
	for i := range s.Buckets {
		w := s.Buckets[i] + scoreWeight*normalScores[i]
		if left < w {
			return float64(i)*scoreWidth - maxScore + scoreWidth*left/w
		}
		left -= w
	}
	return maxScore
}

// tails are the scores between which a share level of the actual costs falls.
// A side that cannot be missed as often as it may, such as the upper one where
// answers are cut by their limit, leaves its share to the other. learned is
// the level at which the sides were watched.
func (s *scores) tails(level, learned float64) (low, high float64) {
	tail := (1 - level) / 2
	return s.quantile(tail * (1 + s.spare(1, learned))), s.quantile(1 - tail*(1+s.spare(0, learned)))
}

// spare is the part of its share of misses that a side does not use, beyond
// what chance explains.
func (s *scores) spare(side int, learned float64) float64 {
	tail := (1 - learned) / 2
	d := s.Side[side]
	missed := (d.Sum + scoreWeight*tail) / (d.Weight + scoreWeight)
	return max(0, min((tail-missed)/tail-chance, 1-chance))
}

// chance is how far the share of misses may be off by chance, relative to the
// share that is allowed.
const chance = 0.3
