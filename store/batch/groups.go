package batch

import (
	"strconv"

	"github.com/cartrita/cartrita/event"
)

// Groups asks a database to add rows of sums up by their key, and collects what it
// answers.
type Groups struct {
	lines map[string]event.Tally
	limit int
	cut   bool // the database chooses the costliest
	all   event.Tally
	count int64
}

// NewGroups makes it for groups of a dimension, of which the costliest are wanted,
// as many as limit says; 0: all. Of a context dimension there may be far more than
// are worth leaving the database; of the others there are few.
func NewGroups(by event.Dimension, limit int) *Groups {
	return &Groups{lines: map[string]event.Tally{}, limit: limit, cut: limit > 0 && by.OfContext()}
}

// Statement makes the statement out of the one of rows, of columns key and
// TallyColumns; sum is the aggregate that adds whole numbers up. It answers with
// rows of a number, the key and TallyColumns, each for Add: a group, or how many
// groups there are and what all are together.
//
// Which are the costliest is found out with two columns: adding up all of them is
// most of the work, and of many groups nearly all of it would be thrown away.
func (g *Groups) Statement(rows, sum string) string {
	sums := sumTally(sum)
	if !g.cut {
		return `SELECT 0, key, ` + sums + ` FROM (` + rows + `) r GROUP BY key`
	}
	return `WITH r AS NOT MATERIALIZED (` + rows + `),
		g AS MATERIALIZED (SELECT key, ` + sum + `(cost) AS cost, ` + sum + `(calls) AS calls FROM r GROUP BY key)
		SELECT 0, key, ` + sums + ` FROM r
		 WHERE key IN (SELECT key FROM g ORDER BY cost DESC, calls DESC, key LIMIT ` + strconv.Itoa(g.limit) + `) GROUP BY key
		UNION ALL SELECT (SELECT count(*) FROM g), '', ` + sums + ` FROM r HAVING count(*) > 0`
}

// Add takes a row of the answer.
func (g *Groups) Add(n int64, key string, t *event.Tally) {
	if n > 0 {
		g.all, g.count = *t, n
		return
	}
	g.lines[key] = *t
}

// End returns the groups when all rows were added.
func (g *Groups) End() event.CostGroups {
	if g.cut {
		return event.CostGroups{Lines: g.lines, All: g.all, Count: g.count}
	}
	return event.CutGroups(g.lines, g.limit)
}
