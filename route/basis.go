package route

import (
	"cmp"
	"slices"

	"github.com/cartrita/cartrita/model"
)

// The endpoints of a large registry that a trace keeps, beside those that the
// plan lists.
const (
	basisAll   = 48 // up to so many, all are kept
	basisBest  = 32 // by score
	basisCheap = 16 // by expected cost
)

// basis is memory for choosing what a trace keeps.
type basis struct {
	at    []int32
	best  topList
	cheap topList
}

// choose returns the positions, rising, of the endpoints whose figures suffice
// to make the decision again, and whether others were left out that a decision
// under other rules might have chosen.
//
// Scores do not depend on the other candidates, so the endpoints that the plan
// lists, those that were compared to spread the load, and the best by score
// give the same leader, the same spread and the same order as all of them.
// What the caller's key does not allow, does not do the task, is not active or
// has no credentials could serve under no rules and is never kept.
func (s *Scratch) choose(in *Input, p *model.Plan) (list []int32, partial bool) {
	b := &s.basis
	b.at = b.at[:0]
	for i := range s.marks {
		if s.marks[i].mayServe() {
			b.at = append(b.at, int32(i))
		}
	}
	if len(b.at) <= basisAll {
		return b.at, false
	}
	b.best.reset(basisBest)
	b.cheap.reset(basisCheap)
	for k := range s.eligible {
		e := &s.eligible[k]
		b.best.offer(e.at, e.score)
		if est := &in.Estimates[e.at]; est.Priced {
			b.cheap.offer(e.at, -float64(est.Expected))
		}
	}
	b.at = b.best.positions(b.cheap.positions(b.at[:0]))
	for _, at := range s.picks {
		if at >= 0 {
			b.at = append(b.at, at)
		}
	}
	if p != nil {
		for i := range p.Candidates {
			b.at = append(b.at, int32(p.Candidates[i].Index))
		}
	}
	slices.Sort(b.at)
	b.at = slices.Compact(b.at)
	return b.at, true
}

// mayServe reports whether the endpoint was looked at and could serve calls of
// the task under some rules: the filters up to that for credentials are on what
// no rule changes.
func (m *mark) mayServe() bool { return m.group != groupNone && m.filter > model.FilterCredentials }

// topList keeps the n highest that it was offered.
type topList struct {
	list []ranked
	n    int
}

type ranked struct {
	at    int32
	value float64
}

func (l *topList) reset(n int) { l.list, l.n = l.list[:0], n }

func (l *topList) offer(at int32, value float64) {
	if len(l.list) == l.n && value <= l.list[l.n-1].value {
		return
	}
	k, _ := slices.BinarySearchFunc(l.list, value, func(r ranked, v float64) int { return cmp.Compare(v, r.value) })
	if len(l.list) < l.n {
		l.list = append(l.list, ranked{})
	}
	copy(l.list[k+1:], l.list[k:])
	l.list[k] = ranked{at, value}
}

func (l *topList) positions(to []int32) []int32 {
	for _, r := range l.list {
		to = append(to, r.at)
	}
	return to
}
