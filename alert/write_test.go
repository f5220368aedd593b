package alert

import (
	"math"
	"strings"
	"testing"
)

func TestValuesHaveUnits(t *testing.T) {
	for _, c := range []struct {
		t    Type
		unit string
		v    float64
		want string
	}{
		{CostThreshold, "USD", 12.3, "$12.30"},
		{CostThreshold, "USD", 0.00123, "$0.0012"},
		{CostThreshold, "USD", 0, "$0.00"},
		{CostThreshold, "USD", 1e-7, "$0.0000001"},
		{CostThreshold, "USD", 0.0001234, "$0.00012"},
		{CostThreshold, "USD", 1.2345e15, "$1234500000000000"},
		{CostThreshold, "USD", 1e300, "$1" + strings.Repeat("0", 300)},
		{LatencySpike, "ms", 850, "850 ms"},
		{LatencySpike, "ms", 12_345.6, "12346 ms"},
		{LatencySpike, "ms", 1.234, "1.23 ms"},
		{LatencySpike, "ms", 1e-9, "0.000000001 ms"},
		{LatencySpike, "ms", 99.96, "100 ms"},
		{ErrorRate, "", 0.125, "12.5 %"},
		{Availability, "", 0.9995, "99.95 %"},
		{Availability, "", 1, "100 %"},
		{ErrorRate, "", 0.00001, "0.001 %"},
		{ErrorRate, "", 1e-9, "0.0000001 %"},
		{BudgetThreshold, "", 1e300, "1" + strings.Repeat("0", 302) + " %"},
		{ErrorRate, "", 0, "0 %"},
		{BudgetThreshold, "", 12, "1200 %"},
		{BurnRate, "", 14.4, "14.4×"},
		{SafetyViolation, "calls", 1, "1 call"},
		{SafetyViolation, "calls", 3, "3 calls"},
		{SpoolDepth, "bytes", 512, "512 B"},
		{SpoolDepth, "bytes", 1.5 * (1 << 20), "1.5 MiB"},
		{SpoolDepth, "bytes", 1e18, "909495 TiB"},
		{ErrorRate, "", math.NaN(), "unknown"},
		{ErrorRate, "ms", math.Inf(1), "unknown"},
	} {
		if got := WriteValue(c.t, c.unit, c.v); got != c.want {
			t.Errorf("%s %v %s: %q, want %q", c.t, c.v, c.unit, got, c.want)
		}
	}
}
