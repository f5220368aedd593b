package batch

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// Unit is the length of the pieces of time that a sum is kept for.
type Unit string

// The units of cost_sums, and those of cost_past.
const (
	Hour  Unit = "hour"
	Day   Unit = "day"
	Month Unit = "month"

	DayByTarget   Unit = "day by target"
	DayByTask     Unit = "day by task"
	MonthByTarget Unit = "month by target"
	MonthByTask   Unit = "month by task"
)

// Units are all there are, "", the unit of cost_rollup, first.
var Units = []Unit{"", Hour, Day, Month, DayByTarget, DayByTask, MonthByTarget, MonthByTask}

// Table is the table that the sums of a unit are in.
func (u Unit) Table() string {
	switch u {
	case "":
		return "cost_rollup"
	case Hour, Day, Month:
		return "cost_sums"
	}
	return "cost_past"
}

// length is the unit that is as long and tells nothing apart.
func (u Unit) length() Unit {
	switch u {
	case "":
		return Hour
	case DayByTarget, DayByTask:
		return Day
	case MonthByTarget, MonthByTask:
		return Month
	}
	return u
}

// start is the beginning of the piece that an hour lies in, in hours since the
// epoch, UTC.
func (u Unit) start(hour int64) int64 { return HourOf(u.Floor(HourTime(hour))) }

// Floor returns when the piece began that a time lies in.
func (u Unit) Floor(t time.Time) time.Time {
	if u.length() == Hour {
		return HourTime(HourOf(t))
	}
	y, m, d := t.UTC().Date()
	if u.length() == Month {
		d = 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// ceil is the beginning of the first piece that does not begin before t.
func (u Unit) ceil(t time.Time) time.Time {
	f := u.Floor(t)
	switch {
	case f.Equal(t):
		return f
	case u.length() == Month:
		return f.AddDate(0, 1, 0)
	}
	return f.AddDate(0, 0, 1)
}

// SumKey is the primary key of a row of cost_sums or cost_past: sums that are
// coarser than those of cost_rollup, because an hour rarely sees the same twice.
//
//	dimension     kept by     told apart
//	none          hour        nothing else
//	none          day         target, task, strategy
//	any other     day, month  its values, nothing else
//	none or most  day, month  its values and targets; its values, tasks and strategies
//
// Those of the last line are of cost_past, see past.go.
type SumKey struct {
	Unit      Unit
	Dimension event.Dimension // "" for all calls
	Start     int64           // hours since the epoch, UTC
	Value     string
	Target    int64  // 0: all together
	Task      string // "": all together, as the strategy
	Strategy  string
}

// Sums adds up rollups for cost_sums.
type Sums map[SumKey]*event.Tally

// Coarse returns the coarser sums of the rollups; there are those of cost_past before
// the time past.
func (r Rollups) Coarse(past time.Time) Sums {
	s := Sums{}
	s.Fold(r, past)
	return s
}

// Fold adds the coarser sums of rollups, likewise.
func (s Sums) Fold(r Rollups, past time.Time) {
	s.foldPast(r, HourOf(past))
	for k, t := range r {
		if k.Dimension == "" {
			s.add(SumKey{Unit: Hour, Start: k.Hour}, t)
			s.add(SumKey{Unit: Day, Start: Day.start(k.Hour), Target: k.Target, Task: k.Task.String(), Strategy: k.Strategy}, t)
			continue
		}
		s.add(SumKey{Unit: Day, Dimension: k.Dimension, Start: Day.start(k.Hour), Value: k.Value}, t)
		s.add(SumKey{Unit: Month, Dimension: k.Dimension, Start: Month.start(k.Hour), Value: k.Value}, t)
	}
}

func (s Sums) add(k SumKey, t *event.Tally) {
	sum := s[k]
	if sum == nil {
		sum = new(event.Tally)
		s[k] = sum
	}
	sum.Merge(*t, 1)
}

// ByBill is provider, model and day at once, as BillKey writes them: what stores
// group by for event.Reader.DailyCosts. Nobody asks for it by name.
const ByBill event.Dimension = "provider, model and day"

// BillSeparator stands between the parts of a BillKey.
const BillSeparator = "\x1f"

// BillKey is the key of a group of ByBill; hour is one of the day.
func BillKey(provider string, id model.ModelID, hour int64) string {
	return provider + BillSeparator + string(id) + BillSeparator + strconv.FormatInt(Day.start(hour), 10)
}

// Bills sorts groups of ByBill out.
func Bills(groups map[string]event.Tally) ([]event.DailyCost, error) {
	out := make([]event.DailyCost, 0, len(groups))
	for key, t := range groups {
		parts := strings.Split(key, BillSeparator)
		hour, err := strconv.ParseInt(parts[len(parts)-1], 10, 64)
		if err != nil || len(parts) < 3 {
			return nil, model.Errorf("batch.Bills", model.KindInternal, "%q is no key of a bill", key)
		}
		if parts[0] == "" {
			continue // calls that reached nobody cost nothing
		}
		name := strings.Join(parts[1:len(parts)-1], BillSeparator)
		out = append(out, event.DailyCost{Provider: parts[0], Model: model.ModelID(name), Day: HourTime(hour), CostSum: t.Sum()})
	}
	slices.SortFunc(out, func(a, b event.DailyCost) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Model, b.Model), a.Day.Compare(b.Day))
	})
	return out, nil
}
