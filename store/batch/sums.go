package batch

import (
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// RollupKey is the primary key of a row of cost_rollup.
type RollupKey struct {
	Dimension event.Dimension // "" for all calls
	Hour      int64           // since the epoch, UTC
	Value     string
	Target    int64
	Task      model.Task
	Strategy  string
}

// Rollups adds up a batch, so that a row of the table is written once per batch.
type Rollups map[RollupKey]*event.Tally

// Add counts a call that ended, at targets numbered by id; a decision without a
// call costs nothing.
func (r Rollups) Add(c *event.Call, id func(event.Target) (int64, error)) error {
	if c.State == model.StatePlanned {
		return nil
	}
	for target, part := range c.Parts() {
		n, err := id(target)
		if err != nil {
			return err
		}
		k := RollupKey{Hour: HourOf(c.Ended), Target: n, Task: c.Task, Strategy: c.Strategy}
		add := func(v event.Value) {
			k.Dimension, k.Value = v.Dimension, v.Value
			r.at(k).Merge(part, 1)
		}
		add(event.Value{})
		c.Values(add)
	}
	return nil
}

func (r Rollups) at(k RollupKey) *event.Tally {
	t := r[k]
	if t == nil {
		t = new(event.Tally)
		r[k] = t
	}
	return t
}

const hourSeconds = int64(time.Hour / time.Second)

// HourOf returns the hour of a time since the epoch, UTC.
func HourOf(t time.Time) int64 {
	s := t.Unix()
	if s < 0 {
		s -= hourSeconds - 1
	}
	return s / hourSeconds
}

// HourTime returns the beginning of an hour.
func HourTime(h int64) time.Time { return time.Unix(h*hourSeconds, 0).UTC() }

// SpendKey is the primary key of a row of budget_spend.
type SpendKey struct {
	Budget model.BudgetID
	Period int64 // µs since the epoch
}

// Spending adds up the charges of a batch, so that a row is written once.
type Spending map[SpendKey]*event.BudgetSpend

// Add counts the charges of a call.
func (s Spending) Add(c *event.Call) {
	for i := range c.Charges {
		charge := &c.Charges[i]
		k := SpendKey{charge.Budget, charge.Period.UnixMicro()}
		if s[k] == nil {
			s[k] = &event.BudgetSpend{}
		}
		s[k].Add(charge)
	}
}
