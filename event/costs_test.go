package event

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

// The costliest groups come, and what is left out is in the sum of the others;
// the calls without a value are not among them.
func TestAReportIsCutToTheCostliest(t *testing.T) {
	tally := func(calls int64, cost model.Money) Tally {
		return Tally{CostSum: CostSum{Calls: calls, Cost: cost * model.USD}, Latency: float64(10 * calls), LatencyCalls: calls}
	}
	groups := map[string]Tally{"a": tally(1, 2), "b": tally(3, 9), "c": tally(2, 2), "d": tally(1, 2)}
	r := NewCostReport(CostQuery{By: ByUser}, tally(9, 20), CutGroups(groups, 2))
	want := []struct {
		key   string
		calls int64
	}{{"b", 3}, {"", 2}, {"c", 2}}
	if len(r.Groups) != len(want) {
		t.Fatalf("the groups are %+v", r.Groups)
	}
	for i, w := range want {
		if g := r.Groups[i]; g.Key != w.key || g.Calls != w.calls {
			t.Errorf("group %d is %+v, want %+v", i, g, w)
		}
	}
	if o := r.Others; o == nil || o.Groups != 2 || o.Calls != 2 || o.Cost != 4*model.USD || *o.LatencyMS != 10 {
		t.Errorf("the others are %+v", r.Others)
	}
	if r = NewCostReport(CostQuery{By: ByUser}, tally(9, 20), CutGroups(groups, 0)); r.Others != nil || len(r.Groups) != 5 {
		t.Errorf("without a limit: %+v", r)
	}
}

// Who asks for what rollups do not hold reads what to ask for instead.
func TestCostQueriesAreRefusedInWords(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		q           CostQuery
		field, want string
	}{
		{CostQuery{By: ByModel, Limit: -3}, "limit", "is -3, want the number of groups, 1 or more"},
		{CostQuery{Limit: 3}, "limit", "without a grouping there is the total alone"},
		{CostQuery{By: ByDay, Limit: 3}, "limit", "by day no group is left out"},
		{CostQuery{By: ByUser, Team: "x"}, "by", "is user, which cannot be restricted to one team"},
		{CostQuery{By: ByUser, Team: "x"}, "by", "want by model, endpoint, provider, task, strategy, team, day, hour, or no team"},
		{CostQuery{User: "ann", Team: "x"}, "team", "cannot be given together with user"},
		{CostQuery{Since: noon, Until: noon}, "until", "is 2026-11-23T12:00:00Z, want a time after since, which is 2026-11-23T12:00:00Z"},
	} {
		_, err := c.q.Check()
		if e := model.AsError(err); err == nil || e.Kind != model.KindInvalid || e.Param != c.field || !strings.Contains(e.Message, c.want) {
			t.Errorf("%+v: %v, want %s: %s", c.q, err, c.field, c.want)
		}
	}
}

// The ends of the calendar are bounds like others, and stay such that they can be
// written.
func TestCostsUntilTheEndOfTime(t *testing.T) {
	first, last := time.Time{}.Add(time.Nanosecond), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, c := range []struct{ since, until, wantSince, wantUntil time.Time }{
		{first, last, time.Time{}, time.Time{}},
		{last, time.Time{}, last.Truncate(time.Hour), time.Time{}},
		{last, last, last.Truncate(time.Hour), time.Time{}},
		{time.Time{}, first, time.Time{}, time.Time{}.Add(time.Hour)},
		{time.Time{}, last.Add(-time.Hour), time.Time{}, last.Truncate(time.Hour)},
		{time.Time{}, last.In(time.FixedZone("", -5*3600)).Add(5 * time.Hour), time.Time{}, time.Time{}},
	} {
		q, err := CostQuery{Since: c.since, Until: c.until}.Check()
		if err != nil || !q.Since.Equal(c.wantSince) || !q.Until.Equal(c.wantUntil) {
			t.Errorf("from %s until %s: %v, %s until %s", c.since, c.until, err, q.Since, q.Until)
		}
		if _, err := json.Marshal(NewCostReport(q, Tally{}, CostGroups{})); err != nil {
			t.Errorf("from %s until %s: %v", c.since, c.until, err)
		}
	}
}
