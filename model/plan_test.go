package model

import "testing"

// TestReasonRounds: figures are rounded to what a reader can use, and away from
// each other, so that no reason says that 700 ms are more than 700 ms.
func TestReasonRounds(t *testing.T) {
	for want, x := range map[string]Exclusion{
		"has latency 701 ms, at most 699 ms is allowed":                                                  {Filter: FilterMaxLatency, Have: 700.02, Want: 699.921},
		"answers in about 1701 ms, 1499 ms are left to the deadline":                                     {Filter: FilterDeadline, Have: 1700.4, Want: 1499.99},
		"has latency 3000 ms (assumed from its record, not measured by calls), at most 10 ms is allowed": {Filter: FilterMaxLatency, Have: 3000, Want: 10, Detail: FromRecord},
		"holds 8192 tokens, the call needs about 100000000000":                                           {Filter: FilterContextLength, Have: 8192, Want: 1e11},
		"gives answers of at most 500 tokens, the call allows 1000000":                                   {Filter: FilterContextLength, Have: 500, Want: 1e6, Detail: "answer"},
		"has quality 0.699, at least 0.7 is asked":                                                       {Filter: FilterMinQuality, Have: 0.69992, Want: 0.7},
		"has quality 0.57, at least 0.58 is asked":                                                       {Filter: FilterMinQuality, Have: 0.57, Want: 0.58},
		"costs up to $0.00104255 per 1,000 tokens, at most $0.0000001 is allowed":                        {Filter: FilterMaxCost, Have: 0.00104255, Want: 1e-7, Detail: "per 1,000 tokens"},
		"has no known latency, at most 1500000 ms is allowed":                                            {Filter: FilterMaxLatency, Want: 1.5e6, Unknown: true},
		"is not taking calls for 4 s: the circuit is open":                                               {Filter: FilterCircuit, Have: 3.0217, Detail: "the circuit is open"},
	} {
		if got := x.Reason(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
