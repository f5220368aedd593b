package budget

import (
	"cmp"
	"slices"
	"time"

	"github.com/cartrita/cartrita/model"
)

// mark is a share of the limit at which something happens: a threshold is
// reported, a step comes into force.
type mark struct {
	at   float64
	name string // warning, critical, hard_stop; "ladder" for a step
	step *Step
}

// Crossing is a mark that was passed.
type Crossing struct {
	Budget    model.BudgetID `json:"budget"`
	Name      string         `json:"name"`      // of the configured budget
	Threshold string         `json:"threshold"` // warning, critical, hard_stop, or ladder for a step
	Action    Action         `json:"action,omitempty"`
	At        float64        `json:"at"`
	Used      float64        `json:"used"` // share of the limit that is spent
	Spent     Quantities     `json:"spent"`
	Period    time.Time      `json:"period"`
	ResetsAt  *time.Time     `json:"resets_at,omitempty"` // nil: never, or when a rolling window moves on
}

// marksOf orders the thresholds and steps of a budget by their shares.
func marksOf(b *Budget) []mark {
	marks := []mark{
		{at: b.Thresholds.Warning, name: "warning"}, {at: b.Thresholds.Critical, name: "critical"},
		{at: b.Thresholds.HardStop, name: "hard_stop"},
	}
	for i := range b.Ladder {
		marks = append(marks, mark{at: b.Ladder[i].At, name: "ladder", step: &b.Ladder[i]})
	}
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.at, b.at) })
	return marks
}

// passed reports whether any limited unit has reached the amount.
func (in *instance) passed(at *[units]int64) bool {
	for u := range units {
		if in.terms.limited[u] && in.win.spent[u].Load() >= at[u] {
			return true
		}
	}
	return false
}

// want is the level that the counters ask for, starting from the present one.
func (in *instance) want() int {
	n := min(int(in.level.Load()), len(in.terms.marks))
	for n < len(in.terms.marks) && in.passed(&in.terms.marks[n]) {
		n++
	}
	for n > 0 && !in.passed(&in.terms.leave[n-1]) {
		n--
	}
	return n
}

// due reports that the level is not what it should be.
func (in *instance) due() bool { return !in.away && in.want() != int(in.level.Load()) }

func (in *instance) refuses() bool {
	return in.state.refuseAt >= 0 && int(in.level.Load()) > in.state.refuseAt
}

// setLevel moves the level and keeps the list by which View finds it.
func (in *instance) setLevel(n int) {
	in.level.Store(int32(n))
	s := in.state
	if !s.targeted {
		return
	}
	s.hotMu.Lock()
	defer s.hotMu.Unlock()
	var hot []*instance
	if p := s.hot.Load(); p != nil {
		hot = slices.DeleteFunc(slices.Clone(*p), func(o *instance) bool { return o == in })
	}
	if n > 0 {
		hot = append(hot, in)
	}
	s.hot.Store(&hot)
}

// settleLevels brings levels up to the counters; what was crossed is reported
// by relevel. Caller holds the write lock.
func settleLevels(ins []*instance) {
	for _, in := range ins {
		if n := in.want(); n != int(in.level.Load()) || in.state.targeted {
			in.setLevel(n)
		}
	}
}

// relevel brings levels up to the counters and reports what was crossed, each
// mark once in a calendar period, and in a rolling window once until it is left.
func (l *Ledger) relevel(ins []*instance) {
	if len(ins) == 0 {
		return
	}
	var crossed []Crossing
	l.crossing.Lock()
	l.mu.RLock()
	for _, in := range ins {
		crossed = in.cross(crossed)
	}
	l.mu.RUnlock()
	l.crossing.Unlock()
	for _, c := range crossed {
		l.cfg.OnCross(c)
	}
}

// cross moves one instance. Caller holds Ledger.crossing and the read lock.
func (in *instance) cross(dst []Crossing) []Crossing {
	if in.away {
		return dst
	}
	n := in.want()
	if n != int(in.level.Load()) {
		in.setLevel(n)
	}
	rolling := in.state.calendar.rolling()
	if !rolling && in.era != in.win.start {
		in.era, in.fired = in.win.start, 0
	}
	for i, m := range in.state.marks {
		bit := uint64(1) << i // at most 3 + 32 marks
		switch {
		case i >= n && rolling:
			in.fired &^= bit
		case i < n && in.fired&bit == 0:
			in.fired |= bit
			c := Crossing{
				Budget: in.id, Name: in.state.Name, Threshold: m.name, At: m.at,
				Used: in.share(), Spent: in.spent(), Period: in.period(), ResetsAt: in.resets(),
			}
			if m.step != nil {
				c.Action = m.step.Action
			}
			dst = append(dst, c)
		}
	}
	return dst
}

// carried says which of the marks after a reload were reported before it.
func carried(before, after []mark, fired uint64) (out uint64) {
	for i := range after {
		for j := range before {
			if fired&(1<<j) != 0 && after[i].same(&before[j]) {
				out |= 1 << i
			}
		}
	}
	return out
}

func (m *mark) same(o *mark) bool {
	return m.at == o.at && m.name == o.name && (m.step == nil || *m.step == *o.step)
}

// reported marks what is passed as reported. Caller holds the write lock.
func (in *instance) reported() {
	in.era = in.win.start
	for i := range in.want() {
		in.fired |= 1 << i
	}
}

// share is the largest share of a limit that is spent; 1 of a limit of 0.
func (in *instance) share() float64 {
	most := 0.0
	for u := range units {
		if !in.terms.limited[u] {
			continue
		}
		if in.terms.limit[u] == 0 {
			return 1
		}
		most = max(most, float64(in.win.spent[u].Load())/float64(in.terms.limit[u]))
	}
	return most
}

func (in *instance) spent() Quantities {
	var a amounts
	for u := range units {
		a[u] = in.win.spent[u].Load()
	}
	return a.quantities()
}

// resets is when the period ends; nil for total and for rolling windows.
func (in *instance) resets() *time.Time {
	if in.state.calendar.rolling() || in.win.end == never {
		return nil
	}
	t := instant(in.win.end)
	return &t
}
