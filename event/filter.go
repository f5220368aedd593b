package event

import (
	"slices"

	"github.com/cartrita/cartrita/model"
)

// Check refuses, with KindInvalid, times between which nothing can be: they are
// the wrong way round.
func (f *Filter) Check() error { return model.CheckTimes("event.Filter", f.Since, f.Until) }

// Match reports whether an event is wanted: its kind and what its record says.
// The times are not looked at.
func (f *Filter) Match(e Event) bool {
	if f.Kinds != nil && !slices.Contains(f.Kinds, e.Kind) {
		return false
	}
	if e.Record == nil { // a notice is about no call: only what asks for nothing of a call wants it
		return f.match(&Summary{})
	}
	s := Summarize(e.Record)
	return f.match(&s)
}

// MatchCall reports whether a stored call is wanted, times included; Kinds
// choose among the events of a call, not among calls.
func (f *Filter) MatchCall(c *Call) bool {
	return (f.Since.IsZero() || !c.Ended.Before(f.Since)) && (f.Until.IsZero() || c.Ended.Before(f.Until)) && f.match(&c.Summary)
}

func (f *Filter) match(s *Summary) bool {
	return want(f.State, s.State) && want(f.Model, s.Model) && want(f.Endpoint, s.Endpoint) && want(f.Provider, s.Provider) &&
		(f.Task == nil || *f.Task == s.Task) && want(f.Strategy, s.Strategy) && want(f.User, s.User) &&
		want(f.Workflow, s.Workflow) && want(f.Stage, s.Stage) && want(f.Session, s.Session) &&
		want(f.Key, s.Key) && want(f.Team, s.Team) && want(f.Project, s.Project) && want(f.Supervisor, s.Supervisor) &&
		(f.Tag == "" || slices.Contains(s.Tags, f.Tag))
}

func want[S ~string](wanted, have S) bool { return wanted == "" || wanted == have }

// PageSize returns the number of calls in a page.
func (f *Filter) PageSize() int {
	if f.Limit <= 0 {
		return DefaultLimit
	}
	return min(f.Limit, MaxLimit)
}

// Events returns the events of the calls in the page that the filter wants,
// latest first.
func (p *Page) Events(f Filter) []Event {
	var out []Event
	for _, c := range p.Calls {
		of := Of(c)
		slices.Reverse(of)
		for _, e := range of {
			if f.Kinds == nil || slices.Contains(f.Kinds, e.Kind) {
				out = append(out, e)
			}
		}
	}
	return out
}
