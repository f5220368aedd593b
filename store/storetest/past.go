package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

// sumDays makes the sums of all days that were over at a time, and returns how many.
func sumDays(t *testing.T, s Database, over time.Time) (days int) {
	t.Helper()
	for last := (time.Time{}); ; days++ {
		day, err := s.SumDay(t.Context(), over)
		if err != nil {
			t.Fatal(err)
		}
		if day.IsZero() {
			return days
		}
		if !day.After(last) || day.AddDate(0, 0, 1).After(over) || !day.Equal(day.Truncate(24*time.Hour)) {
			t.Fatalf("the sums of %s come after those of %s; %s is now", day, last, over)
		}
		last = day
	}
}

// pastQuestions asks what sums of past days answer, and finds the same, up to each of
// some times; and finds it in them, when those by the hour are gone.
func pastQuestions(t *testing.T, s Database, exec func(string) [][]string) {
	if sumDays(t, s, begin.AddDate(1, 0, 0)) != 0 {
		t.Error("an empty store has days")
	}
	calls := OverMonths(t, s)
	for _, over := range []time.Time{begin.AddDate(0, 0, 1).Add(-time.Microsecond), begin.AddDate(0, 2, 11), time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), begin.AddDate(1, 0, 0)} {
		sumDays(t, s, over)
		askOverMonths(t, s, calls, 70)
		askByDay(t, s, calls)
		if a := audited(t, s, false, len(calls)); !a.Agrees() {
			t.Fatalf("at %s: %+v", over, a.Rollups)
		}
	}
	if n := sumDays(t, s, begin.AddDate(1, 0, 0)); n != 0 {
		t.Errorf("%d days are summed up again", n)
	}
	exec(`DELETE FROM cost_rollup WHERE dimension <> ''`)
	task := calls[3].Task
	for _, q := range []event.CostQuery{
		{Team: calls[3].Team, By: event.ByModel}, {Provider: calls[3].Provider, By: event.ByUser}, {Key: calls[3].Key, Model: calls[3].Model, By: event.ByDay},
		{Tag: "eu", By: event.ByStrategy}, {Task: &task, By: event.ByProject},
		{Project: calls[4].Project, By: event.ByEndpoint, Since: begin.AddDate(0, 0, 1).Truncate(24 * time.Hour), Until: begin.AddDate(0, 3, 9).Truncate(24 * time.Hour)},
	} {
		want, err := expected(q, calls)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Costs(t.Context(), q)
		if diff := cmp.Diff(want, got, near); err != nil || diff != "" {
			t.Errorf("%+v by the day: %v; want -, got +:\n%s", q, err, diff)
		}
	}
}

// pastLate stores calls of days of which there are sums, of days before all and of
// some between, where there were no calls.
func pastLate(t *testing.T, s Database, _ func(string) [][]string) {
	calls := OverMonths(t, s)
	over := begin.AddDate(0, 3, 0)
	if sumDays(t, s, over) < 50 {
		t.Fatal("too few days")
	}
	late := samples(960)[900:]
	for i := range late {
		late[i].Ended = begin.AddDate(0, 0, -40).Add(time.Duration(i) * 61 * time.Hour)
		if i%4 == 0 {
			late[i].Ended = over.Truncate(24 * time.Hour).Add(time.Duration(i-30) * time.Minute)
		}
	}
	ingest(t, s, 7, late...)
	calls = append(calls, late...)
	for range 2 {
		if a := audited(t, s, false, len(calls)); !a.Agrees() {
			t.Fatalf("%+v", a.Rollups)
		}
		askOverMonths(t, s, calls, 70)
		sumDays(t, s, begin.AddDate(1, 0, 0))
	}
}

// pastConcurrent makes sums while calls are stored, of the same days and of days that
// were summed up.
func pastConcurrent(t *testing.T, s Database, _ func(string) [][]string) {
	calls := samples(600)
	for i := range calls {
		calls[i].Ended = begin.Add(time.Duration(i) * time.Hour)
		if i > 300 && i%3 == 0 {
			calls[i].Ended = begin.Add(time.Duration(i-300) * time.Hour)
		}
	}
	summed, stored := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; i < len(calls); i += 5 {
			if i == 300 {
				<-summed // so that some of the others are late
			}
			if _, err := s.Ingest(t.Context(), event.Batch{Calls: calls[i : i+5]}); err != nil {
				stored <- err
				return
			}
		}
		stored <- nil
	}()
	days, writing := 0, true
	for again := true; again; {
		select {
		case err := <-stored:
			if err != nil {
				t.Fatal(err)
			}
			writing = false
		default:
		}
		day, err := s.SumDay(t.Context(), begin.AddDate(1, 0, 0))
		if err != nil && model.KindOf(err) != model.KindConflict {
			t.Fatal(err)
		}
		if !day.IsZero() {
			if days++; days == 3 {
				close(summed)
			}
		}
		again = writing || err != nil || !day.IsZero()
	}
	if a := audited(t, s, false, len(calls)); !a.Agrees() || days < 20 {
		t.Errorf("%d days; %+v", days, a.Rollups)
	}
}

// pastDamage finds a row of each kind damaged, one that is missing and one that is
// too many, and repairs all; likewise sums of a day behind the boundary.
func pastDamage(t *testing.T, s Database, exec func(string) [][]string) {
	calls := len(OverMonths(t, s))
	over := begin.AddDate(0, 2, 0)
	sumDays(t, s, over)
	const columns = "unit, dimension, start, value, target, task, strategy"
	kinds := exec(`SELECT DISTINCT unit, dimension FROM cost_past`)
	if len(kinds) != 4*8 {
		t.Fatalf("%d kinds of sums: %v", len(kinds), kinds)
	}
	for _, k := range kinds {
		exec(fmt.Sprintf(`UPDATE cost_past SET cost = cost + 1 WHERE (%[1]s) = (SELECT %[1]s FROM cost_past WHERE unit = '%[2]s' AND dimension = '%[3]s' ORDER BY %[1]s LIMIT 1)`, columns, k[0], k[1]))
		exec(fmt.Sprintf(`DELETE FROM cost_past WHERE (%[1]s) = (SELECT %[1]s FROM cost_past WHERE unit = '%[2]s' AND dimension = '%[3]s' ORDER BY start DESC, value, target, task, strategy LIMIT 1)`, columns, k[0], k[1]))
	}
	exec(`UPDATE cost_past SET value = 'nobody' WHERE unit = 'month by task' AND dimension = 'project' AND value = 'project-1'`)
	for _, repair := range []bool{false, true} {
		a := audited(t, s, repair, calls)
		found := map[string]int{}
		for i := range a.Rollups {
			d := &a.Rollups[i]
			why := "differs"
			switch {
			case d.Stored == nil:
				why = "is missing"
			case d.Computed == nil:
				why = "is too many"
			}
			found[why]++
			if d.Row.Unit.Table() != "cost_past" {
				t.Errorf("found %+v", d)
			}
		}
		if found["differs"] < len(kinds)-2 || found["is missing"] < len(kinds) || found["is too many"] == 0 {
			t.Errorf("repair %v: found %v", repair, found)
		}
	}
	if a := audited(t, s, false, calls); !a.Agrees() {
		t.Errorf("after the repair: %+v", a.Rollups)
	}
	exec(`UPDATE cost_past_boundary SET below = (SELECT max(start) FROM cost_past WHERE unit = 'day by target')`)
	behind := 0
	for _, d := range audited(t, s, true, calls).Rollups {
		if d.Row.Unit == batch.DayByTarget && d.Computed == nil {
			behind++
		}
	}
	if behind < 7 {
		t.Errorf("%d rows behind the boundary are found", behind)
	}
	if a := audited(t, s, false, calls); !a.Agrees() {
		t.Errorf("after the repair: %+v", a.Rollups)
	}
	askOverMonths(t, s, OverMonths(t, s), 50) // they are stored already
	sumDays(t, s, begin.AddDate(1, 0, 0))
	if a := audited(t, s, false, calls); !a.Agrees() {
		t.Errorf("of the days after the repair: %+v", a.Rollups)
	}
}
