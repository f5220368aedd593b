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
func (d *decision) better(a, b *scored) int {
	if a.score != b.score {
		return cmp.Compare(b.score, a.score)
	}
	return strings.Compare(string(d.served[a.at].ID), string(d.served[b.at].ID))
}

// spread returns the near equal of the leader that goes first instead of it,
// for its lower load, or the leader.
func (d *decision) spread(lead int) int {
	l := d.eligible[lead]
	load := d.load(int(l.at))
	if load == 0 {
		return lead
	}
	rival := -1
	if d.priority >= model.PriorityHigh {
		rival = d.leastLoaded(lead)
	} else {
		rival = d.twoChoices(lead)
	}
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
	return d.lighter(a, b)
}

// lighter returns the less loaded of two positions, the better one if equal;
// negative positions are none.
func (d *decision) lighter(a, b int) int {
	if a < 0 || b < 0 {
		return max(a, b)
	}
	ea, eb := &d.eligible[a], &d.eligible[b]
	if c := cmp.Compare(d.load(int(ea.at)), d.load(int(eb.at))); c < 0 || c == 0 && d.better(ea, eb) < 0 {
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

// rankFrom ranks the eligible endpoints for the order that starts with first.
// It returns the best score of another model, -1 when none competes.
func (d *decision) rankFrom(first int) (rival float64) {
	rival = -1
	f := d.eligible[first]
	scope := d.strategy.Fallback.scope()
	if d.anyModel && scope == ScopeAny && d.in.ChainOf != nil {
		d.markChain(d.in.ChainOf(int(f.at)))
	}
	chosen := d.served[f.at].Model
	for k := range d.eligible {
		e := &d.eligible[k]
		m := d.served[e.at].Model
		same := sameModel(m, chosen)
		if d.anyModel && !same {
			rival = max(rival, e.score)
		}
		switch {
		case k == first:
			e.rank = rankFirst
		case scope == ScopeNone, d.strategy.Fallback.NoLessSafe && riskier(m.Risk, chosen.Risk):
			e.rank = rankNone
		case d.anyModel && same, !d.anyModel && e.group == groupFirst:
			e.rank = rankSame
		case scope == ScopeSameModel:
			e.rank = rankNone
		case !d.anyModel:
			e.rank = rankChain + e.group - groupFirst - 1
		default:
			if e.rank = rankNext; d.marks[e.at].group > groupFirst {
				e.rank = rankChain + d.marks[e.at].group - groupFirst - 1
			}
		}
	}
	return rival
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

// sameModel reports whether two records are the same weights.
func sameModel(a, b *model.Model) bool {
	if a == b {
		return true
	}
	if a.Canonical == "" || b.Canonical == "" {
		return a.ID == b.ID
	}
	return a.Canonical == b.Canonical
}

// riskier reports whether risk a is above b; unknown is above critical.
func riskier(a, b model.Risk) bool { return a-1 > b-1 } // unknown, 0, wraps to the highest

// kept returns the candidates that the plan lists, by falling score: the best
// Input.Keep and the first attempts.
func (d *decision) kept() []scored {
	keep := d.in.Keep
	if keep <= 0 || keep >= len(d.eligible) {
		slices.SortFunc(d.eligible, func(a, b scored) int { return d.better(&a, &b) })
		return d.eligible
	}
	list := d.best(make([]scored, 0, keep+d.attempts), keep, false)
	var few [8]scored
	for _, e := range d.best(few[:0], d.attempts, true) {
		if e.rank != rankNone && !slices.ContainsFunc(list, func(x scored) bool { return x.at == e.at }) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b scored) int { return d.better(&a, &b) })
	return list
}

// best appends the n best eligible endpoints to dst, by rank first if ranked.
func (d *decision) best(dst []scored, n int, ranked bool) []scored {
	for k := range d.eligible {
		e := d.eligible[k]
		if ranked && e.rank == rankNone {
			continue
		}
		if len(dst) == n {
			last := &dst[n-1]
			if ranked && e.rank > last.rank || (!ranked || e.rank == last.rank) && e.score < last.score {
				continue
			}
		}
		at := len(dst)
		for at > 0 && d.before(&e, &dst[at-1], ranked) {
			at--
		}
		if at == n {
			continue
		}
		if len(dst) < n {
			dst = append(dst, e)
		}
		copy(dst[at+1:], dst[at:])
		dst[at] = e
	}
	return dst
}

func (d *decision) before(a, b *scored, ranked bool) bool {
	if ranked && a.rank != b.rank {
		return a.rank < b.rank
	}
	return d.better(a, b) < 0
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
