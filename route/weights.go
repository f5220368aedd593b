package route

import (
	"iter"
	"math"

	"github.com/cartrita/cartrita/model"
)

// Normalise returns the weights of a decision, which sum to 1. Without weights
// of the caller they are the strategy's. Where the caller gives some: safety and
// availability keep the strategy's share unless given, quality, cost and latency
// count 0 unless given, and the given ones are scaled to fill what is left.
//
// Errors are KindInvalid: a negative, infinite or NaN weight with its field, or
// weights that are all 0.
func Normalise(s *Strategy, c *model.Criteria) (model.Weights, error) {
	const op = "route.Normalise"
	base, ok := normal(s.Weights)
	if !ok {
		return base, model.Invalidf(op, "strategies."+s.Name+".weights", "want weights from 0 up, at least one above 0")
	}
	if c == nil || c.QualityWeight == nil && c.CostWeight == nil && c.LatencyWeight == nil && c.SafetyWeight == nil && c.AvailabilityWeight == nil {
		return base, nil
	}
	var given model.Weights
	kept := model.Weights{Safety: base.Safety, Availability: base.Availability}
	for _, f := range [...]struct {
		from *float64
		to   *float64
		name string
	}{
		{c.QualityWeight, &given.Quality, "quality_weight"},
		{c.CostWeight, &given.Cost, "cost_weight"},
		{c.LatencyWeight, &given.Latency, "latency_weight"},
		{c.SafetyWeight, &given.Safety, "safety_weight"},
		{c.AvailabilityWeight, &given.Availability, "availability_weight"},
	} {
		if f.from == nil {
			continue
		}
		if err := checkWeight(op, f.name, *f.from); err != nil {
			return base, err
		}
		*f.to = *f.from
	}
	if c.SafetyWeight != nil {
		kept.Safety = 0
	}
	if c.AvailabilityWeight != nil {
		kept.Availability = 0
	}
	given, ok = normal(given)
	if !ok {
		return base, model.Invalidf(op, "quality_weight", "the weights given are all 0: want at least one of quality_weight, cost_weight, latency_weight, safety_weight, availability_weight above 0")
	}
	rest := 1 - kept.Safety - kept.Availability
	if rest <= 0 { // the strategy leaves no room; the caller's wish comes first
		return given, nil
	}
	return model.Weights{
		Quality: given.Quality * rest, Cost: given.Cost * rest, Latency: given.Latency * rest,
		Safety: given.Safety*rest + kept.Safety, Availability: given.Availability*rest + kept.Availability,
	}, nil
}

func checkWeight(op, param string, w float64) error {
	if !(w >= 0 && w <= math.MaxFloat64) {
		return model.Invalidf(op, param, "want a number from 0 up, got %v", w)
	}
	return nil
}

// normal scales weights to sum 1. It reports false for weights that cannot be.
func normal(w model.Weights) (model.Weights, bool) {
	top := max(w.Quality, w.Cost, w.Latency, w.Safety, w.Availability)
	low := min(w.Quality, w.Cost, w.Latency, w.Safety, w.Availability)
	if !(low >= 0 && top > 0 && top <= math.MaxFloat64) {
		return w, false
	}
	// By the largest first, so that the sum cannot overflow.
	q, c, l, s, a := w.Quality/top, w.Cost/top, w.Latency/top, w.Safety/top, w.Availability/top
	sum := q + c + l + s + a
	return model.Weights{Quality: q / sum, Cost: c / sum, Latency: l / sum, Safety: s / sum, Availability: a / sum}, true
}

func weightsByName(w *model.Weights) iter.Seq2[string, *float64] {
	return func(yield func(string, *float64) bool) {
		_ = yield("quality", &w.Quality) && yield("cost", &w.Cost) && yield("latency", &w.Latency) &&
			yield("safety", &w.Safety) && yield("availability", &w.Availability)
	}
}
