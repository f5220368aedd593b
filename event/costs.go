package event

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Dimension is what costs are grouped by.
type Dimension string

// The dimensions.
const (
	ByModel    Dimension = "model"
	ByEndpoint Dimension = "endpoint"
	ByProvider Dimension = "provider"
	ByTask     Dimension = "task"
	ByStrategy Dimension = "strategy"
	ByUser     Dimension = "user"
	ByWorkflow Dimension = "workflow" // workflow run id
	ByStage    Dimension = "stage"
	BySuper    Dimension = "supervisor"
	ByKey      Dimension = "key"
	ByTeam     Dimension = "team"
	ByProject  Dimension = "project"
	ByTag      Dimension = "tag"  // a call counts for every tag of its key
	ByDay      Dimension = "day"  // UTC: "2026-11-23"
	ByHour     Dimension = "hour" // UTC: "2026-11-23T18:00Z"
)

// Dimensions lists them all, in the order in which to offer them.
func Dimensions() []Dimension {
	return []Dimension{
		ByModel, ByEndpoint, ByProvider, ByTask, ByStrategy, ByKey, ByUser, ByTeam, ByProject, ByTag,
		ByWorkflow, ByStage, BySuper, ByDay, ByHour,
	}
}

// InTime reports whether groups stand in the order of time.
func (d Dimension) InTime() bool { return d == ByDay || d == ByHour }

// OfContext reports whether calls may lack a value in the dimension and
// rollups keep it apart, because it can take any number of values.
func (d Dimension) OfContext() bool { return slices.Contains(contextDimensions[:], d) }

var contextDimensions = [...]Dimension{ByUser, ByWorkflow, ByStage, BySuper, ByKey, ByTeam, ByProject, ByTag}

// Value is a call's value in a dimension.
type Value struct {
	Dimension
	Value string
}

// Values calls f for every context dimension in which the call has a value; a
// call whose key has several tags has several values of ByTag.
func (s *Summary) Values(f func(Value)) {
	for _, v := range [...]Value{
		{ByUser, s.User}, {ByWorkflow, s.Workflow}, {ByStage, s.Stage}, {BySuper, s.Supervisor},
		{ByKey, string(s.Key)}, {ByTeam, s.Team}, {ByProject, s.Project},
	} {
		if v.Value != "" {
			f(v)
		}
	}
	for _, tag := range s.Tags {
		f(Value{ByTag, tag})
	}
}

// CostQuery asks for costs by one dimension. Rollups are hourly: Since is
// rounded down and Until up to the whole hour; an Until in the last hour of the
// year 9999 is none.
type CostQuery struct {
	Since, Until time.Time // of the end of the call; zero: open
	By           Dimension // "": the total alone
	Limit        int       // groups, the costliest; 0: all. Not by day or hour
	// Restrictions; at most one of those from User on, and then By is no other
	// of them.
	Model    model.ModelID
	Endpoint model.EndpointID
	Provider string
	Task     *model.Task
	Strategy string
	User     string
	Workflow string
	Stage    string
	Super    string // supervisor
	Key      model.KeyID
	Team     string
	Project  string
	Tag      string
}

// How many groups a report has for those who ask from outside: a dimension such
// as workflow can have any number.
const (
	DefaultCostLines = 1000
	MaxCostLines     = 100_000
)

// Check returns the query with its times rounded, or a KindInvalid error for
// one that rollups cannot answer. Implementations of Reader call it first.
func (q CostQuery) Check() (CostQuery, error) {
	const op = "event.Costs"
	if q.By != "" && !slices.Contains(Dimensions(), q.By) {
		return q, model.Invalidf(op, "by", "is %q, want one of %s", q.By, names(Dimensions()))
	}
	switch {
	case q.Limit < 0:
		return q, model.Invalidf(op, "limit", "is %d, want the number of groups, 1 or more", q.Limit)
	case q.Limit > 0 && q.By == "":
		return q, model.Invalidf(op, "limit", "is %d, but without a grouping there is the total alone: want it together with by", q.Limit)
	case q.Limit > 0 && q.By.InTime():
		return q, model.Invalidf(op, "limit", "is %d, but by %s no group is left out: since and until bound how many there are", q.Limit, q.By)
	}
	if err := q.checkContext(); err != nil {
		return q, err
	}
	q.Since, q.Until = q.Since.UTC().Truncate(time.Hour), hourAfter(q.Until)
	return q, model.CheckTimes(op, q.Since, q.Until)
}

// lastYear is the last that can be written as a date.
const lastYear = 9999

// hourAfter rounds an end up. One that is then beyond what can be written is
// none: 9999-12-31T23:59:59Z is how many say so.
func hourAfter(until time.Time) time.Time {
	up := until.UTC().Truncate(time.Hour)
	if until.After(up) {
		up = up.Add(time.Hour)
	}
	if up.Year() > lastYear {
		return time.Time{}
	}
	return up
}

// checkContext refuses what rollups do not hold: two context dimensions together.
func (q *CostQuery) checkContext() error {
	var set []Dimension
	for _, r := range q.restrictions() {
		if r.Value != "" {
			set = append(set, r.Dimension)
		}
	}
	apart := "sums are kept by one of " + names(contextDimensions[:]) + " at a time"
	switch {
	case len(set) > 1:
		return model.Invalidf("event.Costs", string(set[1]), "cannot be given together with %s: %s; want one of %s", set[0], apart, names(set))
	case len(set) == 1 && q.By.OfContext() && q.By != set[0]:
		return model.Invalidf("event.Costs", "by", "is %s, which cannot be restricted to one %s: %s; want by %s, or no %s", q.By, set[0], apart, names(combinable(set[0])), set[0])
	}
	return nil
}

// combinable are the dimensions by which the calls with one value of a context
// dimension can be grouped.
func combinable(d Dimension) []Dimension {
	return slices.DeleteFunc(Dimensions(), func(by Dimension) bool { return by.OfContext() && by != d })
}

// Restriction returns the context dimension that the query is restricted to,
// and its value; "" for none.
func (q *CostQuery) Restriction() (Dimension, string) {
	for _, r := range q.restrictions() {
		if r.Value != "" {
			return r.Dimension, r.Value
		}
	}
	return "", ""
}

func (q *CostQuery) restrictions() [len(contextDimensions)]Value {
	return [...]Value{
		{ByUser, q.User}, {ByWorkflow, q.Workflow}, {ByStage, q.Stage}, {BySuper, q.Super},
		{ByKey, string(q.Key)}, {ByTeam, q.Team}, {ByProject, q.Project}, {ByTag, q.Tag},
	}
}

func names(ds []Dimension) string {
	words := make([]string, len(ds))
	for i, d := range ds {
		words[i] = string(d)
	}
	return strings.Join(words, ", ")
}

// CostReport is the answer to a CostQuery.
type CostReport struct {
	By     Dimension  `json:"by,omitempty"`
	Since  time.Time  `json:"since,omitzero"` // as rounded
	Until  time.Time  `json:"until,omitzero"` // as rounded
	Total  CostSum    `json:"total"`
	Groups []CostLine `json:"groups"` // highest cost first; by day and hour: in time order
	// Others adds up the groups beyond the limit, nil if there are none.
	Others *CostOthers `json:"others,omitempty"`
}

// CostOthers is the sum of groups that a report leaves out.
type CostOthers struct {
	Groups int64 `json:"groups"`
	CostSum
}

// CostLine is the sum of one group.
type CostLine struct {
	Key string `json:"key"` // "" for calls that have no value in the dimension
	CostSum
}

// DailyCost is what one model of one provider cost in one day.
type DailyCost struct {
	Provider string
	Model    model.ModelID
	Day      time.Time // its beginning, UTC
	CostSum
}

// CostSum adds up calls that ended. By model, endpoint or provider, cost and
// tokens are what that one billed, the calls are those that it answered or was
// tried last for: it may have billed for attempts of calls that are not its own.
type CostSum struct {
	Calls      int64       `json:"calls"`
	Failed     int64       `json:"failed"`
	Cost       model.Money `json:"cost_usd"`
	Estimated  model.Money `json:"estimated_usd"`  // what was expected before, of calls that were sent
	Unpriced   int64       `json:"unpriced_calls"` // calls whose cost is a lower bound
	Input      int64       `json:"input_tokens"`
	CachedRead int64       `json:"cached_read_tokens"`
	CacheWrite int64       `json:"cache_write_tokens"`
	Output     int64       `json:"output_tokens"`
	Reasoning  int64       `json:"reasoning_tokens"`
	LatencyMS  *float64    `json:"mean_latency_ms"` // over calls that were sent; null: none, or not known
	TTFTMS     *float64    `json:"mean_ttft_ms"`    // over calls that had a first token; null: none
}

// Tally is a sum under way: what a rollup keeps. The zero value is empty.
type Tally struct {
	CostSum              // its means are not used
	Latency      float64 // ms, sum over LatencyCalls
	LatencyCalls int64
	TTFT         float64 // ms, sum over TTFTCalls
	TTFTCalls    int64
}

// Parts returns what a call that ended adds to the sums of each target: the
// call itself and what was billed where it was answered, or tried last; and at
// the endpoints that billed for attempts before, only that.
func (s *Summary) Parts() iter.Seq2[Target, Tally] {
	return func(yield func(Target, Tally) bool) {
		here := s.Billed
		for i := range s.Shares {
			here.add(&s.Shares[i].Billed, -1)
		}
		t := here.tally()
		t.Calls, t.Failed, t.Unpriced, t.Estimated = 1, bit(s.State == model.StateFailed, 0), bit(s.Unpriced, 0), s.Estimated
		if s.LatencyMS > 0 {
			t.Latency, t.LatencyCalls = s.LatencyMS, 1
		}
		if s.TTFTMS > 0 {
			t.TTFT, t.TTFTCalls = s.TTFTMS, 1
		}
		if !yield(s.Target(), t) {
			return
		}
		for i := range s.Shares {
			if !yield(s.Shares[i].Target, s.Shares[i].tally()) {
				return
			}
		}
	}
}

func (b *Billed) tally() Tally {
	return Tally{CostSum: CostSum{
		Cost: b.Cost, Input: b.Input, CachedRead: b.CachedRead, CacheWrite: b.CacheWrite, Output: b.Output, Reasoning: b.Reasoning,
	}}
}

// Merge adds sign × u.
func (t *Tally) Merge(u Tally, sign int64) {
	t.Calls += sign * u.Calls
	t.Failed += sign * u.Failed
	t.Unpriced += sign * u.Unpriced
	t.Cost += model.Money(sign) * u.Cost
	t.Estimated += model.Money(sign) * u.Estimated
	t.Input += sign * u.Input
	t.CachedRead += sign * u.CachedRead
	t.CacheWrite += sign * u.CacheWrite
	t.Output += sign * u.Output
	t.Reasoning += sign * u.Reasoning
	t.Latency += float64(sign) * u.Latency
	t.LatencyCalls += sign * u.LatencyCalls
	t.TTFT += float64(sign) * u.TTFT
	t.TTFTCalls += sign * u.TTFTCalls
}

// Sum returns the sums with their means.
func (t Tally) Sum() CostSum {
	s := t.CostSum
	s.LatencyMS, s.TTFTMS = mean(t.Latency, t.LatencyCalls), mean(t.TTFT, t.TTFTCalls)
	return s
}

func mean(sum float64, n int64) *float64 {
	if n <= 0 {
		return nil
	}
	out := max(sum/float64(n), 0)
	return &out
}

// CostGroups are the groups of a CostQuery as a store adds them up.
type CostGroups struct {
	Lines map[string]Tally // by key: all, or the costliest up to the limit
	All   Tally            // of all groups
	Count int64            // of all groups
}

// CutGroups keeps the costliest of groups, as many as limit says; 0: all.
func CutGroups(groups map[string]Tally, limit int) CostGroups {
	out := CostGroups{Lines: make(map[string]Tally), Count: int64(len(groups))}
	lines := make([]CostLine, 0, len(groups))
	for key, g := range groups {
		out.All.Merge(g, 1)
		lines = append(lines, CostLine{key, g.CostSum})
	}
	slices.SortFunc(lines, byCost)
	for i := range lines {
		if limit == 0 || i < limit {
			out.Lines[lines[i].Key] = groups[lines[i].Key]
		}
	}
	return out
}

func byCost(a, b CostLine) int {
	return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Key, b.Key))
}

// NewCostReport makes the report of a checked query. With a context dimension
// that the query is not restricted to, what the groups lack to the total is the
// line of calls without a value, which no limit counts; not by tag, where a call
// counts in several groups.
func NewCostReport(q CostQuery, total Tally, groups CostGroups) CostReport {
	r := CostReport{By: q.By, Since: q.Since, Until: q.Until, Total: total.Sum(), Groups: []CostLine{}}
	if d, _ := q.Restriction(); q.By.OfContext() && d != q.By && q.By != ByTag {
		rest := total
		rest.Merge(groups.All, -1)
		if rest.Calls > 0 || rest.Cost != 0 || rest.Input+rest.Output > 0 {
			r.Groups = append(r.Groups, CostLine{CostSum: rest.Sum()})
		}
	}
	others := groups.All
	for key, g := range groups.Lines {
		r.Groups = append(r.Groups, CostLine{Key: key, CostSum: g.Sum()})
		others.Merge(g, -1)
	}
	if n := groups.Count - int64(len(groups.Lines)); n > 0 {
		r.Others = &CostOthers{n, others.Sum()}
	}
	if q.By.InTime() {
		slices.SortFunc(r.Groups, func(a, b CostLine) int { return cmp.Compare(a.Key, b.Key) })
	} else {
		slices.SortFunc(r.Groups, byCost)
	}
	return r
}

// TimeKey names the group of an hour by day or hour.
func TimeKey(by Dimension, hour time.Time) string {
	if by == ByDay {
		return hour.UTC().Format(time.DateOnly)
	}
	return hour.UTC().Format("2006-01-02T15:04Z")
}
