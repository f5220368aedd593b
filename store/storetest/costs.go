package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// costsAddUp compares every report with sums over the calls themselves.
func costsAddUp(t *testing.T, s Store) {
	calls := append(samples(1500), decision(1500), refused(1501), unpaid(1502)) // 25 minutes: two hours
	ingest(t, s, 130, calls...)
	task := model.Task(1)
	nextHour := base.Truncate(time.Hour).Add(time.Hour)
	queries := []event.CostQuery{
		{}, {Since: nextHour}, {Until: nextHour}, {Since: nextHour.Add(time.Minute)}, {Until: nextHour.Add(time.Minute)}, {Since: nextHour.Add(time.Hour)},
		{Model: "model-1"}, {Endpoint: "p0/model-2"}, {Provider: "p1"}, {Task: &task}, {Strategy: "balanced"}, {User: "user-2"}, {Workflow: "run-4"}, {Stage: "draft"}, {Super: "boss-1"}, {Key: "key-1"}, {Team: "team-0"}, {Project: "project-1"}, {Tag: "eu"},
		{User: "user-1", Provider: "p1", Task: &task}, {User: "nobody"},
	}
	for _, q := range queries {
		for _, by := range append(event.Dimensions(), "") {
			if q.By = by; by.OfContext() {
				if d, _ := q.Restriction(); d != "" && d != by {
					continue
				}
			}
			want, err := expected(q, calls)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Costs(t.Context(), q)
			if err != nil {
				t.Fatalf("%+v: %v", q, err)
			}
			if diff := cmp.Diff(want, got, near); diff != "" {
				t.Errorf("%+v: want -, got +:\n%s", q, diff)
			}
		}
	}
}

// near compares means, which may be summed in any order.
var near = cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Max(1, math.Abs(a)) })

// expected makes the report by looking at every call.
func expected(q event.CostQuery, calls []event.Call) (event.CostReport, error) {
	q, err := q.Check()
	if err != nil {
		return event.CostReport{}, err
	}
	f := event.Filter{Since: q.Since, Until: q.Until, Task: q.Task,
		Strategy: q.Strategy, User: q.User, Workflow: q.Workflow, Stage: q.Stage,
		Supervisor: q.Super, Key: q.Key, Team: q.Team, Project: q.Project, Tag: q.Tag}
	var total event.Tally
	groups := map[string]event.Tally{}
	for _, c := range calls {
		if c.State == model.StatePlanned || !f.MatchCall(&c) {
			continue
		}
		for target, part := range c.Parts() {
			if q.Model != "" && target.Model != q.Model || q.Endpoint != "" && target.Endpoint != q.Endpoint || q.Provider != "" && target.Provider != q.Provider {
				continue
			}
			total.Merge(part, 1)
			keys := []string{keyOf(q.By, &c, target)}
			if q.By == event.ByTag {
				keys = c.Record.Caller.Tags
			}
			for _, key := range keys {
				if q.By == "" || key == "" && q.By.OfContext() || q.By == event.ByTag && q.Tag != "" && key != q.Tag {
					continue
				}
				g := groups[key]
				g.Merge(part, 1)
				groups[key] = g
			}
		}
	}
	return event.NewCostReport(q, total, event.CutGroups(groups, q.Limit)), nil
}

func keyOf(by event.Dimension, c *event.Call, target event.Target) string {
	r := c.Record
	switch by {
	case event.ByModel:
		return string(target.Model)
	case event.ByEndpoint:
		return string(target.Endpoint)
	case event.ByProvider:
		return target.Provider
	case event.ByTask:
		return r.Task.String()
	case event.ByStrategy:
		return c.Strategy
	case event.ByUser:
		return r.Context.UserID
	case event.ByWorkflow:
		return r.Context.WorkflowRunID
	case event.ByStage:
		return r.Context.Stage
	case event.BySuper:
		return r.Context.Supervisor
	case event.ByKey:
		return string(r.Caller.Key)
	case event.ByTeam:
		return r.Caller.Team
	case event.ByProject:
		return r.Caller.Project
	case event.ByTag:
		return "" // has several
	case event.ByDay, event.ByHour:
		return event.TimeKey(by, c.Ended.Truncate(time.Hour))
	case "":
		return ""
	}
	panic(fmt.Sprintf("no key for %q", by))
}

// costsByBiller gives each provider what it billed, and the call to the one
// that answered it; the sums stay those of the calls.
func costsByBiller(t *testing.T, s Store) {
	c := Sample(3)
	r := c.Record
	r.State, r.Error = model.StateCompleted, nil
	r.Model, r.Endpoint, r.Provider = "m1", "p1/m1", "p1"
	used := func(in, out int64) model.Usage {
		return model.Usage{Input: model.Known(in), Output: model.Known(out), Source: model.UsageUpstream}
	}
	r.Attempts = []model.Attempt{
		{Endpoint: "p0/m0", Model: "m0", Usage: used(10, 1), Cost: model.USD},
		{Endpoint: "p1/m1", Model: "m1", Usage: used(20, 2), Cost: 2 * model.USD},
		{Endpoint: "p0/m0", Model: "m0", Usage: used(30, 3), Cost: 4 * model.USD},
		{Endpoint: "p1/m1", Model: "m1", Usage: used(40, 4), Cost: 8 * model.USD},
	}
	r.Usage, r.Cost = used(40, 4), model.CostBreakdown{Total: 15 * model.USD}
	ingest(t, s, 1, encode(c))
	for by, groups := range map[event.Dimension][2]string{
		event.ByProvider: {"p1", "p0"}, event.ByEndpoint: {"p1/m1", "p0/m0"}, event.ByModel: {"m1", "m0"},
	} {
		report, err := s.Costs(t.Context(), event.CostQuery{By: by})
		if err != nil {
			t.Fatal(err)
		}
		sum := func(c event.CostSum) [5]int64 {
			return [...]int64{c.Calls, int64(c.Cost / model.USD), c.Input, c.Output, c.Failed}
		}
		if got := sum(report.Total); got != [...]int64{1, 15, 100, 10, 0} {
			t.Errorf("by %s the total is %v", by, got)
		}
		if len(report.Groups) != 2 {
			t.Fatalf("by %s: %+v", by, report.Groups)
		}
		for i, want := range [][5]int64{{1, 10, 60, 6, 0}, {0, 5, 40, 4, 0}} {
			if g := report.Groups[i]; g.Key != groups[i] || sum(g.CostSum) != want {
				t.Errorf("%s %s: calls, dollars, input and output are %v, want %v", by, g.Key, sum(g.CostSum), want)
			}
		}
	}
	only, err := s.Costs(t.Context(), event.CostQuery{Provider: "p0", By: event.ByTask})
	if err != nil || only.Total.Cost != 5*model.USD || only.Total.Calls != 0 || len(only.Groups) != 1 {
		t.Errorf("of p0 alone: %+v, %v", only, err)
	}
}

// costsOfNothing keeps calls that were never sent out of the estimate and of
// the mean latency, and says of what is not known that it is not.
func costsOfNothing(t *testing.T, s Store) {
	ingest(t, s, 10, unpaid(0), refused(1))
	report, err := s.Costs(t.Context(), event.CostQuery{})
	if c := report.Total; err != nil || c.Calls != 2 || c.Failed != 2 || c.Estimated != 0 || c.LatencyMS != nil || c.TTFTMS != nil {
		t.Errorf("two calls that were never sent: %+v, %v", c, err)
	}
	sent := Sample(2) // a stream to the end
	ingest(t, s, 10, sent)
	report, err = s.Costs(t.Context(), event.CostQuery{})
	c := report.Total
	if err != nil || c.Calls != 3 || c.Estimated != sent.Record.Estimated || c.LatencyMS == nil || *c.LatencyMS != sent.Record.LatencyMS ||
		c.TTFTMS == nil || *c.TTFTMS != sent.Record.TTFTMS {
		t.Errorf("with one that was: %+v, %v", c, err)
	}
}

func costsRefused(t *testing.T, s Store) {
	for name, q := range map[string]event.CostQuery{
		"an unknown dimension":   {By: "colour"},
		"two context dimensions": {By: event.ByUser, Workflow: "run-1"},
		"two restrictions":       {User: "u", Stage: "s"},
		"a limit below zero":     {By: event.ByUser, Limit: -1},
		"a limit of hours":       {By: event.ByHour, Limit: 5},
		"a limit of the total":   {Limit: 5},
		"an empty span":          {Since: base, Until: base.Add(-2 * time.Hour)},
	} {
		if _, err := s.Costs(t.Context(), q); model.KindOf(err) != model.KindInvalid {
			t.Errorf("%s gives %v, want invalid", name, err)
		}
	}
}

// begin is when the calls of OverMonths begin.
var begin = time.Date(2026, 1, 29, 22, 30, 0, 0, time.UTC)

// OverMonths stores calls of five months.
func OverMonths(t *testing.T, s event.Sink) []event.Call {
	t.Helper()
	calls := samples(900)
	for i := range calls {
		calls[i].Ended = begin.Add(time.Duration(i) * 4 * time.Hour).Add(time.Duration(i*i%240) * time.Minute)
	}
	ingest(t, s, 130, calls...)
	return calls
}

// costsOverMonths asks all kinds of questions about calls of five months, and
// wants the sums over the calls themselves.
func costsOverMonths(t *testing.T, s Store) {
	asked, cuts := askOverMonths(t, s, OverMonths(t, s), 700)
	if asked < 300 || cuts < 50 {
		t.Errorf("%d questions were asked, %d answers were cut", asked, cuts)
	}
}

// askOverMonths makes up n questions, and returns how many of them sums can answer
// and how many answers had a limit.
func askOverMonths(t *testing.T, s Store, calls []event.Call, n int) (asked, cuts int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	moment := func() time.Time {
		switch rng.IntN(4) {
		case 0:
			return time.Time{}
		case 1:
			return time.Date(2026, time.Month(1+rng.IntN(7)), 1, 0, 0, 0, 0, time.UTC)
		case 2:
			return time.Date(2026, 1, rng.IntN(200), 0, 0, 0, 0, time.UTC)
		}
		return begin.Add(time.Duration(rng.IntN(3700)) * time.Hour)
	}
	task := model.Task(1)
	restrict := []func(*event.CostQuery){
		func(*event.CostQuery) {},
		func(q *event.CostQuery) { q.User = calls[3].User },
		func(q *event.CostQuery) { q.Team = calls[3].Team },
		func(q *event.CostQuery) { q.Tag = "batch" },
		func(q *event.CostQuery) { q.Model = calls[5].Model },
		func(q *event.CostQuery) { q.Provider = calls[5].Provider },
		func(q *event.CostQuery) { q.Task = &task },
		func(q *event.CostQuery) { q.Strategy = calls[7].Strategy },
		func(q *event.CostQuery) { q.User, q.Model = calls[3].User, calls[3].Model },
		func(q *event.CostQuery) { q.Workflow, q.Strategy = calls[4].Workflow, calls[4].Strategy },
		func(q *event.CostQuery) { q.Team, q.Endpoint, q.Task = calls[3].Team, calls[3].Endpoint, &task },
	}
	for range n {
		q := event.CostQuery{Since: moment(), Until: moment(), By: append(event.Dimensions(), "")[rng.IntN(len(event.Dimensions())+1)]}
		restrict[rng.IntN(len(restrict))](&q)
		if q.By != "" && !q.By.InTime() {
			q.Limit = rng.IntN(6) // 0: all
		}
		want, err := expected(q, calls)
		if err != nil {
			continue // not a question that sums can answer
		}
		asked++
		got, err := s.Costs(t.Context(), q)
		if got.Others != nil {
			cuts++
		}
		if diff := cmp.Diff(want, got, near); err != nil || diff != "" {
			t.Fatalf("%+v: %v; want -, got +:\n%s", q, err, diff)
		}
	}
	return asked, cuts
}

// costsByDay wants of each model at each provider what it is said to cost by day.
func costsByDay(t *testing.T, s Store) { askByDay(t, s, OverMonths(t, s)) }

func askByDay(t *testing.T, s Store, calls []event.Call) {
	t.Helper()
	for _, q := range []event.CostQuery{
		{}, {Since: begin.Add(31 * 24 * time.Hour), Until: begin.Add(70 * 24 * time.Hour)}, {Team: calls[3].Team}, {Model: calls[5].Model}, {Strategy: calls[7].Strategy},
	} {
		days, err := s.DailyCosts(t.Context(), q)
		if err != nil || len(days) < 20 {
			t.Fatalf("%+v: %d days, %v", q, len(days), err)
		}
		one, lines := q, map[string]event.CostSum{}
		for i := range days {
			d := &days[i]
			if i > 0 && d.Provider == days[i-1].Provider && d.Model == days[i-1].Model && !d.Day.After(days[i-1].Day) {
				t.Fatalf("%+v comes after %+v", *d, days[i-1])
			}
			lines[d.Provider+" "+string(d.Model)+" "+d.Day.Format(time.DateOnly)] = d.CostSum
		}
		if len(lines) != len(days) {
			t.Fatalf("%+v: %d lines of %d days", q, len(days), len(lines))
		}
		one.Provider, one.Model, one.By = days[0].Provider, days[0].Model, event.ByDay
		want, err := expected(one, calls)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range want.Groups {
			got := lines[one.Provider+" "+string(one.Model)+" "+g.Key]
			if diff := cmp.Diff(g.CostSum, got, near); diff != "" {
				t.Fatalf("%+v on %s; want -, got +:\n%s", one, g.Key, diff)
			}
		}
		q.By = ""
		if want, err = expected(q, calls); err != nil {
			t.Fatal(err)
		}
		var cost model.Money
		for _, d := range lines {
			cost += d.Cost
		}
		if cost != want.Total.Cost {
			t.Errorf("%+v: %s in all, want %s", q, cost, want.Total.Cost)
		}
	}
}
