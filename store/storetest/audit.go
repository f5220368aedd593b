package storetest

import (
	"fmt"
	"testing"
	"time"
)

// auditAnywhere finds the first and the last row of every kind of sums damaged,
// over months, with calls that were stored long after they ended.
func auditAnywhere(t *testing.T, s Database, exec func(string) [][]string) {
	calls := 0
	end := func(at time.Time) {
		ingest(t, s, 1, endingAt(calls, at))
		calls++
	}
	begin := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	for month := range 3 {
		for n := range 20 {
			at := begin.AddDate(0, month, 0)
			end([...]time.Time{at, at.Add(time.Hour - time.Microsecond), at.AddDate(0, 0, 1).Add(-time.Microsecond), at.AddDate(0, 0, 1), at.AddDate(0, 1, 0).Add(-time.Microsecond)}[n/4])
		}
	}
	for n := range 20 {
		end(begin.Add(time.Duration(n) * 77 * time.Hour))
	}
	if a := audited(t, s, false, calls); !a.Agrees() {
		t.Fatalf("nothing is damaged: %+v, %+v", a.Rollups, a.Spending)
	}

	kinds := map[string]int{}
	damage := func(table, start, columns, dimension, condition string) {
		for _, order := range []string{"ASC", "DESC"} {
			exec(fmt.Sprintf(`UPDATE %[1]s SET calls = calls + 1 WHERE (%[2]s) = (SELECT %[2]s FROM %[1]s WHERE dimension = '%[3]s'%[4]s ORDER BY %[5]s %[6]s, value %[6]s, target, task, strategy LIMIT 1)`,
				table, columns, dimension, condition, start, order))
		}
	}
	for _, d := range exec(`SELECT DISTINCT dimension FROM cost_rollup`) {
		damage("cost_rollup", "hour", "dimension, hour, value, target, task, strategy", d[0], "")
		kinds[" "+d[0]] = 2
	}
	for _, d := range exec(`SELECT DISTINCT unit, dimension FROM cost_sums`) {
		damage("cost_sums", "start", "unit, dimension, start, value, target, task, strategy", d[1], " AND unit = '"+d[0]+"'")
		kinds[d[0]+" "+d[1]] = 2
	}
	if len(kinds) != 9+1+9+8 {
		t.Errorf("%d kinds of sums: %v", len(kinds), kinds)
	}
	for _, repair := range []bool{false, true} {
		found := map[string]int{}
		a := audited(t, s, repair, calls)
		for i := range a.Rollups {
			r := &a.Rollups[i].Row
			found[string(r.Unit)+" "+string(r.Dimension)]++
		}
		if fmt.Sprint(found) != fmt.Sprint(kinds) || a.Differ() != int64(2*len(kinds)) || len(a.Spending) > 0 {
			t.Errorf("repair %v: found %v and %+v, want %v", repair, found, a.Spending, kinds)
		}
	}
	if a := audited(t, s, false, calls); !a.Agrees() {
		t.Errorf("after the repair: %+v, %+v", a.Rollups, a.Spending)
	}
	auditStray(t, s, exec, calls)
}

// auditStray finds rows of a dimension that there is not, and those of calls that
// are gone, whenever they ended.
func auditStray(t *testing.T, s Database, exec func(string) [][]string, calls int) {
	t.Helper()
	exec(`INSERT INTO cost_sums (unit, dimension, start, value, target, task, strategy, calls, failed, unpriced, cost, estimated, input, cached_read, cache_write, output, reasoning, latency_ms, latency_calls, ttft_ms, ttft_calls)
		SELECT unit, 'nobody', start, 'x', target, task, strategy, calls, failed, unpriced, cost, estimated, input, cached_read, cache_write, output, reasoning, latency_ms, latency_calls, ttft_ms, ttft_calls
		FROM cost_sums WHERE unit = 'hour'`)
	hours := len(exec(`SELECT start FROM cost_sums WHERE unit = 'hour' AND dimension = ''`))
	a := audited(t, s, true, calls)
	for i := range a.Rollups {
		if d := &a.Rollups[i]; d.Computed != nil || d.Row.Dimension != "nobody" {
			t.Errorf("found %+v", d)
		}
	}
	if len(a.Rollups) != hours {
		t.Errorf("found %d of %d rows of no dimension", len(a.Rollups), hours)
	}
	for _, table := range []string{"call_blocks", "calls"} {
		exec(`DELETE FROM ` + table)
	}
	if a := audited(t, s, true, 0); a.SumsDiffer != a.Sums || a.SpendsDiffer != a.Spends || a.Sums < 1000 || a.Spends < 10 {
		t.Errorf("without calls, %d of %d sums and %d of %d budgets' are too many", a.SumsDiffer, a.Sums, a.SpendsDiffer, a.Spends)
	}
	if a := audited(t, s, false, 0); !a.Agrees() || a.Sums+a.Spends > 0 {
		t.Errorf("after the repair: %+v", a)
	}
}
