package batch

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/event"
)

// TestPieces: the pieces follow each other without gap or overlap, each begins and
// ends where its unit does, and nothing coarser would do.
func TestPieces(t *testing.T) {
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		moment := func(name string) time.Time {
			h := rapid.OneOf(rapid.Just(-1), rapid.IntRange(0, 5000), rapid.Map(rapid.IntRange(0, 200), func(d int) int { return d * 24 })).Draw(t, name)
			if h < 0 {
				return time.Time{}
			}
			return base.Add(time.Duration(h) * time.Hour)
		}
		q := event.CostQuery{Since: moment("since"), Until: moment("until"), By: rapid.SampledFrom(append(event.Dimensions(), "")).Draw(t, "by")}
		if rapid.Bool().Draw(t, "of a user") {
			q.User = "u"
		}
		if rapid.Bool().Draw(t, "of a model") {
			q.Model = "m"
		}
		if rapid.Bool().Draw(t, "of a strategy") {
			q.Strategy = "s"
		}
		q, err := q.Check()
		if err != nil {
			return
		}
		dimension, _ := q.Restriction()
		if q.By.OfContext() {
			dimension = q.By
		}
		var past time.Time
		if rapid.Bool().Draw(t, "past") {
			past = base.AddDate(0, 0, rapid.IntRange(0, 200).Draw(t, "days"))
		}
		group := q.By
		if group == "" && rapid.Bool().Draw(t, "bills") {
			group = ByBill
		}
		got := Pieces(&q, dimension, group, past)
		if len(got) == 0 || !got[0].Since.Equal(q.Since) || !got[len(got)-1].Until.Equal(q.Until) {
			t.Fatalf("%+v: %v", q, got)
		}
		for i, p := range got {
			if i > 0 && !p.Since.Equal(got[i-1].Until) {
				t.Fatalf("%v: a gap or an overlap", got)
			}
			for _, at := range []time.Time{p.Since, p.Until} {
				if !at.IsZero() && !p.Unit.Floor(at).Equal(at) && (p.Unit.Table() != "cost_past" || !at.Equal(past)) {
					t.Fatalf("%v: %s is not where a %s begins", got, at, p.Unit)
				}
			}
			if p.Unit.Table() == "cost_past" && (p.Until.IsZero() || p.Until.After(past)) {
				t.Fatalf("%v: %s has sums before %s", got, p.Unit, past)
			}
			length := p.Until.Sub(p.Since)
			if group == ByBill && (p.Unit.length() == Month || p.Unit == DayByTask) {
				t.Fatalf("%v: bills by %s", got, p.Unit)
			}
			target, task := apart(&q, group)
			coarse := q.By != event.ByHour && (dimension == "" || !target && !task || inPast(dimension) && target != task && !p.Until.After(past))
			if p.Unit == "" && coarse && !p.Since.IsZero() && !p.Until.IsZero() && length >= 47*time.Hour {
				t.Fatalf("%v: %s by the hour", got, length)
			}
		}
	})
}

// TestPiecesAddUp: the rows that the pieces of a query name add up to those by the
// hour that it is about.
func TestPiecesAddUp(t *testing.T) {
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		r := Rollups{}
		for range rapid.IntRange(1, 60).Draw(t, "rows") {
			k := RollupKey{
				Dimension: rapid.SampledFrom([]event.Dimension{event.ByUser, event.ByWorkflow}).Draw(t, "dimension"), Value: "x",
				Hour: HourOf(base) + rapid.Int64Range(0, 2400).Draw(t, "hour"), Target: rapid.Int64Range(1, 3).Draw(t, "target"),
			}
			r.at(k).Calls++
		}
		past := base.AddDate(0, 0, rapid.IntRange(0, 110).Draw(t, "past"))
		sums := r.Coarse(past)
		hour := func(name string) time.Time {
			return base.Add(time.Duration(rapid.IntRange(-9, 2500).Draw(t, name)) * time.Hour)
		}
		q := event.CostQuery{Since: hour("since"), Until: hour("until"), By: rapid.SampledFrom([]event.Dimension{"", event.ByModel, event.ByTask, event.ByDay, event.ByHour}).Draw(t, "by")}
		q.User = "x"
		q, err := q.Check()
		if err != nil {
			return
		}
		within := func(start int64, since, until time.Time) bool { return start >= HourOf(since) && start < HourOf(until) }
		for _, d := range []event.Dimension{event.ByUser, event.ByWorkflow} {
			var want, got int64
			for k, s := range r {
				if k.Dimension == d && within(k.Hour, q.Since, q.Until) {
					want += s.Calls
				}
			}
			pieces := Pieces(&q, d, q.By, past)
			for _, p := range pieces {
				for k, s := range r {
					if p.Unit == "" && k.Dimension == d && within(k.Hour, p.Since, p.Until) {
						got += s.Calls
					}
				}
				for k, s := range sums {
					if p.Unit == k.Unit && k.Dimension == d && within(k.Start, p.Since, p.Until) {
						got += s.Calls
					}
				}
			}
			if got != want {
				t.Fatalf("by %q of %s: %d calls in %v, want %d", q.By, d, got, pieces, want)
			}
		}
	})
}

// All time takes the months up to the boundary, the one at hand included.
func TestPastPieces(t *testing.T) {
	past := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	q := event.CostQuery{Team: "t", By: event.ByModel}
	if got, want := Pieces(&q, event.ByTeam, q.By, past), []Piece{{MonthByTarget, time.Time{}, past}, {"", past, time.Time{}}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	q = event.CostQuery{Team: "t", Strategy: "s", Since: past.AddDate(0, 0, -40), Until: past.Add(5 * time.Hour)}
	november := past.AddDate(0, 0, -26)
	want := []Piece{{DayByTask, q.Since, november}, {MonthByTask, november, past}, {"", past, q.Until}}
	if got := Pieces(&q, event.ByTeam, q.By, past); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
