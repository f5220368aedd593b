package event

import (
	"slices"

	"github.com/cartrita/cartrita/model"
)

// Match reports whether an event is wanted: its kind and what its record says.
// The times are not looked at.
func (f *Filter) Match(e Event) bool {
	return (f.Kinds == nil || slices.Contains(f.Kinds, e.Kind)) && f.matchRecord(e.Record, "")
}

// MatchCall reports whether a stored call is wanted, times included; Kinds
// choose among the events of a call, not among calls.
func (f *Filter) MatchCall(c *Call) bool {
	return (f.Since.IsZero() || !c.Ended.Before(f.Since)) && (f.Until.IsZero() || c.Ended.Before(f.Until)) && f.matchRecord(c.Record, c.Strategy)
}

func (f *Filter) matchRecord(r *model.Record, strategy string) bool {
	if strategy == "" && r.Plan != nil {
		strategy = r.Plan.Strategy
	}
	return want(f.State, r.State) && want(f.Model, r.Model) && want(f.Endpoint, r.Endpoint) && want(f.Provider, r.Provider) &&
		(f.Task == nil || *f.Task == r.Task) && want(f.Strategy, strategy) && want(f.User, r.Context.UserID) &&
		want(f.Workflow, r.Context.WorkflowRunID) && want(f.Stage, r.Context.Stage) && want(f.Session, r.Context.SessionID)
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
