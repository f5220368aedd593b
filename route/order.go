package route

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// The ranks of the fallback order. The names of a chain take those from
// rankChain up.
const (
	rankNone  = 0 // a candidate that the rules keep from being an attempt
	rankFirst = 1
	rankSame  = 2
	rankChain = 3
	rankNext  = 255
)

// scope returns the scope with its default.
func (f Fallback) scope() Scope {
	if f.Scope == "" {
		return ScopeAny
	}
	return f.Scope
}

// better orders by falling score, then by id.
func (d *decision) better(a, b scored) int {
	if a.score != b.score {
		return cmp.Compare(b.score, a.score)
	}
	return strings.Compare(string(d.served[a.at].ID), string(d.served[b.at].ID))
}

// leader returns the best of the first group that has an eligible endpoint, as
// a position in d.eligible.
func (d *decision) leader() (lead int) {
	l := d.eligible[0]
	for k, e := range d.eligible {
		if e.group > l.group || e.group == l.group && e.score < l.score {
			continue
		}
		if e.group < l.group || d.better(e, l) < 0 {
			l, lead = e, k
		}
	}
	return lead
}

// spread returns the near equal of the leader that goes first instead of it,
// for its lower load, or the leader.
func (d *decision) spread(lead int) int {
	l := d.eligible[lead]
	load := d.load(int(l.at))
	if load == 0 {
		return lead
	}
	pick := d.twoChoices
	if d.priority >= model.PriorityHigh {
		pick = d.leastLoaded
	}
	rival := pick(lead)
	if rival >= 0 && d.load(int(d.eligible[rival].at)) < load {
		return rival
	}
	return lead
}

func (d *decision) nearEqual(k, lead int) bool {
	e, l := &d.eligible[k], &d.eligible[lead]
	return k != lead && e.group == l.group && e.score >= l.score-spreadEpsilon
}

func (d *decision) leastLoaded(lead int) int {
	least := -1
	for k := range d.eligible {
		if d.nearEqual(k, lead) {
			least = d.lighter(least, k)
		}
	}
	return least
}

// twoChoices picks two near equals by the smallest hashes of seed and id, which
// does not depend on their order, and returns the less loaded one.
func (d *decision) twoChoices(lead int) int {
	a, b := -1, -1
	var hashA, hashB uint64
	for k := range d.eligible {
		if !d.nearEqual(k, lead) {
			continue
		}
		h := hash(d.in.Seed, string(d.served[d.eligible[k].at].ID))
		switch {
		case a < 0 || h < hashA:
			a, b, hashA, hashB = k, a, h, hashA
		case b < 0 || h < hashB:
			b, hashB = k, h
		}
	}
	for i, k := range [2]int{a, b} {
		if k >= 0 {
			d.mem.picks[i] = d.eligible[k].at
		}
	}
	return d.lighter(a, b)
}

// lighter returns the less loaded of two positions, the better one if equal;
// negative positions are none.
func (d *decision) lighter(a, b int) int {
	if a < 0 || b < 0 {
		return max(a, b)
	}
	ea, eb := &d.eligible[a], &d.eligible[b]
	if c := cmp.Compare(d.load(int(ea.at)), d.load(int(eb.at))); c < 0 || c == 0 && d.better(*ea, *eb) < 0 {
		return a
	}
	return b
}

// hash mixes seed and id, eight bytes at a time. It is the same in every process.
func hash(seed uint64, id string) uint64 {
	const mul = 0x9e3779b97f4a7c15 // 2^64 / golden ratio
	h := seed ^ uint64(len(id))*mul
	for ; len(id) >= 8; id = id[8:] {
		w := uint64(id[0]) | uint64(id[1])<<8 | uint64(id[2])<<16 | uint64(id[3])<<24 |
			uint64(id[4])<<32 | uint64(id[5])<<40 | uint64(id[6])<<48 | uint64(id[7])<<56
		h = (h ^ w) * mul
		h ^= h >> 29
	}
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * mul
	}
	h ^= h >> 32
	h *= mul
	return h ^ h>>29
}

// arrange ranks the eligible endpoints for the order that starts with first.
// It returns those that the plan lists, by falling score (the best Input.Keep
// and the first attempts), and the best score of another model, -1 when none
// competes.
func (d *decision) arrange(first int) (kept []scored, rival float64) {
	r := d.ranking(first)
	keep := d.in.Keep
	if keep <= 0 || keep >= len(d.eligible) {
		for k := range d.eligible {
			d.rank(&d.eligible[k], &r)
		}
		slices.SortFunc(d.eligible, d.better)
		return d.eligible, r.rival
	}
	best := shortlist{list: d.mem.listed[:0], n: keep}
	next := shortlist{list: d.mem.next[:0], n: d.attempts, ranked: true}
	for k := range d.eligible {
		e := &d.eligible[k]
		d.rank(e, &r)
		if !best.beats(e) {
			best.insert(d, e)
		}
		if e.rank != rankNone && !next.beats(e) {
			next.insert(d, e)
		}
	}
	for _, e := range next.list {
		if !slices.ContainsFunc(best.list, func(x scored) bool { return x.at == e.at }) {
			best.list = append(best.list, e)
		}
	}
	slices.SortFunc(best.list, d.better)
	d.mem.listed, d.mem.next = best.list, next.list
	return best.list, r.rival
}

// ranking is what the rank of an endpoint depends on.
type ranking struct {
	first   int32 // position in Served
	weights int32 // of the choice
	risk    model.Risk
	scope   Scope
	noLess  bool // NoLessSafe
	rival   float64
}

func (d *decision) ranking(first int) ranking {
	f := &d.eligible[first]
	r := ranking{
		first: f.at, weights: d.facts[f.at].weights, risk: d.facts[f.at].risk, rival: -1,
		scope: d.strategy.Fallback.scope(), noLess: d.strategy.Fallback.NoLessSafe,
	}
	if d.anyModel && r.scope == ScopeAny && d.in.ChainOf != nil {
		d.markChain(d.in.ChainOf(int(f.at)))
	}
	return r
}

// rank sets the rank of e and notes the best score of another model.
func (d *decision) rank(e *scored, r *ranking) {
	f := &d.facts[e.at]
	same := e.group == groupFirst
	if d.anyModel {
		if same = f.weights == r.weights; !same && e.score > r.rival {
			r.rival = e.score
		}
	}
	switch {
	case e.at == r.first:
		e.rank = rankFirst
	case r.scope == ScopeNone, r.noLess && riskier(f.risk, r.risk):
		e.rank = rankNone
	case same:
		e.rank = rankSame
	case r.scope == ScopeSameModel:
		e.rank = rankNone
	default:
		group := e.group
		if d.anyModel {
			group = d.marks[e.at].group // its place in the chain, if it has one
		}
		if e.rank = rankNext; group > groupFirst {
			e.rank = rankChain + group - groupFirst - 1
		}
	}
}

// markChain notes for each eligible endpoint its place in the chain.
func (d *decision) markChain(chain [][]int32) {
	for p, name := range chain {
		for _, at := range name {
			if m := &d.marks[at]; m.filter == passed && m.group == groupFirst {
				m.group = uint8(min(groupFirst+1+p, groupMax))
			}
		}
	}
}

// riskier reports whether risk a is above b; unknown is above critical.
func riskier(a, b model.Risk) bool { return a-1 > b-1 } // unknown, 0, wraps to the highest

// shortlist keeps the n best endpoints that it was offered, by rank first if
// ranked.
type shortlist struct {
	list   []scored
	n      int
	ranked bool
}

// beats reports whether the list is full of better ones; a tie is left to insert.
func (l *shortlist) beats(e *scored) bool {
	if len(l.list) < l.n {
		return false
	}
	last := &l.list[l.n-1]
	if l.ranked && e.rank != last.rank {
		return e.rank > last.rank
	}
	return e.score < last.score
}

func (l *shortlist) insert(d *decision, e *scored) {
	at := len(l.list)
	for ; at > 0; at-- {
		x := &l.list[at-1]
		if l.ranked && x.rank != e.rank {
			if x.rank < e.rank {
				break
			}
		} else if d.better(*x, *e) < 0 {
			break
		}
	}
	if at == l.n {
		return
	}
	if len(l.list) < l.n {
		l.list = append(l.list, scored{})
	}
	copy(l.list[at+1:], l.list[at:])
	l.list[at] = *e
}

// order returns the n attempts among the kept candidates, which are sorted by
// score, in their fallback order.
func order(kept []scored, n int) []model.PlannedAttempt {
	out := make([]model.PlannedAttempt, 0, n)
	for i := range kept {
		if kept[i].rank != rankNone {
			out = append(out, model.PlannedAttempt{Candidate: i, Step: step(&kept[i])})
		}
	}
	slices.SortFunc(out, func(a, b model.PlannedAttempt) int {
		if c := cmp.Compare(kept[a.Candidate].rank, kept[b.Candidate].rank); c != 0 {
			return c
		}
		return cmp.Compare(a.Candidate, b.Candidate)
	})
	return out
}

// step names a rank. The first attempt of a named model without eligible
// endpoints is a step of its chain.
func step(e *scored) model.Step {
	switch {
	case e.rank == rankFirst && e.group == groupFirst:
		return model.StepBest
	case e.rank == rankSame:
		return model.StepSameModel
	case e.rank == rankNext:
		return model.StepNextBest
	}
	return model.StepChain
}
