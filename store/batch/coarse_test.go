package batch

import (
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
		q, err := q.Check()
		if err != nil {
			return
		}
		dimension, _ := q.Restriction()
		if q.By.OfContext() {
			dimension = q.By
		}
		got := Pieces(&q, dimension, q.By)
		if len(got) == 0 || !got[0].Since.Equal(q.Since) || !got[len(got)-1].Until.Equal(q.Until) {
			t.Fatalf("%+v: %v", q, got)
		}
		for i, p := range got {
			if i > 0 && !p.Since.Equal(got[i-1].Until) {
				t.Fatalf("%v: a gap or an overlap", got)
			}
			if p.Unit == Day || p.Unit == Month {
				for _, at := range []time.Time{p.Since, p.Until} {
					if !at.IsZero() && !p.Unit.Floor(at).Equal(at) {
						t.Fatalf("%v: %s is not where a %s begins", got, at, p.Unit)
					}
				}
			}
			if length := p.Until.Sub(p.Since); p.Unit == "" && q.By != event.ByHour && (dimension == "" || q.Model == "") && !p.Since.IsZero() && !p.Until.IsZero() {
				switch q.By {
				case event.ByModel, event.ByEndpoint, event.ByProvider, event.ByTask, event.ByStrategy:
					if dimension != "" {
						continue
					}
				}
				if length >= 47*time.Hour {
					t.Fatalf("%v: %s by the hour", got, length)
				}
			}
		}
	})
}

// TestCoarseSumsAddUp: of every dimension, each unit adds up to the same.
func TestCoarseSumsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, want := Rollups{}, map[event.Dimension]int64{}
		for range rapid.IntRange(1, 40).Draw(t, "rows") {
			k := RollupKey{
				Dimension: rapid.SampledFrom([]event.Dimension{"", event.ByUser, event.ByTag}).Draw(t, "dimension"), Hour: rapid.Int64Range(490_000, 492_000).Draw(t, "hour"),
				Target: rapid.Int64Range(1, 3).Draw(t, "target"), Strategy: rapid.SampledFrom([]string{"", "a"}).Draw(t, "strategy"),
			}
			if k.Dimension != "" {
				k.Value = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "value")
			}
			r.at(k).Calls += 7
			want[k.Dimension] += 7
		}
		type part struct {
			Unit
			event.Dimension
		}
		got := map[part]int64{}
		for k, s := range r.Coarse() {
			got[part{k.Unit, k.Dimension}] += s.Calls
			if k.Unit != Hour && !k.Unit.Floor(HourTime(k.Start)).Equal(HourTime(k.Start)) {
				t.Fatalf("%+v", k)
			}
		}
		for p, n := range got {
			if n != want[p.Dimension] {
				t.Fatalf("%v: %d, want %d", p, n, want[p.Dimension])
			}
		}
		if len(got) != 2*len(want) {
			t.Fatalf("%v of %v", got, want)
		}
	})
}
