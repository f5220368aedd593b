package alert

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A quantile is within half a piece of the exact one, however the times were
// added up, and after they were stored.
func TestQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Float64Range(0.01, 1e6), 1, 300).Draw(t, "times")
		split := rapid.IntRange(0, len(times)).Draw(t, "split")
		var a, b Sum
		for i, ms := range times {
			if i < split {
				a.addTime(ms)
			} else {
				b.addTime(ms)
			}
		}
		doc, err := json.Marshal(b)
		var stored Sum
		if err != nil || json.Unmarshal(doc, &stored) != nil {
			t.Fatal(err)
		}
		a.add(&stored)
		slices.Sort(times)
		off := math.Exp2(0.5/timesPer) * (1 + 1e-9)
		for _, q := range []float64{0.5, 0.9, 0.95, 0.99} {
			exact := times[max(int(math.Ceil(q*float64(len(times)))), 1)-1]
			if got := a.quantile(q); got > exact*off || got < exact/off {
				t.Fatalf("quantile %v is %v, want %v", q, got, exact)
			}
		}
		var sum float64
		for _, ms := range times {
			sum += ms
		}
		if got, want := a.mean(), sum/float64(len(times)); math.Abs(got-want) > 1e-9*want {
			t.Fatalf("the mean is %v, want %v", got, want)
		}
	})
}
