package cost

import (
	"math"
	"sort"
)

// Buckets of a histogram: bucket 0 holds answers of no tokens, bucket i ≥ 1
// those from 2^((i−1)/4) up to 2^(i/4) tokens, the last everything longer.
// Four buckets per octave keep an interpolated quantile within a few percent.
const (
	perOctave  = 4
	numBuckets = 1 + 20*perOctave // up to 2²⁰ tokens
)

// shape is a distribution over the buckets; its members add up to 1 when it is
// a whole one.
type shape [numBuckets]float64

// histogram is a decaying distribution of answer lengths. Two of them add up
// bucket by bucket.
type histogram struct {
	weight  float64
	sum     float64 // of tokens, decaying like the weight
	buckets shape
}

// bucketStarts are the lower ends of the buckets in tokens, with the end of the last.
var bucketStarts = func() (s [numBuckets + 1]float64) {
	for i := 1; i <= numBuckets; i++ {
		s[i] = math.Exp2(float64(i-1) / perOctave)
	}
	return s
}()

// bucketOf finds the bucket of a length by the exponent of its floating-point
// number: a logarithm would take longer than the rest of an estimate.
func bucketOf(tokens float64) int {
	if tokens < 1 {
		return 0
	}
	octave := int(math.Float64bits(tokens)>>52) - 1023
	i := 1 + octave*perOctave
	if i >= numBuckets {
		return numBuckets - 1
	}
	for i < numBuckets-1 && tokens >= bucketStarts[i+1] {
		i++
	}
	return i
}

// bucketMeans are the mean lengths in the buckets, if lengths lie evenly on
// the logarithmic scale.
var bucketMeans = func() (m shape) {
	grow := math.Exp2(1.0 / perOctave)
	for i := 1; i < numBuckets; i++ {
		m[i] = bucketStarts[i] * (grow - 1) / math.Log(grow)
	}
	return m
}()

// shape is the logNormal as a distribution over the buckets.
func (d logNormal) shape() (s shape) {
	if d.median == 0 {
		s[0] = 1
		return s
	}
	below := func(tokens float64) float64 { // of the distribution
		return 0.5 * math.Erfc(-math.Log(tokens/d.median)/(d.sigma*math.Sqrt2))
	}
	for i, from := 0, 0.0; i < numBuckets; i++ {
		to := 1.0
		if i < numBuckets-1 {
			to = below(bucketStarts[i+1])
		}
		s[i] = to - from
		from = to
	}
	return s
}

// fade lets what was observed weigh less.
func (h *histogram) fade(decay float64) {
	for i := range h.buckets {
		h.buckets[i] *= decay
	}
	h.weight *= decay
	h.sum *= decay
}

// observe adds one answer after letting the earlier ones fade by decay.
func (h *histogram) observe(tokens, decay float64) {
	h.fade(decay)
	h.weight++
	h.sum += tokens
	h.buckets[bucketOf(tokens)]++
}

// observeShape adds one answer of which only the distribution is known.
func (h *histogram) observeShape(s *shape, decay float64) {
	h.fade(decay)
	h.weight++
	for i, w := range s {
		h.buckets[i] += w
		h.sum += w * bucketMeans[i]
	}
}

// add adds another histogram.
func (h *histogram) add(o *histogram) {
	h.weight += o.weight
	h.sum += o.sum
	for i, w := range o.buckets {
		h.buckets[i] += w
	}
}

// over returns the distribution of what was observed, with k observations of
// the parent's added, and the mean length in it beside the parent's.
func (h *histogram) over(parent *shape, parentMean, k float64) (s shape, mean float64) {
	f := 1 / (h.weight + k)
	for i, w := range h.buckets {
		s[i] = (w + k*parent[i]) * f
	}
	return s, (h.sum + k*parentMean) * f
}

// mean is the mean length in the distribution.
func (s *shape) mean() (m float64) {
	for i, w := range s {
		m += w * bucketMeans[i]
	}
	return m
}

// addShifted adds k times o, moved up by so many buckets. What would leave the
// range stays at its ends; bucket 0, no tokens, stays where it is.
func (s *shape) addShifted(o *shape, by, k float64) {
	whole := math.Floor(by)
	part := by - whole
	s[0] += k * o[0]
	for i := 1; i < numBuckets; i++ {
		if o[i] == 0 {
			continue
		}
		to := i + int(whole)
		s[clampBucket(to)] += k * o[i] * (1 - part)
		s[clampBucket(to+1)] += k * o[i] * part
	}
}

func clampBucket(i int) int { return max(1, min(i, numBuckets-1)) }

// scale multiplies the members by f.
func (s *shape) scale(f float64) {
	for i := range s {
		s[i] *= f
	}
}

// table is a distribution ready to be asked. Immutable.
type table struct {
	below  [numBuckets]float32 // share of answers up to the end of each bucket
	tokens [numBuckets]float32 // their tokens, per answer of all
}

// newTable prepares a distribution whose mean is known better than the buckets tell.
func newTable(s *shape, mean float64) (t table) {
	correct := 1.0
	if m := s.mean(); m > 0 && mean > 0 {
		correct = mean / m
	}
	var below, tokens float64
	for i, w := range s {
		below += w
		tokens += w * bucketMeans[i] * correct
		t.below[i], t.tokens[i] = float32(below), float32(tokens)
	}
	t.below[numBuckets-1] = 1
	return t
}

// quantile returns the length that a share p of answers stays below,
// interpolated within its bucket.
func (t *table) quantile(p float64) float64 {
	want := float32(p)
	i := sort.Search(numBuckets, func(i int) bool { return t.below[i] > want })
	if i == 0 {
		return 0
	}
	if i == numBuckets {
		i--
	}
	w := t.below[i] - t.below[i-1]
	if w <= 0 {
		return bucketStarts[i]
	}
	return math.Exp2((float64(i-1) + float64((want-t.below[i-1])/w)) / perOctave)
}

// split returns the bucket that holds a length, and the share of that bucket
// that lies below it.
func split(tokens float64) (bucket int, share float64) {
	bucket = bucketOf(tokens)
	from, to := bucketStarts[bucket], bucketStarts[bucket+1]
	return bucket, min((tokens-from)/(to-from), 1)
}

// capped returns the mean length when every answer is cut at limit tokens.
func (t *table) capped(limit float64) float64 {
	if limit < 1 {
		return 0
	}
	i, share := split(limit)
	if i == numBuckets-1 {
		return float64(t.tokens[i])
	}
	in := float64(t.below[i] - t.below[i-1])
	below := float64(t.below[i-1]) + in*share
	whole := float64(t.tokens[i-1]) + in*share*(bucketStarts[i]+limit)/2
	return min(whole+(1-below)*limit, limit)
}

// beyond returns how answers that are longer than limit spread: the best guess
// at the length of one that was cut there.
func (t *table) beyond(limit float64) (s shape) {
	i, share := split(limit)
	at := func(j int) float64 {
		if j == 0 {
			return float64(t.below[0])
		}
		return float64(t.below[j] - t.below[j-1])
	}
	s[i] = at(i) * (1 - share)
	sum := s[i]
	for j := i + 1; j < numBuckets; j++ {
		s[j] = at(j)
		sum += s[j]
	}
	if sum < 1e-6 {
		s = shape{}
		s[i] = 1
		return s
	}
	s.scale(1 / sum)
	return s
}

// squares is the mean of the squared length when every answer is cut at limit.
func (t *table) squares(limit float64) (sum float64) {
	from := float32(0)
	for i, below := range t.below {
		m := min(bucketMeans[i], limit)
		sum += float64(below-from) * m * m
		from = below
	}
	return sum
}
