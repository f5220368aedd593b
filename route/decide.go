package route

import (
	"slices"

	"github.com/cartrita/cartrita/model"
)

// decision is the working state of one Decide.
type decision struct {
	in       *Input
	mem      *Scratch
	strategy *Strategy
	criteria *model.Criteria
	weights  model.Weights
	bounds   bounds
	priority model.Priority
	attempts int // Input.MaxAttempts with its default
	anyModel bool
	// anyLength holds every prompt to fit, to see what else excludes an endpoint.
	anyLength bool

	served    []model.Served
	facts     []fact
	health    []model.Health // those of the Input, or unknowns as many
	estimates []model.Estimate

	marks    []mark          // by position in Served
	eligible []scored        // endpoints that passed, each once
	counts   [passed + 1]int // endpoints by verdict
}

// Scratch is memory that one decision after another may work in, to save
// allocations; it carries nothing between them. Not for concurrent use.
type Scratch struct {
	marks    []mark
	eligible []scored
	listed   []scored
	next     []scored
	picks    [2]int32 // the near equals that were picked to be compared; -1 none
	basis    basis
}

// mark is the verdict on one endpoint. The zero mark is an endpoint that was
// not looked at: model.FilterName.
type mark struct {
	filter model.Filter
	group  uint8 // see scored; groupNone before it is looked at
}

// scored is an eligible endpoint.
type scored struct {
	score float64
	at    int32 // position in Served
	group uint8
	rank  uint8 // place in the fallback order
}

// The groups: of a call that names a model, its endpoints and then each name of
// its chain; otherwise all endpoints are in the first.
const (
	groupNone  = 0
	groupFirst = 1
	groupMax   = 200 // longer chains share it
)

// Decide chooses the endpoints that may serve a call, in order.
//
// Errors: KindInvalid (a weight or limit that makes no sense, with its field),
// KindNoCandidate (every endpoint was excluded by a condition of the call;
// Details is a *NoCandidate), KindContextLength (a larger context is all that
// some of them lack; Details likewise), KindUnavailable or KindRateLimited (endpoints
// meet the conditions but take no calls now; RetryAfter says until when),
// KindTimeout (the deadline has passed already).
func Decide(in *Input) (*model.Plan, error) {
	mem := in.Scratch
	if mem == nil {
		mem = &Scratch{}
	}
	d := decision{
		in: in, mem: mem, strategy: in.Strategy, criteria: in.Criteria,
		served: in.Served, health: in.Health, estimates: in.Estimates,
	}
	if err := d.prepare(); err != nil {
		return nil, err
	}
	d.marks = slices.Grow(mem.marks[:0], len(in.Served))[:len(in.Served)]
	clear(d.marks)
	d.eligible, mem.picks = mem.eligible[:0], [2]int32{-1, -1}
	if d.anyModel {
		d.eligible = slices.Grow(d.eligible, len(in.Served))
		d.lookAtAll()
	} else {
		d.lookAtNamed()
	}
	mem.marks, mem.eligible = d.marks, d.eligible
	if len(d.eligible) == 0 {
		return nil, d.refusal()
	}
	return d.plan(), nil
}

func (d *decision) prepare() (err error) {
	const op = "route.Decide"
	in := d.in
	if d.strategy == nil {
		d.strategy = &BuiltIn()[0]
	}
	if d.criteria == nil {
		d.criteria = &model.Criteria{}
	}
	n := len(in.Served)
	if in.Health != nil && len(in.Health) != n || in.Estimates != nil && len(in.Estimates) != n {
		return model.Errorf(op, model.KindInternal, "%d endpoints, %d health views, %d estimates: want as many of each",
			n, len(in.Health), len(in.Estimates))
	}
	if in.Allowed != nil && len(in.Allowed) != n {
		return model.Errorf(op, model.KindInternal, "%d endpoints, %d verdicts of a key: want as many", n, len(in.Allowed))
	}
	table := in.Table
	if table == nil {
		table = NewTable(in.Served)
	}
	if d.facts = table.facts; len(d.facts) != n {
		return model.Errorf(op, model.KindInternal, "a table of %d endpoints for %d endpoints", len(d.facts), n)
	}
	if d.health == nil {
		d.health = make([]model.Health, n)
	}
	if d.estimates == nil {
		d.estimates = make([]model.Estimate, n)
	}
	if d.weights, err = Normalise(d.strategy, d.criteria); err != nil {
		return err
	}
	if err = checkCriteria(d.criteria); err != nil {
		return err
	}
	d.bounds = newBounds(in, d.strategy, d.criteria)
	if d.bounds.remaining <= 0 {
		return model.Errorf(op, model.KindTimeout, "the deadline of %d ms passed before the call could be sent",
			*d.criteria.Context.DeadlineMS)
	}
	d.priority = d.criteria.Context.Priority
	d.anyModel = in.Named == nil
	if d.attempts = in.MaxAttempts; d.attempts <= 0 {
		d.attempts = DefaultMaxAttempts
	}
	return nil
}

func (d *decision) lookAtAll() {
	if d.in.Only != nil {
		for _, i := range d.in.Only {
			d.look(i, groupFirst, false)
		}
		return
	}
	for i := range d.served {
		d.look(int32(i), groupFirst, false)
	}
}

// lookAtNamed looks at the endpoints of the named model and of its chain only;
// the others are not even excluded.
func (d *decision) lookAtNamed() {
	safest := model.RiskUnknown
	for _, at := range d.in.Named {
		d.lookNamed(at, groupFirst, true)
		safest = stricter(safest, d.facts[at].risk)
	}
	if d.strategy.Fallback.scope() == ScopeAny {
		if d.strategy.Fallback.NoLessSafe {
			d.bounds.maxRisk = stricter(d.bounds.maxRisk, safest)
		}
		for p, name := range d.in.Chain {
			for _, at := range name {
				d.lookNamed(at, uint8(min(groupFirst+1+p, groupMax)), false)
			}
		}
	}
}

func (d *decision) lookNamed(at int32, group uint8, named bool) {
	if d.in.Only != nil {
		if _, known := slices.BinarySearch(d.in.Only, at); !known {
			return
		}
	}
	d.look(at, group, named)
}

// look judges one endpoint, once.
func (d *decision) look(at int32, group uint8, named bool) {
	m := &d.marks[at]
	if m.group != groupNone {
		return
	}
	m.group = group
	m.filter = d.filter(int(at), named)
	d.counts[m.filter]++
	if m.filter == passed {
		d.eligible = append(d.eligible, scored{at: at, group: group})
	}
}

// plan writes the decision down. There is at least one eligible endpoint.
func (d *decision) plan() *model.Plan {
	for k := range d.eligible { // a loop of its own: nothing in it branches on a score
		d.eligible[k].score = d.score(int(d.eligible[k].at))
	}
	lead := d.leader()
	first := d.spread(lead)
	score := d.eligible[first].score
	kept, rival := d.arrange(first)

	p := &model.Plan{
		Strategy: d.strategy.Name, Weights: d.weights, Seed: d.in.Seed, Snapshot: d.in.Snapshot,
		Considered: d.considered(), Eligible: len(d.eligible), Excluded: d.exclusions(), Spread: first != lead,
		Candidates: make([]model.Candidate, len(kept)),
	}
	attempts := 0
	for i := range kept {
		p.Candidates[i] = d.candidate(&kept[i])
		if kept[i].rank != rankNone {
			attempts++
		}
	}
	p.Attempts = order(kept, attempts)
	terms := &p.First().Terms
	p.Confidence = coverage(&d.weights, terms) * decisiveness(score, rival)
	return p
}

func (d *decision) candidate(e *scored) model.Candidate {
	i := int(e.at)
	s := &d.served[i]
	return model.Candidate{
		Endpoint: s.ID, Model: s.Endpoint.Model, Score: e.score, Terms: d.terms(i),
		Load: d.load(i), Estimate: d.estimates[i], Index: i,
	}
}

// decisiveness is how clearly the choice leads the best other model; rival is
// negative when there is none.
func decisiveness(score, rival float64) float64 {
	if rival < 0 {
		return 1
	}
	return 0.5 + 0.5*min(max(score-rival, 0)/clearLead, 1)
}

// considered is the number of endpoints that were looked at.
func (d *decision) considered() (n int) {
	for _, of := range d.counts {
		n += of
	}
	return n
}

// exclusions lists what was excluded, those that came furthest first.
func (d *decision) exclusions() []model.Exclusion {
	n := d.considered() - d.counts[passed]
	if d.in.Keep > 0 {
		n = min(n, d.in.Keep)
	}
	// One pass: the counts by filter say where each filter's entries begin.
	var next [passed + 1]int
	for f := int(passed) - 1; f > 0; f-- {
		next[f-1] = next[f] + d.counts[f]
	}
	out := make([]model.Exclusion, n)
	for i, m := range d.marks {
		if m.filter == passed || m.group == groupNone {
			continue
		}
		if at := next[m.filter]; at < n {
			out[at] = d.exclusion(i, m.filter, !d.anyModel && m.group == groupFirst)
			next[m.filter]++
		}
	}
	return out
}
