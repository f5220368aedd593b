package database

import (
	"cmp"
	"context"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

// TestCompareFindsWhatIsDamaged: however the calls lie, which of them came late,
// and how short the stretches are, exactly the rows that were damaged are found,
// and a repair puts them right.
func TestCompareFindsWhatIsDamaged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawStore(t)
		damaged := m.damage(t)
		for _, repair := range []bool{false, true} {
			a := m.compare(t, repair)
			if int(a.Calls) != m.calls || m.told != m.calls {
				t.Fatalf("%d calls, %d of them told; want %d", a.Calls, m.told, m.calls)
			}
			found := map[any]bool{}
			for i := range a.Rollups {
				found[a.Rollups[i].Row] = true
			}
			for i := range a.Spending {
				found[batch.SpendKey{Budget: a.Spending[i].Budget, Period: a.Spending[i].Period.UnixMicro()}] = true
			}
			if !maps.Equal(found, damaged) || a.Differ() != int64(len(damaged)) {
				t.Fatalf("repair %v: found %v\ndamaged %v", repair, found, damaged)
			}
			if !slices.IsSortedFunc(a.Rollups, func(x, y RollupDifference) int { return x.Row.compare(&y.Row) }) {
				t.Fatal("not sorted")
			}
		}
		if a := m.compare(t, false); !a.Agrees() {
			t.Fatalf("after the repair: %+v %+v", a.Rollups, a.Spending)
		}
	})
}

// TestAuditHoldsNoMoreThanItMay: rows beyond that are counted alone, and none of
// them passes for right.
func TestAuditHoldsNoMoreThanItMay(t *testing.T) {
	m := &memory{sums: map[RollupRow]event.Tally{}}
	for n := range MaxDifferences + 5 {
		m.sums[RollupRow{Unit: batch.Hour, Start: batch.HourTime(int64(n))}] = event.Tally{}
	}
	a, err := Compare(context.Background(), m, Options{})
	if err != nil || len(a.Rollups) != MaxDifferences || a.SumsDiffer != MaxDifferences+5 || a.Sums != MaxDifferences+5 || a.Agrees() {
		t.Errorf("%d rows, %d of them differ, %d listed; %v", a.Sums, a.SumsDiffer, len(a.Rollups), err)
	}
}

// memory is a store of a few calls.
type memory struct {
	boundary int64
	past     time.Time
	calls    int
	blocks   []memoryBlock
	sums     map[RollupRow]event.Tally
	spend    map[batch.SpendKey]event.BudgetSpend

	maxSums, maxSpends, stepBlocks int // of the comparison
	told                           int
}

type memoryBlock struct {
	number  int64
	entries []batch.Entry
}

// start is the beginning of a month; so is what its calls end around.
var start = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)

func drawStore(t *rapid.T) *memory {
	m := &memory{
		sums: map[RollupRow]event.Tally{}, spend: map[batch.SpendKey]event.BudgetSpend{},
		maxSums: rapid.IntRange(1, 60).Draw(t, "sums"), maxSpends: rapid.IntRange(1, 20).Draw(t, "spends"), stepBlocks: rapid.IntRange(1, 5).Draw(t, "blocks"),
	}
	if rapid.Bool().Draw(t, "archived") {
		m.boundary = start.AddDate(0, 0, rapid.IntRange(-1, 40).Draw(t, "boundary")).UnixMicro()
	}
	if rapid.Bool().Draw(t, "past") {
		m.past = start.AddDate(0, 0, rapid.IntRange(-1, 70).Draw(t, "days"))
	}
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		at := rapid.SampledFrom([]time.Time{start, start.AddDate(0, 0, 1), start.AddDate(0, 1, 0), start.AddDate(0, 2, 3), start.Add(5 * time.Hour)}).Draw(t, "at")
		return at.Add(time.Duration(rapid.SampledFrom([]int{-3_600_000_001, -1, 0, 1, 3_599_999_999, 3_600_000_000}).Draw(t, "µs")) * time.Microsecond)
	})
	ended := rapid.SliceOfN(moment, 0, 60).Draw(t, "ended")
	late := rapid.IntRange(0, len(ended)).Draw(t, "late") // these come in the order in which they were drawn
	slices.SortFunc(ended[late:], time.Time.Compare)
	ended = append(slices.Clone(ended[late:]), ended[:late]...)
	m.store(t, ended)
	return m
}

// store gives the calls their numbers and counts them, as a store does.
func (m *memory) store(t *rapid.T, ended []time.Time) {
	var last int64
	var rows []batch.Row
	rollups, spend := batch.Rollups{}, batch.Spending{}
	var targets []event.Target
	number := func(x event.Target) (int64, error) {
		i := slices.Index(targets, x)
		if i < 0 {
			i, targets = len(targets), append(targets, x)
		}
		return int64(i + 1), nil
	}
	for i, at := range ended {
		last = max(last+1, at.UnixMicro())
		c := drawCall(t, i, at)
		rows = append(rows, batch.Row{Seq: last, Call: c})
		spend.Add(c)
		if err := rollups.Add(c, number); err != nil {
			t.Fatal(err)
		}
	}
	m.calls = len(rows)
	for p := (batch.Packer{}); len(rows) > 0; {
		n := rapid.IntRange(1, min(4, len(rows))).Draw(t, "in a block")
		records, plans := p.Pack(rows[0].Seq, rows[:n])
		entries, err := batch.Unpack(rows[0].Seq, records, plans)
		if err != nil {
			t.Fatal(err)
		}
		m.blocks = append(m.blocks, memoryBlock{rows[0].Seq, entries})
		rows = rows[n:]
	}
	for k, s := range rollups {
		m.sums[RollupRow{"", k.Dimension, batch.HourTime(k.Hour), k.Value, targets[k.Target-1], k.Task.String(), k.Strategy}] = *s
	}
	for k, s := range rollups.Coarse(m.past) {
		row := RollupRow{k.Unit, k.Dimension, batch.HourTime(k.Start), k.Value, event.Target{}, k.Task, k.Strategy}
		if k.Target > 0 {
			row.Target = targets[k.Target-1]
		}
		m.sums[row] = *s
	}
	for k, s := range spend {
		s.Budget, s.Period = k.Budget, time.UnixMicro(k.Period).UTC()
		m.spend[k] = *s
	}
}

func drawCall(t *rapid.T, n int, ended time.Time) *event.Call {
	r := &model.Record{
		Received: ended, Surface: model.SurfaceChat, Task: model.Task(rapid.IntRange(0, 1).Draw(t, "task")), State: model.StateCompleted,
		Model: "m", Endpoint: model.EndpointID("p/" + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "endpoint")), Provider: "p", LatencyMS: 10.5,
	}
	r.ID[0], r.ID[6], r.ID[8] = 1, 0x70, 0x80
	binary.BigEndian.PutUint32(r.ID[12:], uint32(n))
	r.Context.UserID = rapid.SampledFrom([]string{"", "ada", "bob"}).Draw(t, "user")
	r.Cost.Total = model.Money(rapid.IntRange(0, 9).Draw(t, "cost"))
	r.Charges = []model.Charge{
		{Budget: "all", Period: batch.Month.Floor(ended), Cost: r.Cost.Total, Tokens: 1, Requests: 1},
		{Budget: "hourly", Period: batch.Hour.Floor(ended), Cost: r.Cost.Total, Requests: 1, Assumed: n%2 == 0},
	}
	return &event.Call{Ended: ended, Summary: event.Summarize(r), RecordJSON: event.AppendRecord(nil, r)}
}

// damage changes some rows, takes some away and adds some, and returns which of
// them an audit looks at.
func (m *memory) damage(t *rapid.T) map[any]bool {
	damaged := map[any]bool{}
	since := BoundaryTime(m.boundary)
	rows := slices.SortedFunc(maps.Keys(m.sums), func(a, b RollupRow) int { return a.compare(&b) })
	for _, i := range drawSome(t, "row", len(rows)) {
		row := rows[i]
		if !row.Start.Before(since) {
			damaged[row] = true
		}
		switch s := m.sums[row]; rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			s.Cost++
			m.sums[row] = s
		case 1:
			delete(m.sums, row)
		default: // an hour that is none of its unit, or begins somewhere within
			odd := row
			odd.Start = odd.Start.Add(time.Duration(rapid.SampledFrom([]int{-40, 7, 30, 50_000}).Draw(t, "minutes")) * time.Minute)
			odd.Value += "?"
			m.sums[odd] = s
			damaged[row] = false
			damaged[odd] = !odd.Start.Before(since)
		}
	}
	spends := slices.SortedFunc(maps.Keys(m.spend), func(a, b batch.SpendKey) int {
		return cmp.Or(cmp.Compare(a.Budget, b.Budget), cmp.Compare(a.Period, b.Period))
	})
	for _, i := range drawSome(t, "spend", len(spends)) {
		delete(m.spend, spends[i])
		damaged[spends[i]] = !time.UnixMicro(spends[i].Period).Before(since)
	}
	maps.DeleteFunc(damaged, func(_ any, looked bool) bool { return !looked })
	return damaged
}

func drawSome(t *rapid.T, what string, of int) []int {
	if of == 0 {
		return nil
	}
	return rapid.SliceOfNDistinct(rapid.IntRange(0, of-1), 0, min(of, 5), rapid.ID[int]).Draw(t, what)
}

func (m *memory) compare(t *rapid.T, repair bool) *Audit {
	m.told = 0
	o := Options{Boundary: m.boundary, Past: m.past, Progress: func(n int) { m.told += n }}
	if repair {
		o.Repair = m.repair
	}
	c := newComparison(m, o)
	c.maxSums, c.spend.max = m.maxSums, m.maxSpends
	a, err := c.run(context.Background(), m.stepBlocks)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.spend.held) > m.maxSpends {
		t.Fatalf("%d periods are held; want %d at most", len(c.spend.held), m.maxSpends)
	}
	a.Rows = int64(m.calls)
	return a
}

func (m *memory) repair(_ context.Context, f *Found) error {
	for _, d := range f.Rollups {
		if delete(m.sums, d.Row); d.Computed != nil {
			m.sums[d.Row] = *d.Computed
		}
	}
	for _, d := range f.Spending {
		k := batch.SpendKey{Budget: d.Budget, Period: d.Period.UnixMicro()}
		if delete(m.spend, k); d.Computed != nil {
			s := *d.Computed
			s.Budget, s.Period = d.Budget, d.Period
			m.spend[k] = s
		}
	}
	return nil
}

// Blocks implements Source.
func (m *memory) Blocks(_ context.Context, visit func(int64, time.Time, time.Time)) error {
	for _, b := range m.blocks {
		oldest, newest := batch.Ended(b.entries)
		visit(b.number, oldest, newest)
	}
	return nil
}

// Documents implements Source.
func (m *memory) Documents(_ context.Context, first, last int64, visit func([]batch.Entry) error) error {
	for _, b := range m.blocks {
		if b.number >= first && b.number <= last {
			if err := visit(b.entries); err != nil {
				return err
			}
		}
	}
	return nil
}

// Sums implements Source.
func (m *memory) Sums(_ context.Context, p batch.Piece, visit func(RollupRow, event.Tally)) error {
	for row, s := range m.sums {
		if row.Unit == p.Unit && !row.Start.Before(p.Since) && (p.Until.IsZero() || row.Start.Before(p.Until)) {
			visit(row, s)
		}
	}
	return nil
}

// Spending implements Source.
func (m *memory) Spending(_ context.Context, visit func(event.BudgetSpend)) error {
	for _, s := range m.spend {
		visit(s)
	}
	return nil
}

// TestPlanTakesEveryHourOnce: the steps follow each other, each knows the blocks
// of its hours and few others, and none is larger than it must be.
func TestPlanTakesEveryHourOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan{stepBlocks: rapid.IntRange(1, 4).Draw(t, "blocks")}
		type block struct{ low, high int64 }
		var blocks []block
		for i := range rapid.IntRange(0, 30).Draw(t, "n") {
			low := rapid.Int64Range(492_000, 493_000).Draw(t, "low")
			blocks = append(blocks, block{low, low + rapid.Int64Range(0, 3).Draw(t, "hours")})
			p.add(int64(i), blocks[i].low, blocks[i].high)
		}
		p.begin()
		at := int64(math.MinInt64)
		for more := true; more; {
			var s step
			if s, more = p.next(); s.from != at || s.below <= at {
				t.Fatalf("a step from %d to %d follows %d", s.from, s.below, at)
			}
			at = s.below
			var begun []int64
			for i, b := range blocks {
				read := slices.ContainsFunc(s.ranges, func(r blockRange) bool { return r.first <= int64(i) && int64(i) <= r.last })
				if want := b.low < s.below && b.high >= s.from; read != want {
					t.Fatalf("from %d to %d: block %d of %+v is read: %v", s.from, s.below, i, b, read)
				}
				if s.has(b.low) {
					begun = append(begun, b.low)
				}
			}
			slices.Sort(begun)
			if n := len(begun); n > p.stepBlocks && begun[p.stepBlocks] > begun[p.stepBlocks-1] || n > 0 && !month(begun[0]).Equal(month(begun[n-1])) {
				t.Fatalf("a step has blocks that begin in %v", begun)
			}
		}
		if at != math.MaxInt64 {
			t.Fatalf("the last step ends at %d", at)
		}
	})
}
