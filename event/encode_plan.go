package event

import (
	"bytes"
	"strconv"

	"github.com/cartrita/cartrita/model"
)

// AppendPlan appends the plan document of p: JSON by columns instead of rows.
// A plan is a table of candidates and a table of exclusions; written row by
// row, its member names are three quarters of it. The rules of a column:
//
//   - it is a list with one value per row;
//   - a list of one value holds for every row;
//   - an absent column holds the zero value for every row, except that an
//     absent model column repeats the endpoint column.
//
// Scores are kept to six decimals, other figures to six significant digits at
// least. Behind the JSON and a zero byte, which JSON never holds, stands the
// decision's trace, if there is one. ParsePlan reads it back.
func AppendPlan(b []byte, p *model.Plan) []byte {
	b = append(b, `{"strategy":`...)
	b = appendString(b, p.Strategy)
	b = append(b, `,"weights":[`...)
	b = appendFloat(b, p.Weights.Quality)
	b = appendFloat(append(b, ','), p.Weights.Cost)
	b = appendFloat(append(b, ','), p.Weights.Latency)
	b = appendFloat(append(b, ','), p.Weights.Safety)
	b = appendFloat(append(b, ','), p.Weights.Availability)
	b = append(b, `],"seed":`...)
	b = strconv.AppendUint(b, p.Seed, 10)
	b = append(b, `,"registry_version":`...)
	b = strconv.AppendUint(b, p.Snapshot, 10)
	b = append(b, `,"considered":`...)
	b = strconv.AppendInt(b, int64(p.Considered), 10)
	b = append(b, `,"eligible":`...)
	b = strconv.AppendInt(b, int64(p.Eligible), 10)
	b = flag(b, `,"spread":true`, p.Spread)
	b = append(b, `,"confidence":`...)
	b = appendScore(b, p.Confidence)
	b = appendCandidates(b, p.Candidates)
	b = appendExclusions(b, p.Excluded)
	if n := len(p.Attempts); n > 0 {
		b = column(b, `,"attempts":{"candidate":[`, n, func(b []byte, i int) []byte { return integer(b, int64(p.Attempts[i].Candidate)) })
		b = column(b, `,"step":[`, n, func(b []byte, i int) []byte { return appendString(b, p.Attempts[i].Step) })
		b = append(b, '}')
	}
	b = append(b, '}')
	if len(p.Trace) > 0 {
		b = append(append(b, 0), p.Trace...)
	}
	return b
}

// PlanTrace returns the decision's trace in a plan document without reading
// the rest of it; nil when there is none.
func PlanTrace(doc []byte) []byte {
	_, trace := splitPlan(doc)
	return trace
}

func splitPlan(doc []byte) (plan, trace []byte) {
	plan, trace, _ = bytes.Cut(doc, []byte{0})
	if len(trace) == 0 {
		trace = nil
	}
	return plan, trace
}

func appendCandidates(b []byte, cs []model.Candidate) []byte {
	n := len(cs)
	if n == 0 {
		return b
	}
	b = column(b, `,"candidates":{"endpoint":[`, n, func(b []byte, i int) []byte { return appendString(b, cs[i].Endpoint) })
	if differ(n, func(i int) bool { return string(cs[i].Endpoint) != string(cs[i].Model) }) {
		b = column(b, `,"model":[`, n, func(b []byte, i int) []byte { return appendString(b, cs[i].Model) })
	}
	b = column(b, `,"score":[`, n, func(b []byte, i int) []byte { return appendScore(b, cs[i].Score) })
	b = column(b, `,"scores":[`, n, func(b []byte, i int) []byte { return appendTermScores(b, &cs[i].Terms) })
	b = column(b, `,"values":[`, n, func(b []byte, i int) []byte { return appendTermValues(b, &cs[i].Terms) })
	b = constant(b, `,"known":[`, n, func(i int) int64 { return int64(knownMask(&cs[i].Terms)) })
	if differ(n, func(i int) bool { return cs[i].Load != 0 }) {
		b = column(b, `,"load":[`, n, func(b []byte, i int) []byte { return appendFloat(b, cs[i].Load) })
	}
	b = column(b, `,"expected_nano":[`, n, func(b []byte, i int) []byte { return integer(b, int64(cs[i].Estimate.Expected)) })
	b = column(b, `,"low_nano":[`, n, func(b []byte, i int) []byte { return integer(b, int64(cs[i].Estimate.Low)) })
	b = column(b, `,"high_nano":[`, n, func(b []byte, i int) []byte { return integer(b, int64(cs[i].Estimate.High)) })
	b = constant(b, `,"input":[`, n, func(i int) int64 { return cs[i].Estimate.InputTokens })
	b = constant(b, `,"output":[`, n, func(i int) int64 { return cs[i].Estimate.OutputTokens })
	rows := n
	if !differ(n, func(i int) bool { return cs[i].Estimate.Method != cs[0].Estimate.Method }) {
		rows = 1
	}
	b = column(b, `,"method":[`, rows, func(b []byte, i int) []byte { return appendString(b, cs[i].Estimate.Method) })
	b = constant(b, `,"priced":[`, n, func(i int) int64 { return bit(cs[i].Estimate.Priced, 0) })
	return append(b, '}')
}

func appendExclusions(b []byte, xs []model.Exclusion) []byte {
	n := len(xs)
	if n == 0 {
		return b
	}
	b = column(b, `,"excluded":{"endpoint":[`, n, func(b []byte, i int) []byte { return appendString(b, xs[i].Endpoint) })
	if differ(n, func(i int) bool { return string(xs[i].Endpoint) != string(xs[i].Model) }) {
		b = column(b, `,"model":[`, n, func(b []byte, i int) []byte { return appendString(b, xs[i].Model) })
	}
	b = column(b, `,"filter":[`, n, func(b []byte, i int) []byte { return appendString(b, xs[i].Filter.String()) })
	if differ(n, func(i int) bool { return xs[i].Want != 0 }) {
		b = column(b, `,"want":[`, n, func(b []byte, i int) []byte { return appendFloat(b, xs[i].Want) })
	}
	if differ(n, func(i int) bool { return xs[i].Have != 0 }) {
		b = column(b, `,"have":[`, n, func(b []byte, i int) []byte { return appendFloat(b, xs[i].Have) })
	}
	b = constant(b, `,"unknown":[`, n, func(i int) int64 { return bit(xs[i].Unknown, 0) })
	if differ(n, func(i int) bool { return xs[i].Detail != "" }) {
		b = column(b, `,"detail":[`, n, func(b []byte, i int) []byte { return appendString(b, xs[i].Detail) })
	}
	return append(b, '}')
}

// appendTermScores appends the five scores of a row, appendTermValues the five
// figures behind them, both in the order of model.Weights.
func appendTermScores(b []byte, t *model.Terms) []byte {
	b = appendScore(b, t.Quality.Score)
	b = appendScore(append(b, ','), t.Cost.Score)
	b = appendScore(append(b, ','), t.Latency.Score)
	b = appendScore(append(b, ','), t.Safety.Score)
	return appendScore(append(b, ','), t.Availability.Score)
}

func appendTermValues(b []byte, t *model.Terms) []byte {
	b = appendFloat(b, t.Quality.Value)
	b = appendFloat(append(b, ','), t.Cost.Value)
	b = appendFloat(append(b, ','), t.Latency.Value)
	b = appendFloat(append(b, ','), t.Safety.Value)
	return appendFloat(append(b, ','), t.Availability.Value)
}

// knownMask packs the Known flags of a row, quality in the lowest bit.
func knownMask(t *model.Terms) uint8 {
	return uint8(bit(t.Quality.Known, 0) | bit(t.Cost.Known, 1) | bit(t.Latency.Known, 2) | bit(t.Safety.Known, 3) | bit(t.Availability.Known, 4))
}

func bit(set bool, at int) int64 {
	if set {
		return 1 << at
	}
	return 0
}

// column appends a list of n cells behind head, which ends with '['.
func column(b []byte, head string, n int, cell func([]byte, int) []byte) []byte {
	b = append(b, head...)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = cell(b, i)
	}
	return append(b, ']')
}

// constant appends a column of integers: one cell if all rows are equal, no
// column at all if they are zero.
func constant(b []byte, head string, n int, cell func(int) int64) []byte {
	first := cell(0)
	if !differ(n, func(i int) bool { return cell(i) != first }) {
		n = 1
		if first == 0 {
			return b
		}
	}
	return column(b, head, n, func(b []byte, i int) []byte { return integer(b, cell(i)) })
}

func differ(n int, cond func(int) bool) bool {
	for i := range n {
		if cond(i) {
			return true
		}
	}
	return false
}

func integer(b []byte, n int64) []byte {
	if n >= 0 && n < 10 {
		return append(b, byte('0'+n))
	}
	return strconv.AppendInt(b, n, 10)
}
