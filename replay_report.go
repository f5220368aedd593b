package cartrita

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
)

// Bounds of what a report lists.
const (
	maxChanges    = 10_000
	maxMismatches = 20
)

// ReplayReport is the answer to a ReplayQuery.
type ReplayReport struct {
	Calls     int64 `json:"calls"`     // that ended in the time asked for
	Decisions int64 `json:"decisions"` // of them, that no call followed: dry runs
	Identical int64 `json:"identical"` // decided again as they were
	Different int64 `json:"different"` // decided otherwise without any change: a fault of this program
	Untraced  int64 `json:"untraced"`  // without a trace that this program reads, or refused before a decision was made
	Partial   int64 `json:"partial"`   // of a registry so large that the trace holds its best endpoints only
	Damaged

	Mismatches []Mismatch     `json:"mismatches,omitempty"` // of the different ones, the first
	Total      *Comparison    `json:"total,omitempty"`      // nil when nothing was changed
	Groups     []Comparison   `json:"groups,omitempty"`
	Changes    []ReplayChange `json:"changes,omitempty"`
	Method     []string       `json:"method,omitempty"` // how the figures were made

	Budgets []budget.Status `json:"budgets,omitempty"` // of Change.Budgets, as they stand behind the last call
}

// Mismatch is a decision that did not come out as it had.
type Mismatch struct {
	ID    model.CallID `json:"call_id"`
	Was   []string     `json:"was"` // endpoints, in their order
	Again []string     `json:"again"`
}

// Comparison is what a group of calls would have been under the change.
// Savings are positive when the change is cheaper.
type Comparison struct {
	Key      string      `json:"key,omitempty"`
	Calls    int64       `json:"calls"`
	Changed  int64       `json:"changed"`       // would have gone elsewhere first
	Refused  int64       `json:"refused"`       // would have been served by nobody
	Admitted int64       `json:"admitted"`      // had been served by nobody
	Beyond   int64       `json:"beyond_limits"` // would have gone where the hard limits of the strategy they were decided under forbid; see Change.KeepLimits
	Priced   int64       `json:"priced"`        // whose costs are known both ways; the costs below are of these
	Cost     model.Money `json:"cost_usd"`
	Would    model.Money `json:"would_cost_usd"`
	Saved    Interval    `json:"saved_usd"`     // in all
	Latency  *Interval   `json:"latency_ms"`    // mean change of the expected time to the first token; null: not known
	Quality  *Interval   `json:"quality_score"` // mean change of the expected quality; null: not known
}

// Interval is a figure with the ends of its 90 % interval.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Calls int64   `json:"calls"` // that it rests on
}

// ReplayChange is one call that would have gone elsewhere.
type ReplayChange struct {
	ID    model.CallID     `json:"call_id"`
	Ended time.Time        `json:"ended_at"`
	Was   model.EndpointID `json:"was,omitempty"`   // "" nobody
	Would model.EndpointID `json:"would,omitempty"` // "" nobody
	Saved *model.Money     `json:"saved_usd"`       // null: not known
}

// replayMethod says in words what the figures are.
var replayMethod = []string{
	"Every decision was made again from what was known when it was made; the calls that came out the same were then decided under the change.",
	"At another model a call is priced by the tokens it used, scaled by the ratio of the tokens that the two models were expected to take and give at that time; calls that were not completed, or have no known price, are left out of the costs.",
	"Intervals hold 90 %, by a normal approximation over the calls and over the estimates of single calls. An error that all estimates of a model share, as of its answers' length before it was used much, is not in them.",
	"Latency and quality are the router's expectations, not measurements under the change. A call keeps the model that it names and the limits that it set itself; the hard limits of its strategy go with the strategy, unless they are kept, and beyond_limits counts the calls that these would have stopped. Feedback is not modelled: load, health and caches stay as they were.",
}

// budgetMethod says how budgets are simulated.
const budgetMethod = "Budgets begin with nothing spent and see the calls in the order in which they ended, each charged what it would have cost; what calls under way hold beside one another, and what callers refused would have done, is not modelled."

// moments add up a difference per call.
type moments struct {
	n            int64
	sum, squares float64
	doubt        float64 // Σ of the variances of single values
}

func (m *moments) add(x, doubt float64) {
	m.n++
	m.sum += x
	m.squares += x * x
	m.doubt += doubt * doubt
}

func (m *moments) merge(o *moments) {
	m.n, m.sum, m.squares, m.doubt = m.n+o.n, m.sum+o.sum, m.squares+o.squares, m.doubt+o.doubt
}

// total is the interval of the sum, mean that of the mean; scaled by unit.
func (m *moments) total(unit float64) Interval {
	out := Interval{Value: m.sum * unit, Calls: m.n}
	n := float64(m.n)
	variance := m.doubt
	if m.n > 1 {
		variance += n * max(m.squares-m.sum*m.sum/n, 0) / (n - 1)
	}
	half := z90 * math.Sqrt(variance) * unit
	out.Low, out.High = out.Value-half, out.Value+half
	return out
}

func (m *moments) mean() *Interval {
	if m.n == 0 {
		return nil
	}
	out := m.total(1 / float64(m.n))
	return &out
}

// sums add up one group.
type sums struct {
	calls, changed, refused, admitted, beyond, priced int64
	cost, would                                       model.Money
	saved, latency, quality                           moments
}

func (s *sums) add(c *compared) {
	s.calls++
	if c.changed {
		s.changed++
	}
	if c.beyond {
		s.beyond++
	}
	switch {
	case c.first == nil && c.other != nil:
		s.admitted++
	case c.first != nil && c.other == nil:
		s.refused++
	case c.first != nil:
		if a, b := c.first.Terms.Latency, c.other.Terms.Latency; a.Known && b.Known {
			s.latency.add(b.Value-a.Value, 0)
		}
		if a, b := c.first.Terms.Quality, c.other.Terms.Quality; a.Known && b.Known {
			s.quality.add(b.Value-a.Value, 0)
		}
	}
	if c.priced {
		s.priced++
		s.cost += c.was
		s.would += c.would
		s.saved.add(float64(c.was-c.would), c.doubt)
	}
}

func (s *sums) merge(o *sums) {
	s.calls, s.changed, s.refused, s.admitted = s.calls+o.calls, s.changed+o.changed, s.refused+o.refused, s.admitted+o.admitted
	s.beyond += o.beyond
	s.priced, s.cost, s.would = s.priced+o.priced, s.cost+o.cost, s.would+o.would
	s.saved.merge(&o.saved)
	s.latency.merge(&o.latency)
	s.quality.merge(&o.quality)
}

func (s *sums) comparison(key string) Comparison {
	return Comparison{
		Key: key, Calls: s.calls, Changed: s.changed, Refused: s.refused, Admitted: s.admitted, Beyond: s.beyond, Priced: s.priced,
		Cost: s.cost, Would: s.would, Saved: s.saved.total(1e-9), Latency: s.latency.mean(), Quality: s.quality.mean(),
	}
}

// totals are what one worker has added up.
type totals struct {
	ReplayReport
	query  *ReplayQuery
	all    sums
	groups map[string]*sums
}

func newTotals(q *ReplayQuery) *totals { return &totals{query: q, groups: map[string]*sums{}} }

func (t *totals) group(key string) *sums {
	s := t.groups[key]
	if s == nil {
		s = new(sums)
		t.groups[key] = s
	}
	return s
}

// found counts a call.
func (t *totals) found(c *stored) {
	t.Calls++
	if c.rec.State == model.StatePlanned {
		t.Decisions++
	}
}

func (t *totals) add(c compared) {
	t.all.add(&c)
	if t.query.By != "" {
		t.group(t.query.By.key(&c)).add(&c)
	}
	if !c.changed || t.query.Changes == 0 {
		return
	}
	change := ReplayChange{ID: c.rec.ID, Ended: c.ended}
	if c.first != nil {
		change.Was = c.first.Endpoint
	}
	if c.other != nil {
		change.Would = c.other.Endpoint
	}
	if c.priced {
		saved := c.was - c.would
		change.Saved = &saved
	}
	t.Changes = append(t.Changes, change)
	if len(t.Changes) >= 4*maxChanges {
		t.cut()
	}
}

// cut keeps the calls whose change weighs most.
func (t *totals) cut() {
	weight := func(c *ReplayChange) model.Money {
		if c.Saved == nil {
			return -1
		}
		return max(*c.Saved, -*c.Saved)
	}
	slices.SortFunc(t.Changes, func(a, b ReplayChange) int {
		return cmp.Or(cmp.Compare(weight(&b), weight(&a)), slices.Compare(a.ID[:], b.ID[:]))
	})
	t.Changes = t.Changes[:min(len(t.Changes), t.query.Changes)]
}

// differs notes a decision that did not come out as it had.
func (t *totals) differs(c *stored, again *model.Plan) {
	t.Different++
	if len(t.Mismatches) >= maxMismatches {
		return
	}
	m := Mismatch{ID: c.rec.ID, Was: []string{}, Again: []string{}}
	for _, at := range c.trace.Attempts {
		if int(at) < len(c.fleet.Served) {
			m.Was = append(m.Was, string(c.fleet.Served[at].ID))
		}
	}
	if again != nil {
		for _, a := range again.Attempts {
			m.Again = append(m.Again, string(again.Candidates[a.Candidate].Endpoint))
		}
	}
	t.Mismatches = append(t.Mismatches, m)
}

func (t *totals) merge(o *totals) {
	t.Calls, t.Identical, t.Different = t.Calls+o.Calls, t.Identical+o.Identical, t.Different+o.Different
	t.Decisions += o.Decisions
	t.Untraced, t.Partial = t.Untraced+o.Untraced, t.Partial+o.Partial
	t.Mismatches = append(t.Mismatches, o.Mismatches...)
	t.Changes = append(t.Changes, o.Changes...)
	t.all.merge(&o.all)
	for key, s := range o.groups {
		t.group(key).merge(s)
	}
}

func (t *totals) report(q *ReplayQuery) *ReplayReport {
	slices.SortFunc(t.Mismatches, func(a, b Mismatch) int { return slices.Compare(a.ID[:], b.ID[:]) })
	t.Mismatches = t.Mismatches[:min(len(t.Mismatches), maxMismatches)]
	if q.Change.none() {
		return &t.ReplayReport
	}
	total := t.all.comparison("")
	t.Total, t.Method = &total, replayMethod
	if q.Change.Budgets != nil {
		t.Method = append(slices.Clone(replayMethod), budgetMethod)
	}
	for key, s := range t.groups {
		t.Groups = append(t.Groups, s.comparison(key))
	}
	slices.SortFunc(t.Groups, func(a, b Comparison) int {
		return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(a.Key, b.Key))
	})
	t.cut()
	return &t.ReplayReport
}

// key is the group of a call.
func (by ReplayBy) key(c *compared) string {
	r := c.rec
	switch by {
	case ReplayByStrategy:
		return c.strategy
	case ReplayByModel:
		return string(r.Model)
	case ReplayByEndpoint:
		return string(r.Endpoint)
	case ReplayByTask:
		return r.Task.String()
	case ReplayByUser:
		return userOf(r)
	case ReplayByTeam:
		return r.Caller.Team
	case ReplayByProject:
		return r.Caller.Project
	case ReplayByStage:
		return r.Context.Stage
	}
	return ""
}
