package batch

import (
	"time"

	"github.com/cartrita/cartrita/event"
)

// Piece is a stretch of time, and which sums answer for it: the rows of a unit. A
// zero time is no bound.
type Piece struct {
	Unit         Unit
	Since, Until time.Time
}

// Pieces returns where the sums of one dimension lie that a query, which was
// checked, adds up by group: the coarsest there are for each stretch of time.
// There are sums of cost_past before the time past; see NeedPast.
func Pieces(q *event.CostQuery, dimension, group event.Dimension, past time.Time) []Piece {
	target, task := apart(q, group)
	apart := target || task
	var units []Unit // of cost_sums
	switch {
	case dimension == "" && !apart:
		return []Piece{{Hour, q.Since, q.Until}}
	case group == event.ByHour || dimension != "" && apart:
	case dimension == "" || group == event.ByDay:
		units = []Unit{Day}
	default:
		units = []Unit{Month, Day}
	}
	if !NeedPast(q, dimension, group) || past.IsZero() { // there are none yet
		return pieces(nil, q.Since, q.Until, false, units...)
	}
	pasts := []Unit{MonthByTask, DayByTask}
	if target {
		pasts = []Unit{MonthByTarget, DayByTarget}
	}
	if group == event.ByDay || group == ByBill {
		pasts = pasts[1:]
	}
	if !q.Until.IsZero() && q.Until.Before(past) {
		return pieces(nil, q.Since, q.Until, false, pasts...)
	}
	out := pieces(nil, q.Since, past, true, pasts...) // of the month that is not over there are the days before past
	return pieces(out, later(q.Since, past), q.Until, false, units...)
}

// NeedPast reports whether a query by group wants sums of cost_past, as far as
// there are any.
func NeedPast(q *event.CostQuery, dimension, group event.Dimension) bool {
	target, task := apart(q, group)
	return target != task && inPast(dimension) && group != event.ByHour
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// apart reports whether a query or its groups tell targets apart, which are
// models, endpoints and providers, and whether they do so with tasks or strategies.
func apart(q *event.CostQuery, group event.Dimension) (target, task bool) {
	switch group {
	case ByBill, event.ByModel, event.ByEndpoint, event.ByProvider:
		target = true
	case event.ByTask, event.ByStrategy:
		task = true
	}
	return target || q.Model != "" || q.Endpoint != "" || q.Provider != "", task || q.Task != nil || q.Strategy != ""
}

// pieces takes from a stretch of time what whole pieces of the first unit cover;
// the units after it answer for what is left at both ends, in the end cost_rollup.
// all says that there is nothing behind until in the piece that until lies in.
func pieces(out []Piece, since, until time.Time, all bool, units ...Unit) []Piece {
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return out
	}
	if len(units) == 0 {
		return append(out, Piece{"", since, until})
	}
	u, from, to := units[0], since, until
	if !since.IsZero() {
		from = u.ceil(since)
	}
	if !until.IsZero() && !all {
		to = u.Floor(until)
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return pieces(out, since, until, all, units[1:]...)
	}
	if !since.IsZero() {
		out = pieces(out, since, from, false, units[1:]...)
	}
	out = append(out, Piece{u, from, to})
	if !until.IsZero() {
		out = pieces(out, to, until, all, units[1:]...)
	}
	return out
}
