package cost

import (
	"math"

	"github.com/cartrita/cartrita/model"
)

// BatchSum adds up the estimates of many calls. What the calls have of their own,
// such as the length of each answer, is taken as independent: variances add,
// and so the interval of a thousand calls is far narrower than a thousand
// intervals. What is doubtful about the learned means is the same in all of
// them and adds up in full. Sums of parts merge into the sum of the whole.
type BatchSum struct {
	Calls        int64       `json:"calls"`
	Unpriced     int64       `json:"unpriced"` // calls without a known price, not in the amounts
	Expected     model.Money `json:"expected_usd"`
	Low          model.Money `json:"low_usd"`
	High         model.Money `json:"high_usd"`
	InputTokens  int64       `json:"input_tokens"`
	OutputTokens int64       `json:"output_tokens"`
	Counted      int64       `json:"counted"`            // calls whose prompt a tokenizer counted
	Spread       float64     `json:"sd_nano_usd"`        // standard deviation of what is independent
	Common       float64     `json:"common_sd_nano_usd"` // of what is the same in all calls
	Fixed        model.Money `json:"fixed_usd"`          // that cannot be undercut, such as prices per request
}

// Add adds one call.
func (s *BatchSum) Add(x *Explanation, level float64) {
	one := BatchSum{
		Calls: 1, InputTokens: x.InputTokens, OutputTokens: x.OutputTokens * max(x.Factors.Answers, 1),
		Counted: int64(b2f(x.Method == model.MethodCounted)), Spread: x.spread, Common: x.common,
		Expected: x.Expected, Low: x.Low, High: x.High,
	}
	if x.Breakdown != nil {
		one.Fixed = x.Breakdown.Request
	}
	if !x.Priced {
		one = BatchSum{Calls: 1, Unpriced: 1, InputTokens: one.InputTokens, OutputTokens: one.OutputTokens, Counted: one.Counted}
	}
	s.Merge(&one, level)
}

// Merge adds the calls of another sum, whose interval was made at the same level.
func (s *BatchSum) Merge(o *BatchSum, level float64) {
	first, more := s.Calls == s.Unpriced, o.Calls > o.Unpriced
	s.Calls += o.Calls
	s.Unpriced += o.Unpriced
	s.Expected = add(s.Expected, o.Expected)
	s.Fixed = add(s.Fixed, o.Fixed)
	s.InputTokens += o.InputTokens
	s.OutputTokens += o.OutputTokens
	s.Counted += o.Counted
	s.Spread = math.Hypot(s.Spread, o.Spread)
	s.Common += o.Common
	if first || !more { // one call keeps its own interval
		s.Low, s.High = add(s.Low, o.Low), add(s.High, o.High)
		return
	}
	half := quantileOf((1-level)/2) * math.Hypot(s.Spread, s.Common)
	s.Low = max(s.Expected-nano(half), s.Fixed)
	s.High = add(s.Expected, nano(half))
}
