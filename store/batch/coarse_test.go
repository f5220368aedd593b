package batch

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/event"
)

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
		for k, s := range r.Coarse(HourTime(500_000)) {
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
		for d := range want {
			units := []Unit{Day, Month, DayByTarget, DayByTask, MonthByTarget, MonthByTask}
			if d == "" {
				units[1] = Hour
			}
			for _, u := range units {
				if got[part{u, d}] == 0 {
					t.Fatalf("%s of %q: none of %v", u, d, got)
				}
			}
		}
		if len(got) != 6*len(want) {
			t.Fatalf("%v of %v", got, want)
		}
	})
}
