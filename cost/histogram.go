package cost

import "math"

// Buckets of a histogram: bucket 0 holds answers of no tokens, bucket i ≥ 1
// those from 2^((i−1)/4) up to 2^(i/4) tokens, the last everything longer.
// Four buckets per octave keep an interpolated quantile within a few percent.
const (
	perOctave  = 4
	numBuckets = 1 + 20*perOctave // up to 2²⁰ tokens
)

// histogram is a decaying distribution of answer lengths. Two of them add up
// bucket by bucket.
type histogram struct {
	weight  float64
	sum     float64 // of tokens, decaying like the weight
	buckets [numBuckets]float64
}

func bucketOf(tokens float64) int {
	if tokens < 1 {
		return 0
	}
	return min(1+int(perOctave*math.Log2(tokens)), numBuckets-1)
}

// bucketStart is the lower end of a bucket in tokens.
func bucketStart(i int) float64 {
	if i == 0 {
		return 0
	}
	return math.Exp2(float64(i-1) / perOctave)
}

// seed adds w observations of a prior distribution.
func (h *histogram) seed(d logNormal, w float64) {
	h.weight += w
	if d.median == 0 {
		h.buckets[0] += w
		return
	}
	h.sum += w * d.median * math.Exp(d.sigma*d.sigma/2)
	below := func(tokens float64) float64 { // of the distribution
		return 0.5 * math.Erfc(-math.Log(tokens/d.median)/(d.sigma*math.Sqrt2))
	}
	for i, from := 0, 0.0; i < numBuckets; i++ {
		to := 1.0
		if i < numBuckets-1 {
			to = below(bucketStart(i + 1))
		}
		h.buckets[i] += w * (to - from)
		from = to
	}
}

// observe adds one answer after letting the earlier ones fade by decay.
func (h *histogram) observe(tokens, decay float64) {
	for i := range h.buckets {
		h.buckets[i] *= decay
	}
	h.weight = h.weight*decay + 1
	h.sum = h.sum*decay + tokens
	h.buckets[bucketOf(tokens)]++
}

// mean is the mean length in tokens.
func (h *histogram) mean() float64 { return h.sum / h.weight }

// quantile returns the length that a share p of answers stays below,
// interpolated within its bucket.
func (h *histogram) quantile(p float64) float64 {
	left := p * h.weight
	for i, w := range h.buckets {
		if left < w {
			if i == 0 {
				return 0
			}
			return math.Exp2((float64(i-1) + left/w) / perOctave)
		}
		left -= w
	}
	return bucketStart(numBuckets - 1)
}
