package batch

import (
	"slices"

	"github.com/cartrita/cartrita/event"
)

// The sums of cost_past are those of days that are over, over all calls or by the
// values of a dimension, and by targets, or by tasks and strategies. To write them with each
// call would be nearly half as many rows again as calls are stored with; a day at
// once they are a quarter of that. So a job makes them, day by day, up to a
// boundary that the store keeps. Calls that ended before it and are stored later
// are added with everything else. What is behind the boundary is in cost_rollup
// alone.

// inPast reports whether there are such sums of a dimension: of all whose values
// come again day by day. A workflow run is over within hours, and has about a row
// each.
func inPast(d event.Dimension) bool { return d == "" || d.OfContext() && d != event.ByWorkflow }

// PastDimensions are those of which there are, "" first.
func PastDimensions() []event.Dimension {
	return slices.DeleteFunc(append([]event.Dimension{""}, event.Dimensions()...), func(d event.Dimension) bool { return !inPast(d) })
}

// foldPast adds the sums of cost_past of the rollups of days before an hour, which
// begins a day.
func (s Sums) foldPast(r Rollups, below int64) {
	for k, t := range r {
		if k.Hour >= below || !inPast(k.Dimension) {
			continue
		}
		for _, u := range [...]Unit{DayByTarget, MonthByTarget} {
			s.add(SumKey{Unit: u, Dimension: k.Dimension, Start: u.start(k.Hour), Value: k.Value, Target: k.Target}, t)
		}
		for _, u := range [...]Unit{DayByTask, MonthByTask} {
			s.add(SumKey{Unit: u, Dimension: k.Dimension, Start: u.start(k.Hour), Value: k.Value, Task: k.Task.String(), Strategy: k.Strategy}, t)
		}
	}
}

const pastKeys = `unit, dimension, start, value, target, task, strategy`

// MakeDay are the statements that make the sums of cost_past of a day and a
// dimension, from those of cost_rollup: the dimension and the beginning and the end
// of the day are the SQL of parameters, sum is the aggregate that adds whole numbers
// up.
func MakeDay(sum, dimension, start, end string) [2]string {
	of := func(u Unit, columns, by string) string {
		return `INSERT INTO cost_past (` + pastKeys + `, ` + ListTally + `)
			SELECT '` + string(u) + `', ` + dimension + `, ` + start + `, value, ` + columns + `, ` + sumTally(sum) + `
			FROM cost_rollup WHERE dimension = ` + dimension + ` AND hour >= ` + start + ` AND hour < ` + end + `
			GROUP BY value, ` + by
	}
	return [2]string{of(DayByTarget, `target, '', ''`, `target`), of(DayByTask, `0, task, strategy`, `task, strategy`)}
}

// AddDay is the statement that adds the sums of cost_past of a day and a dimension
// to those of its month. The dimension and both beginnings are the SQL of parameters.
func AddDay(dimension, start, month string) string {
	return `INSERT INTO cost_past (` + pastKeys + `, ` + ListTally + `)
		SELECT replace(unit, '` + string(Day) + `', '` + string(Month) + `'), ` + dimension + `, ` + month + `, value, target, task, strategy, ` + ListTally + `
		FROM cost_past WHERE unit IN ('` + string(DayByTarget) + `', '` + string(DayByTask) + `') AND dimension = ` + dimension + ` AND start = ` + start + `
		ON CONFLICT (` + pastKeys + `) DO UPDATE SET ` + AddTally("cost_past")
}
