package budget

import (
	"encoding/binary"
	"slices"
)

// resolved is which counters a caller, or a caller with a target, falls under.
// Immutable; the counters are not.
type resolved struct {
	insts    []*instance
	targeted []*state // of a caller without a target: budgets by model or provider that match otherwise
}

// key names what of a call the budgets look at. Nothing is allocated when dst
// has room. Every value carries its length, so that no two callers share a key,
// whatever their names contain. Caller holds the lock.
func (l *Ledger) key(dst []byte, s *Subject, t *Target) []byte {
	part := func(d int, v string) {
		if l.uses[d] {
			dst = append(binary.AppendUvarint(dst, uint64(len(v))), v...)
		}
	}
	part(dimKey, string(s.Key))
	part(dimUser, s.User)
	part(dimTeam, s.Team)
	part(dimProject, s.Project)
	part(dimWorkflow, s.Workflow)
	if l.uses[dimTag] {
		dst = binary.AppendUvarint(dst, uint64(len(s.Tags)))
		for _, tag := range s.Tags {
			part(dimTag, tag)
		}
	}
	if t == nil {
		return append(dst, 'c')
	}
	dst = append(dst, 't')
	part(dimModel, string(t.Model))
	part(dimProvider, t.Provider)
	return dst
}

// resolve finds the counters, making those that are missing. Caller holds the
// write lock.
func (l *Ledger) resolve(s *Subject, t *Target, now int64) *resolved {
	key := l.key(nil, s, t)
	if r := l.resolved[string(key)]; r != nil {
		return r
	}
	if len(l.insts) >= l.pruneAt {
		l.prune(now)
		l.pruneAt = max(minPrune, 2*len(l.insts))
	}
	r := &resolved{}
	for _, b := range l.budgets {
		if t == nil && b.targeted {
			if _, ok := b.match(s, nil, ""); ok || b.scope[dimTag] == Any && len(s.Tags) > 0 {
				r.targeted = append(r.targeted, b)
			}
			continue
		}
		if b.scope[dimTag] != Any {
			if values, ok := b.match(s, t, ""); ok {
				r.insts = append(r.insts, l.instance(b, values, now))
			}
			continue
		}
		for _, tag := range s.Tags {
			if values, ok := b.match(s, t, tag); ok {
				if in := l.instance(b, values, now); !slices.Contains(r.insts, in) { // a tag may stand twice
					r.insts = append(r.insts, in)
				}
			}
		}
	}
	if len(l.resolved) >= maxSubjects {
		clear(l.resolved)
	}
	l.resolved[string(key)] = r
	return r
}

// prune drops the counters of single values whose period is over and that hold
// nothing: one that is made anew says the same. Those of the period total stay.
// Caller holds the write lock.
func (l *Ledger) prune(now int64) {
	held := l.journal.held()
	for id, in := range l.insts {
		if _, holds := held[in.win]; holds || len(in.state.stars) == 0 || now < in.win.end {
			continue
		}
		if l.refresh(in, now); in.spent() != (Quantities{}) {
			continue // still in a rolling window
		}
		in.setLevel(0) // View forgets it
		delete(l.insts, id)
	}
	clear(l.resolved)
}

// match reports whether a call falls under a budget and by which values. tag
// is the one that stands for "*". Without a target model and provider are not
// looked at.
func (b *state) match(s *Subject, t *Target, tag string) (values [dims]string, ok bool) {
	have := [dims]string{string(s.Key), s.User, s.Team, s.Project, s.Workflow, tag}
	last := dimTag
	if t != nil {
		have[dimModel], have[dimProvider] = string(t.Model), t.Provider
		last = dimProvider
	}
	for d := 0; d <= last; d++ {
		switch want := b.scope[d]; {
		case want == "":
			continue
		case d == dimTag && want != Any:
			if !s.hasTag(want) {
				return values, false
			}
			values[d] = want
			continue
		case have[d] == "", want != Any && want != have[d]:
			return values, false
		}
		values[d] = have[d]
	}
	return values, true
}

func (s *Subject) hasTag(tag string) bool {
	for _, t := range s.Tags {
		if t == tag {
			return true
		}
	}
	return false
}

// covers reports whether a caller falls under the values of a counter, its
// model and provider aside.
func (in *instance) covers(s *Subject) bool {
	have := [dims]string{string(s.Key), s.User, s.Team, s.Project, s.Workflow}
	for d := range dimTag {
		if in.values[d] != "" && in.values[d] != have[d] {
			return false
		}
	}
	return in.values[dimTag] == "" || s.hasTag(in.values[dimTag])
}
