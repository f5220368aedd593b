package alert

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// BudgetState is a budget's counter as it stands.
type BudgetState struct {
	ID       string
	Name     string
	Used     float64       // share of the limit that is spent
	LimitUSD float64       // 0: none in dollars
	Length   time.Duration // of its period; 0: it has no end
}

// Drift is what became of the measured quality of a model since some time.
type Drift struct {
	Model       string
	Before, Now float64 // the higher the better
}

// observation is what was measured of one subject.
type observation struct {
	subject string
	value   float64
}

// measured is what rules are measured over.
type measured struct {
	now     time.Time
	settled map[string][]Sample // by rule
	samples map[string][]Sample // likewise, the others
	budgets []BudgetState
	drifts  map[string][]Drift // by rule
}

// observe measures a rule. A subject of which nothing is known is left out.
func (m *measured) observe(r *Rule) []observation {
	var out []observation
	switch r.Type {
	case BudgetThreshold:
		for i := range m.budgets {
			if b := &m.budgets[i]; r.Scope.Budget == "" || b.Name == r.Scope.Budget {
				out = append(out, observation{b.ID, b.Used})
			}
		}
	case BenchmarkDrift:
		for _, d := range m.drifts[r.Name] {
			if (r.Scope.Model == "" || d.Model == r.Scope.Model) && d.Before > 0 {
				out = append(out, observation{d.Model, max(0, (d.Before-d.Now)/d.Before)})
			}
		}
	case SpoolDepth:
		out = m.latest(r)
	default:
		sums := m.window(r)
		for _, subject := range slices.Sorted(maps.Keys(sums)) {
			if v, known := m.value(r, subject, sums[subject]); known {
				out = append(out, observation{subject, v})
			}
		}
	}
	slices.SortFunc(out, func(a, b observation) int { return cmp.Compare(a.subject, b.subject) })
	return out
}

// window adds up the samples of a rule, by subject.
func (m *measured) window(r *Rule) map[string]*Sum {
	since := windowStart(r, m.now)
	sums := map[string]*Sum{}
	for _, samples := range [...][]Sample{m.settled[r.Name], m.samples[r.Name]} {
		for i := range samples {
			s := &samples[i]
			if s.At.Before(since) {
				continue
			}
			sum := sums[s.Subject]
			if sum == nil {
				sum = &Sum{}
				sums[s.Subject] = sum
			}
			sum.add(&s.Sum)
		}
	}
	return sums
}

// windowStart is the beginning of the first piece of time in a rule's window.
func windowStart(r *Rule, now time.Time) time.Time {
	if r.Window == 0 {
		return now.Add(-gaugeStale).UTC()
	}
	return now.Add(-r.Window.Std()).UTC().Truncate(r.bucket())
}

func (m *measured) value(r *Rule, subject string, s *Sum) (v float64, known bool) {
	if s.Calls < r.MinCalls {
		return 0, false
	}
	switch r.Type {
	case CostThreshold:
		return s.Total, true
	case LatencySpike:
		return s.time(r.Metric), true
	case ErrorRate:
		return float64(s.Bad) / float64(s.Calls), true
	case Availability:
		return 1 - float64(s.Bad)/float64(s.Calls), true
	case SafetyViolation:
		return float64(s.Bad), true
	case BurnRate:
		for i := range m.budgets {
			if b := &m.budgets[i]; b.ID == subject && b.LimitUSD > 0 && b.Length > 0 {
				return s.Total / (b.LimitUSD * r.Window.Std().Hours() / b.Length.Hours()), true
			}
		}
	}
	return 0, false
}

// none is what a rule measures of a subject in whose window nothing happened: sums
// are zero then, and of all else nothing is known.
func (m *measured) none(r *Rule, subject string) *observation {
	if v, known := m.value(r, subject, &Sum{}); known {
		return &observation{subject, v}
	}
	return nil
}

// latest is what each gateway said of itself last.
func (m *measured) latest(r *Rule) (out []observation) {
	last := map[string]*Sample{}
	for i := range m.samples[r.Name] {
		s := &m.samples[r.Name][i]
		if s.At.Add(gaugeEvery).Before(windowStart(r, m.now)) {
			continue
		}
		if was := last[s.Subject]; was == nil || m.later(s, was) {
			last[s.Subject] = s
		}
	}
	for subject, s := range last {
		out = append(out, observation{subject, s.Sum.Total})
	}
	return out
}

// later reports whether a was measured after b. What lies in the future is of before
// the clock was set back, where there is anything else.
func (m *measured) later(a, b *Sample) bool {
	if future := a.At.After(m.now); future != b.At.After(m.now) {
		return !future
	}
	return a.At.After(b.At)
}
