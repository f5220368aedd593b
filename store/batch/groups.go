package batch

import (
	"strconv"

	"github.com/cartrita/cartrita/event"
)

// AskGroups makes the statement that asks for groups out of the one that adds
// them up, with the columns key and tally: rows of a number, the key and the
// tally. The number is 0 for a group. With a limit only the costliest come, and
// behind them one row more: how many groups there are, and what they are
// together (sums, of the columns of tally); so all are added up once, and few
// leave the database.
func AskGroups(groups, tally, sums string, limit int) string {
	if limit == 0 {
		return `SELECT 0, key, ` + tally + ` FROM (` + groups + `) g`
	}
	return `WITH g AS MATERIALIZED (` + groups + `)
		SELECT * FROM (SELECT 0, key, ` + tally + ` FROM g ORDER BY cost DESC, calls DESC, key LIMIT ` + strconv.Itoa(limit) + `) lines
		UNION ALL SELECT count(*), '', ` + sums + ` FROM g HAVING count(*) > 0`
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
