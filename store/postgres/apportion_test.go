package postgres

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestApportionAddsUp: whatever differs, the rows are ones that the table takes,
// add up to what is right, and a gateway's own stays as it is when nothing of it
// has to go.
func TestApportionAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Int64Range(0, 5)
		draw := func() (c charges) {
			for u := range c {
				c[u] = number.Draw(t, "n")
			}
			return c
		}
		var rows []spoolSpend
		var stored charges
		for i := range rapid.IntRange(0, 4).Draw(t, "rows") {
			r := spoolSpend{charges: draw()}
			if i > 0 {
				r.spool = fmt.Sprint(i)
			}
			r.charges[chargedCalls]++
			rows, stored = append(rows, r), stored.plus(r.charges, 1)
		}
		want := draw()
		if want[chargedCalls] == 0 {
			want = charges{}
		}
		by := want.plus(stored, -1)
		before := map[string]charges{}
		missing := by[chargedCalls] > 0
		for u := range by {
			missing = missing && by[u] >= 0
		}
		for _, r := range rows {
			before[r.spool] = r.charges
		}
		var sum charges
		for _, r := range apportion(rows, by) {
			s := r.spend()
			if s.Calls < 1 || s.Assumed < 0 || s.Cost < s.Assumed || s.Tokens < 0 || s.Requests < 0 {
				t.Fatalf("no row of the table: %+v", r)
			}
			if missing && r.spool != "" && r.charges != before[r.spool] {
				t.Fatalf("%s recorded %v; now it is %v", r.spool, before[r.spool], r.charges)
			}
			sum = sum.plus(r.charges, 1)
		}
		if sum != want {
			t.Fatalf("they add up to %v, want %v", sum, want)
		}
	})
}
