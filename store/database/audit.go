package database

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

// Audit is what a comparison of the stored sums with those of the stored calls
// came to.
type Audit struct {
	Rows  int64 // of calls
	Calls int64 // whose documents are stored: as many as Rows

	NoDocuments Unmatched // rows; filled in where the two are not as many
	NoRow       Unmatched // documents, likewise

	Sums   int64 // rows of cost_rollup, cost_sums and cost_past that were looked at
	Spends int64 // rows of budget_spend, likewise

	Since time.Time // sums of before are not looked at: their calls have left the store; zero: none have

	SumsDiffer   int64 // of Sums or missing: those in Rollups, and those beyond MaxDifferences
	SpendsDiffer int64 // likewise

	Rollups  []RollupDifference // sorted by row
	Spending []SpendDifference  // sorted by budget and period
}

// MaxDifferences is how many rows of sums that differ, and how many of budgets,
// an Audit holds at most: the first that are found.
const MaxDifferences = 100_000

// Agrees reports whether nothing differs.
func (a *Audit) Agrees() bool { return a.Rows == a.Calls && a.Differ() == 0 }

// Differ is how many rows differ.
func (a *Audit) Differ() int64 { return a.SumsDiffer + a.SpendsDiffer }

// Listed reports whether all rows that differ are listed.
func (a *Audit) Listed() bool { return a.Differ() == int64(len(a.Rollups)+len(a.Spending)) }

// add notes rows that differ.
func (a *Audit) add(f *Found) {
	a.SumsDiffer += int64(len(f.Rollups))
	a.SpendsDiffer += int64(len(f.Spending))
	a.Rollups = append(a.Rollups, f.Rollups[:min(len(f.Rollups), MaxDifferences-len(a.Rollups))]...)
	a.Spending = append(a.Spending, f.Spending[:min(len(f.Spending), MaxDifferences-len(a.Spending))]...)
}

func (a *Audit) sort() {
	slices.SortFunc(a.Rollups, func(x, y RollupDifference) int { return x.Row.compare(&y.Row) })
	slices.SortFunc(a.Spending, func(x, y SpendDifference) int {
		return cmp.Or(cmp.Compare(x.Budget, y.Budget), x.Period.Compare(y.Period))
	})
}

// RollupRow says which row of cost_rollup or, with a unit, of cost_sums or cost_past.
type RollupRow struct {
	Unit      batch.Unit
	Dimension event.Dimension // "" for all calls
	Start     time.Time       // of the hour or piece of time, UTC
	Value     string
	Target    event.Target // of a row that tells targets apart, likewise task and strategy
	Task      string
	Strategy  string
}

// Apart reports whether rows of this kind tell targets apart.
func (r *RollupRow) Apart() bool {
	switch r.Unit {
	case "", batch.DayByTarget, batch.MonthByTarget:
		return true
	case batch.Day:
		return r.Dimension == ""
	}
	return false
}

// RollupKey returns the key of a row of cost_rollup in a store that has numbered
// the target; false for a row that no call can have.
func (r *RollupRow) RollupKey(target int64) (batch.RollupKey, bool) {
	task, err := model.ParseTask(r.Task)
	hour := batch.HourOf(r.Start)
	k := batch.RollupKey{Dimension: r.Dimension, Hour: hour, Value: r.Value, Target: target, Task: task, Strategy: r.Strategy}
	return k, err == nil && batch.HourTime(hour).Equal(r.Start)
}

// SumKey returns the key of a row of cost_sums or cost_past, likewise.
func (r *RollupRow) SumKey(target int64) (batch.SumKey, bool) {
	start := batch.HourOf(r.Start)
	k := batch.SumKey{Unit: r.Unit, Dimension: r.Dimension, Start: start, Value: r.Value, Target: target, Task: r.Task, Strategy: r.Strategy}
	return k, batch.HourTime(start).Equal(r.Start)
}

// RollupDifference is a row of sums that is not what its calls add up to.
type RollupDifference struct {
	Row              RollupRow
	Stored, Computed *event.Tally // nil: no such row
}

// SpendDifference is a row of budget_spend that is not what its charges add up to.
type SpendDifference struct {
	Budget           model.BudgetID
	Period           time.Time
	Stored, Computed *event.BudgetSpend // nil: no such row
}

// Column is one number that differs, in decimal; "" where the row is missing.
type Column struct{ Name, Stored, Computed string }

func (r *RollupRow) compare(o *RollupRow) int {
	return cmp.Or(cmp.Compare(r.Unit, o.Unit), cmp.Compare(r.Dimension, o.Dimension), r.Start.Compare(o.Start), cmp.Compare(r.Value, o.Value),
		cmp.Compare(r.Target.Endpoint, o.Target.Endpoint), cmp.Compare(r.Target.Model, o.Target.Model), cmp.Compare(r.Target.Provider, o.Target.Provider),
		cmp.Compare(r.Task, o.Task), cmp.Compare(r.Strategy, o.Strategy))
}

// Columns returns what differs; of a row that only one side has, what is not 0.
func (d *RollupDifference) Columns() []Column {
	return differing(d.Stored, d.Computed, func(t *event.Tally) []number {
		return []number{
			whole("calls", t.Calls), whole("failed", t.Failed), whole("unpriced", t.Unpriced),
			whole("cost", int64(t.Cost)), whole("estimated", int64(t.Estimated)), whole("input", t.Input),
			whole("cached_read", t.CachedRead), whole("cache_write", t.CacheWrite), whole("output", t.Output), whole("reasoning", t.Reasoning),
			{name: "latency_ms", sum: t.Latency}, whole("latency_calls", t.LatencyCalls), {name: "ttft_ms", sum: t.TTFT}, whole("ttft_calls", t.TTFTCalls),
		}
	})
}

// Columns returns what differs, likewise.
func (d *SpendDifference) Columns() []Column {
	return differing(d.Stored, d.Computed, func(s *event.BudgetSpend) []number {
		return []number{
			whole("calls", s.Calls), whole("cost", int64(s.Cost)), whole("assumed", int64(s.Assumed)),
			whole("tokens", s.Tokens), whole("requests", s.Requests),
		}
	})
}

// number is the value of a column: a whole one, or a sum of milliseconds.
type number struct {
	name  string
	whole int64
	sum   float64
}

func whole(name string, n int64) number { return number{name: name, whole: n} }

// is reports whether n is m. Milliseconds are added up in any order, which
// changes their last digits.
func (n number) is(m number) bool {
	return n.whole == m.whole && math.Abs(n.sum-m.sum) <= 1e-6*max(1, math.Abs(n.sum))
}

func (n number) String() string {
	if n.sum != 0 {
		return strconv.FormatFloat(n.sum, 'f', -1, 64)
	}
	return strconv.FormatInt(n.whole, 10)
}

func differing[T any](stored, computed *T, numbers func(*T) []number) (out []Column) {
	var none T
	a, b := numbers(&none), numbers(&none)
	if stored != nil {
		a = numbers(stored)
	}
	if computed != nil {
		b = numbers(computed)
	}
	for i := range a {
		if a[i].is(b[i]) {
			continue
		}
		c := Column{Name: a[i].name}
		if stored != nil {
			c.Stored = a[i].String()
		}
		if computed != nil {
			c.Computed = b[i].String()
		}
		out = append(out, c)
	}
	return out
}

// Damaged is the error of documents that cannot be unpacked. seq is the number of
// the first call among them.
func Damaged(seq int64) error {
	return model.Errorf("", model.KindInternal, "the documents stored together from number %d on, %s, are damaged", seq, time.UnixMicro(seq).UTC().Format(time.RFC3339))
}
