package budget

import (
	"fmt"
	"slices"

	"github.com/cartrita/cartrita/model"
)

// awayKey names a counter that no budget in force has: one comes back only to a
// budget that counts by the same calendar and the same dimensions.
type awayKey struct {
	id model.BudgetID
	by string
}

func (s *state) awayKey(id model.BudgetID) awayKey {
	c := &s.calendar
	return awayKey{id, fmt.Sprint(c.every, c.width, c.zone, s.stars)}
}

// goAway takes a counter out of force. Calls that are under way still hold and
// settle in it, so that it is right should the budget come back, as after a
// mistaken change of the configuration. Caller holds the write lock.
func (l *Ledger) goAway(in *instance) {
	in.setLevel(0)
	in.away = true
	in.win.share.granted = amounts{} // a counter of the same name may hold it now
	l.lease(in)
	l.away[in.state.awayKey(in.id)] = in
	delete(l.insts, in.id)
}

// comeBack returns the counter that went away; nil when there is none. Caller
// holds the write lock.
func (l *Ledger) comeBack(id model.BudgetID, s *state, now int64) *instance {
	k := s.awayKey(id)
	in := l.away[k]
	if in == nil {
		return nil
	}
	delete(l.away, k)
	in.away = false
	l.insts[id] = in
	l.fit(in, s, now)
	return in
}

// fit gives a counter to the budget that has its name now. Caller holds the
// write lock.
func (l *Ledger) fit(in *instance, s *state, now int64) {
	in.fired = carried(in.state.marks, s.marks, in.fired)
	if !slices.EqualFunc(in.state.marks, s.marks, func(a, b mark) bool { return a.same(&b) }) {
		in.level.Store(0)
	}
	in.state = s
	for d, v := range s.scope {
		if !slices.Contains(s.stars, d) {
			in.values[d] = v
		}
	}
	l.refresh(in, now)
}

// forget drops counters that went away and whose period is over. Caller holds
// the write lock.
func (l *Ledger) forget(now int64) {
	if len(l.away) == 0 {
		return
	}
	held := l.heldNow()
	for k, in := range l.away {
		if _, holds := held[in.win]; holds || now < in.win.end {
			continue
		}
		if in.state.calendar.rolling() {
			if l.refresh(in, now); in.spent() != (Quantities{}) {
				continue
			}
		}
		l.close(in.win)
		delete(l.away, k)
	}
}
