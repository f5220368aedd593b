package event

import (
	"math"
	"testing"

	"github.com/cartrita/cartrita/model"
)

// TestAbsurdFiguresDoNotSpoilTheSums: one call, whatever it claims or an
// upstream reports, leaves the sums of the hour what they are for the others.
func TestAbsurdFiguresDoNotSpoilTheSums(t *testing.T) {
	most := model.Known(math.MaxInt64)
	r := &model.Record{
		State: model.StateCompleted, Estimated: math.MaxInt64, Cost: model.CostBreakdown{Total: math.MaxInt64},
		Usage:    model.Usage{Input: most, CachedRead: most, CacheWrite: most, Output: most, Reasoning: model.Known(-1)},
		Attempts: []model.Attempt{{Endpoint: "p/m", Status: 200, LatencyMS: 1}},
	}
	s := Summarize(r)
	var sum Tally
	for range 1000 {
		for _, part := range s.Parts() {
			sum.Merge(part, 1)
		}
	}
	for name, n := range map[string]int64{"cost": int64(sum.Cost), "estimated": int64(sum.Estimated), "input": sum.Input, "output": sum.Output, "cached": sum.CachedRead} {
		if n <= 0 {
			t.Errorf("%s of a thousand such calls: %d", name, n)
		}
	}
	if sum.Reasoning != 0 {
		t.Errorf("reasoning: %d", sum.Reasoning)
	}
}
