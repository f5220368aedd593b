package batch

import (
	"strconv"

	"github.com/cartrita/cartrita/event"
)

// Report makes the report of a checked query. sum adds up the sums of one dimension
// by another; limit says how many groups are wanted, the costliest, 0 all.
func Report(q event.CostQuery, sum func(dimension, group event.Dimension, limit int) (event.CostGroups, error)) (event.CostReport, error) {
	dimension, _ := q.Restriction()
	if q.By != "" && !q.By.OfContext() { // every call is in one group
		groups, err := sum(dimension, q.By, q.Limit)
		return event.NewCostReport(q, groups.All, groups), err
	}
	all, err := sum(dimension, "", 0)
	if err != nil || q.By == "" {
		return event.NewCostReport(q, all.All, event.CostGroups{}), err
	}
	groups, err := sum(q.By, q.By, q.Limit)
	return event.NewCostReport(q, all.All, groups), err
}

// AskGroups makes the statement that adds rows of sums up by their key. The rows
// are a statement of the columns key and TallyColumns; sum is the aggregate that
// adds whole numbers up. It answers with rows of a number, the key and
// TallyColumns, for Groups.Add: a group, or, behind the costliest that a limit
// leaves, how many groups there are and what all are together.
//
// Scarce says that most groups have a row or two. To add up all columns of each is
// most of the work then, and nearly all of it would be thrown away: the costliest
// are found out with two columns first. Where groups have many rows, it costs more
// to read them again.
func AskGroups(rows, sum string, limit int, scarce bool) string {
	sums := sumTally(sum)
	groups := `SELECT key, ` + sums + ` FROM (` + rows + `) r GROUP BY key`
	costliest := ` ORDER BY cost DESC, calls DESC, key LIMIT ` + strconv.Itoa(limit)
	switch {
	case limit == 0:
		return `SELECT 0, g.* FROM (` + groups + `) g`
	case scarce:
		return `WITH r AS NOT MATERIALIZED (` + rows + `),
			g AS MATERIALIZED (SELECT key, ` + sum + `(cost) AS cost, ` + sum + `(calls) AS calls FROM r GROUP BY key)
			SELECT 0, key, ` + sums + ` FROM r WHERE key IN (SELECT key FROM g` + costliest + `) GROUP BY key
			UNION ALL SELECT (SELECT count(*) FROM g), '', ` + sums + ` FROM r HAVING count(*) > 0`
	}
	return `WITH g AS MATERIALIZED (` + groups + `)
		SELECT * FROM (SELECT 0, g.* FROM g` + costliest + `) lines
		UNION ALL SELECT count(*), '', ` + sums + ` FROM g HAVING count(*) > 0`
}

// Scarce reports whether most groups of a checked query, by a dimension, have a row
// or two among the rows of its pieces: a workflow run is over in a day, where users
// and teams come again. Told apart by model and the like, it has more.
func Scarce(q *event.CostQuery, by event.Dimension) bool {
	target, task := apart(q, by)
	return by == event.ByWorkflow && !target && !task
}

// Groups collects the rows that AskGroups asks for.
type Groups struct {
	event.CostGroups
	limited bool
}

// NewGroups makes it for a limit.
func NewGroups(limit int) *Groups {
	return &Groups{event.CostGroups{Lines: map[string]event.Tally{}}, limit > 0}
}

// Add takes a row.
func (g *Groups) Add(n int64, key string, t *event.Tally) {
	switch {
	case n > 0:
		g.All, g.Count = *t, n
		return
	case !g.limited:
		g.All.Merge(*t, 1)
		g.Count++
	}
	g.Lines[key] = *t
}
