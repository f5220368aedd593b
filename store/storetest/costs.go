package storetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// costsAddUp compares every report with sums over the calls themselves.
func costsAddUp(t *testing.T, s Store) {
	calls := append(samples(1500), decision(1500), refused(1501)) // 25 minutes: two hours
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
	f := event.Filter{Since: q.Since, Until: q.Until, Model: q.Model, Endpoint: q.Endpoint, Provider: q.Provider, Task: q.Task,
		Strategy: q.Strategy, User: q.User, Workflow: q.Workflow, Stage: q.Stage,
		Supervisor: q.Super, Key: q.Key, Team: q.Team, Project: q.Project, Tag: q.Tag}
	var total event.Tally
	groups := map[string]event.Tally{}
	for _, c := range calls {
		if c.State == model.StatePlanned || !f.MatchCall(&c) {
			continue
		}
		total.Add(&c.Summary)
		keys := []string{keyOf(q.By, &c)}
		if q.By == event.ByTag {
			keys = c.Record.Caller.Tags
		}
		for _, key := range keys {
			if q.By == "" || key == "" && q.By.OfContext() || q.By == event.ByTag && q.Tag != "" && key != q.Tag {
				continue
			}
			g := groups[key]
			g.Add(&c.Summary)
			groups[key] = g
		}
	}
	return event.NewCostReport(q, total, groups), nil
}

func keyOf(by event.Dimension, c *event.Call) string {
	r := c.Record
	switch by {
	case event.ByModel:
		return string(r.Model)
	case event.ByEndpoint:
		return string(r.Endpoint)
	case event.ByProvider:
		return r.Provider
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

func costsRefused(t *testing.T, s Store) {
	for name, q := range map[string]event.CostQuery{
		"an unknown dimension":   {By: "colour"},
		"two context dimensions": {By: event.ByUser, Workflow: "run-1"},
		"two restrictions":       {User: "u", Stage: "s"},
		"an empty span":          {Since: base, Until: base.Add(-2 * time.Hour)},
	} {
		if _, err := s.Costs(t.Context(), q); model.KindOf(err) != model.KindInvalid {
			t.Errorf("%s gives %v, want invalid", name, err)
		}
	}
}
