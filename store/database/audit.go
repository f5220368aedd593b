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
	Rows   int64 // of calls
	Calls  int64 // whose documents are stored: as many as Rows
	Sums   int64 // rows of cost_rollup and cost_sums that were looked at
	Spends int64 // rows of budget_spend, likewise

	Since time.Time // sums of before are not looked at: their calls have left the store; zero: none have

	Rollups  []RollupDifference // sorted by row
	Spending []SpendDifference  // sorted by budget and period
}

// Agrees reports whether nothing differs.
func (a *Audit) Agrees() bool {
	return a.Rows == a.Calls && len(a.Rollups) == 0 && len(a.Spending) == 0
}

// RollupRow says which row of cost_rollup or, with a unit, of cost_sums.
type RollupRow struct {
	Unit      batch.Unit
	Dimension event.Dimension // "" for all calls
	Start     time.Time       // of the hour or piece of time, UTC
	Value     string
	Target    event.Target // of a row that tells targets apart, as task and strategy
	Task      string
	Strategy  string
}

// Apart reports whether rows of this kind tell targets, tasks and strategies apart.
func (r *RollupRow) Apart() bool { return r.Unit == "" || r.Unit == batch.Day && r.Dimension == "" }

// Table is the table that the row is of.
func (r *RollupRow) Table() string {
	if r.Unit == "" {
		return "cost_rollup"
	}
	return "cost_sums"
}

// RollupKey returns the key of a row of cost_rollup in a store that has numbered
// the target; false for a row that no call can have.
func (r *RollupRow) RollupKey(target int64) (batch.RollupKey, bool) {
	task, err := model.ParseTask(r.Task)
	hour := batch.HourOf(r.Start)
	k := batch.RollupKey{Dimension: r.Dimension, Hour: hour, Value: r.Value, Target: target, Task: task, Strategy: r.Strategy}
	return k, err == nil && batch.HourTime(hour).Equal(r.Start)
}

// SumKey returns the key of a row of cost_sums, likewise.
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

// Comparison makes an Audit: first it is given every call, then every row.
type Comparison struct {
	audit   Audit
	rollups batch.Rollups // of the calls; the targets are numbered here, from 1
	coarse  batch.Sums    // of the rollups; nil before the first row
	spend   batch.Spending
	targets []event.Target // by their numbers
	numbers map[event.Target]int64
}

// NewComparison returns one that knows of no call. Those below the boundary have
// left the store.
func NewComparison(boundary int64) *Comparison {
	return &Comparison{audit: Audit{Since: BoundaryTime(boundary)}, rollups: batch.Rollups{}, spend: batch.Spending{}, numbers: map[event.Target]int64{}}
}

// Summarized reads the documents of a call as far as sums need them.
func Summarized(e *batch.Entry) (*event.Call, error) {
	rec, err := event.ParseRecord(e.Record, nil)
	if err != nil {
		return nil, err
	}
	if e.Plan != nil {
		rec.Plan = new(model.Plan)
		if rec.Plan.Strategy, err = event.PlanStrategy(e.Plan); err != nil {
			return nil, err
		}
	}
	return &event.Call{Seq: e.Seq, Ended: time.UnixMicro(e.Ended).UTC(), Summary: event.Summarize(rec)}, nil
}

// Call adds a call to the sums, which the store would have counted like this.
func (c *Comparison) Call(call *event.Call) error {
	c.audit.Calls++
	c.spend.Add(call)
	return c.rollups.Add(call, func(t event.Target) (int64, error) { return c.number(t), nil })
}

func (c *Comparison) number(t event.Target) int64 {
	n, ok := c.numbers[t]
	if !ok {
		c.targets = append(c.targets, t)
		n = int64(len(c.targets))
		c.numbers[t] = n
	}
	return n
}

// Rollup compares a stored row, behind all calls. Every row is given once.
func (c *Comparison) Rollup(row RollupRow, stored event.Tally) {
	if c.left(row.Start) {
		return
	}
	c.audit.Sums++
	c.fold()
	var target int64
	if row.Apart() {
		target = c.number(row.Target)
	}
	var computed *event.Tally
	if row.Unit != "" {
		if k, ok := row.SumKey(target); ok {
			computed = c.coarse[k]
			delete(c.coarse, k)
		}
	} else if k, ok := row.RollupKey(target); ok {
		computed = c.rollups[k]
		delete(c.rollups, k)
	}
	d := RollupDifference{row, &stored, computed}
	if computed == nil || len(d.Columns()) > 0 {
		c.audit.Rollups = append(c.audit.Rollups, d)
	}
}

// fold works the coarser sums out, once, before anything is compared.
func (c *Comparison) fold() {
	if c.coarse == nil {
		c.coarse = c.rollups.Coarse()
	}
}

// Spend compares a stored row, likewise.
func (c *Comparison) Spend(stored event.BudgetSpend) {
	if c.left(stored.Period) {
		return
	}
	c.audit.Spends++
	k := batch.SpendKey{Budget: stored.Budget, Period: stored.Period.UnixMicro()}
	d := SpendDifference{stored.Budget, stored.Period, &stored, c.spend[k]}
	delete(c.spend, k)
	if d.Computed == nil || len(d.Columns()) > 0 {
		c.audit.Spending = append(c.audit.Spending, d)
	}
}

// End returns what differs: of rows, those that were given and those that are
// missing. rows is the number of rows of calls.
func (c *Comparison) End(rows int64) *Audit {
	a := &c.audit
	a.Rows = rows
	c.fold()
	c.forget()
	for k, t := range c.rollups {
		row := RollupRow{"", k.Dimension, batch.HourTime(k.Hour), k.Value, c.targets[k.Target-1], k.Task.String(), k.Strategy}
		a.Rollups = append(a.Rollups, RollupDifference{Row: row, Computed: t})
	}
	for k, t := range c.coarse {
		row := RollupRow{k.Unit, k.Dimension, batch.HourTime(k.Start), k.Value, event.Target{}, k.Task, k.Strategy}
		if k.Target != 0 {
			row.Target = c.targets[k.Target-1]
		}
		a.Rollups = append(a.Rollups, RollupDifference{Row: row, Computed: t})
	}
	for k, s := range c.spend {
		a.Spending = append(a.Spending, SpendDifference{Budget: k.Budget, Period: time.UnixMicro(k.Period).UTC(), Computed: s})
	}
	slices.SortFunc(a.Rollups, func(x, y RollupDifference) int { return x.Row.compare(&y.Row) })
	slices.SortFunc(a.Spending, func(x, y SpendDifference) int {
		return cmp.Or(cmp.Compare(x.Budget, y.Budget), x.Period.Compare(y.Period))
	})
	return a
}

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

// Unaccounted is the error of a rebuild whose calls are not all there to be
// added up.
func (a *Audit) Unaccounted(op string) error {
	if a.Rows == a.Calls {
		return nil
	}
	return model.Errorf(op, model.KindConflict, "%d calls are stored, but the documents of %d: sums worked out of these would be wrong", a.Rows, a.Calls)
}
