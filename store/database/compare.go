package database

import (
	"context"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

// Source is what a comparison reads of a store, all of one moment. An error of a
// visit ends the walk, and is returned as it is.
type Source interface {
	// Blocks shows where documents lie, in the order of storing: the number of
	// each block, and when the first and the last of its calls ended.
	Blocks(ctx context.Context, visit func(number int64, oldest, newest time.Time)) error
	// Documents shows those of the blocks with first ≤ number ≤ last.
	Documents(ctx context.Context, first, last int64, visit func([]batch.Entry) error) error
	// Sums shows the rows of a table of sums that begin in a stretch of time.
	Sums(ctx context.Context, p batch.Piece, visit func(RollupRow, event.Tally)) error
	// Spending shows what each budget was charged in each period.
	Spending(ctx context.Context, visit func(event.BudgetSpend)) error
}

// Options say how to compare.
type Options struct {
	Boundary int64                               // calls of lower numbers have left the store; 0: none have
	Past     time.Time                           // there are sums of cost_past of the days before; zero: there are none
	Counted  func(*event.Call) *event.Call       // as what the store counted a call; nil: as it is
	Repair   func(context.Context, *Found) error // puts rows right before the next stretch is read; nil: compare only
	Progress func(calls int)                     // is told how many were read since the last time
}

// Found are rows that differ.
type Found struct {
	Rollups  []RollupDifference
	Spending []SpendDifference
}

// maxSums is how many sums by the hour are held before they are compared, unless
// one step of the plan has more. One takes about 400 bytes.
const maxSums = 100_000

// comparison works sums out of the calls, stretch by stretch in the order in
// which they ended, and compares each stretch when all its calls are read.
type comparison struct {
	Source
	Options
	maxSums int

	audit   Audit
	found   Found         // in the stretch at hand
	rollups batch.Rollups // of the stretch at hand; the targets are numbered here, from 1
	coarse  batch.Sums    // of rollups that were compared, as far as their own stretch is not over
	spend   spends
	done    map[batch.Unit]time.Time // up to when each unit was compared; "" is cost_rollup
	targets []event.Target           // by their numbers
	numbers map[event.Target]int64
}

// Compare works the sums out anew from every stored call and compares them with
// those that are stored. It reads the calls of some hours at a time, those that
// were stored late included, and holds no more sums at once than those of these
// hours, of their days and months, and of all budgets' periods. Errors are those
// of the source, and KindInternal for damaged documents.
func Compare(ctx context.Context, from Source, o Options) (*Audit, error) {
	return newComparison(from, o).run(ctx, stepBlocks)
}

func newComparison(from Source, o Options) *comparison {
	since := BoundaryTime(o.Boundary)
	done := map[batch.Unit]time.Time{}
	for _, u := range batch.Units {
		done[u] = since
	}
	return &comparison{
		Source: from, Options: o, maxSums: maxSums, audit: Audit{Since: since},
		rollups: batch.Rollups{}, coarse: batch.Sums{}, spend: newSpends(), numbers: map[event.Target]int64{},
		done: done,
	}
}

func (c *comparison) run(ctx context.Context, stepBlocks int) (*Audit, error) {
	p := plan{stepBlocks: stepBlocks}
	err := c.Blocks(ctx, func(number int64, oldest, newest time.Time) {
		p.add(number, batch.HourOf(oldest), batch.HourOf(newest))
	})
	if err != nil {
		return nil, err
	}
	p.begin()
	if err := c.loadSpending(ctx, true); err != nil {
		return nil, err
	}
	for more := true; more; {
		var s step
		s, more = p.next()
		if err := c.read(ctx, &s); err != nil {
			return nil, err
		}
		var until time.Time
		if more {
			until = batch.HourTime(s.below)
			if len(c.rollups) < c.maxSums && !batch.Month.Floor(until).After(c.done[batch.Month]) {
				continue
			}
		}
		if err := c.compare(ctx, until); err != nil {
			return nil, err
		}
	}
	if err := c.restOfSpending(ctx); err != nil {
		return nil, err
	}
	c.audit.sort()
	return &c.audit, nil
}

// read adds up the calls of a step.
func (c *comparison) read(ctx context.Context, s *step) error {
	for _, r := range s.ranges {
		if err := c.Documents(ctx, r.first, r.last, func(entries []batch.Entry) error {
			return c.count(ctx, s, entries)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) count(ctx context.Context, s *step, entries []batch.Entry) error {
	counted := 0
	for i := range entries {
		if !s.has(batch.HourOf(time.UnixMicro(entries[i].Ended))) {
			continue
		}
		counted++
		call, err := c.counted(&entries[i])
		if err != nil {
			return err
		}
		c.charge(call)
		if err := c.rollups.Add(call, func(t event.Target) (int64, error) { return c.number(t), nil }); err != nil {
			return err
		}
	}
	c.audit.Calls += int64(counted)
	if counted > 0 {
		c.Progress(counted)
	}
	return ctx.Err()
}

// counted reads a call as the store counted it.
func (c *comparison) counted(e *batch.Entry) (*event.Call, error) {
	call, err := Summarized(e)
	if err == nil && c.Counted != nil {
		call = c.Counted(call)
	}
	return call, err
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

func (c *comparison) number(t event.Target) int64 {
	n, ok := c.numbers[t]
	if !ok {
		c.targets = append(c.targets, t)
		n = int64(len(c.targets))
		c.numbers[t] = n
	}
	return n
}

// compare looks at the stored sums up to a whole hour, before which no call is
// left to be read, and at those of the days and months that end with it; at the
// zero time, at all that are left, and at the budgets.
func (c *comparison) compare(ctx context.Context, until time.Time) error {
	c.coarse.Fold(c.rollups, c.Past)
	c.forget()
	for _, u := range batch.Units {
		p := batch.Piece{Unit: u, Since: c.done[u]}
		if !until.IsZero() {
			if p.Until = u.Floor(until); !p.Until.After(p.Since) {
				continue
			}
		}
		if err := c.Sums(ctx, p, c.rollup); err != nil {
			return err
		}
		c.done[u] = p.Until
	}
	c.missing(until.IsZero())
	if until.IsZero() {
		c.compareSpending()
	}
	return c.settle(ctx)
}

// settle takes over what was found in a stretch.
func (c *comparison) settle(ctx context.Context) error {
	c.audit.add(&c.found)
	if c.Repair != nil && len(c.found.Rollups)+len(c.found.Spending) > 0 {
		if err := c.Repair(ctx, &c.found); err != nil {
			return err
		}
	}
	c.found = Found{}
	return nil
}

// rollup compares a stored row, behind all calls that it may count. Every row is
// given once.
func (c *comparison) rollup(row RollupRow, stored event.Tally) {
	if c.left(row.Start) {
		return
	}
	c.audit.Sums++
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
		c.differs(d)
	}
}

// differs notes a row. What is only told is not kept until the stretch ends.
func (c *comparison) differs(d RollupDifference) {
	c.found.Rollups = append(c.found.Rollups, d)
	if c.Repair == nil && len(c.found.Rollups) >= maxSums {
		c.audit.add(&c.found)
		c.found = Found{}
	}
}

// missing notes what was worked out of calls and is not stored, of all that was
// compared.
func (c *comparison) missing(all bool) {
	for k, t := range c.rollups {
		row := RollupRow{"", k.Dimension, batch.HourTime(k.Hour), k.Value, c.targets[k.Target-1], k.Task.String(), k.Strategy}
		c.differs(RollupDifference{Row: row, Computed: t})
	}
	clear(c.rollups)
	for k, t := range c.coarse {
		start := batch.HourTime(k.Start)
		if !all && !start.Before(c.done[k.Unit]) {
			continue
		}
		row := RollupRow{k.Unit, k.Dimension, start, k.Value, event.Target{}, k.Task, k.Strategy}
		if k.Target != 0 {
			row.Target = c.targets[k.Target-1]
		}
		c.differs(RollupDifference{Row: row, Computed: t})
		delete(c.coarse, k)
	}
}
