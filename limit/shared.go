package limit

import (
	"context"
	"time"
)

// SlotTTL is how long a slot is held that is not renewed.
const SlotTTL = 10 * time.Second

// Shared keeps counters for all replicas, by its own clock. Its errors are
// KindUnavailable; after one it is unknown whether the demand was met.
type Shared interface {
	// Exchange meets the demands of a replica one by one.
	Exchange(ctx context.Context, replica string, demands []Demand) ([]Grant, error)
	// Beat notes that a replica is there, and returns how many are, itself included.
	Beat(ctx context.Context, replica string) (replicas int, err error)
}

// BeatTTL is how long a replica is counted that beats no more.
const BeatTTL = 5 * time.Second

// Demand is what a replica asks of one counter, and tells it.
type Demand struct {
	Counter string        // its name, the same in all replicas
	Window  time.Duration // a multiple of its steps
	Limit   Amount        // 0: none
	Slots   int64         // limit of calls at once; 0: none
	Epoch   int64         // of the counter as the replica knows it; 0: not at all

	Given []Delta // to be added first, in steps of the Shared's clock
	Aged  []Delta // the same, in steps before now

	// To be granted: at least Least, all or nothing; Want, which is more where other
	// calls wait, as far as there is; and beyond that, up to Most, an eighth of what
	// is left. Zero: nothing is asked.
	Least, Want, Most Amount

	Running    int64 // calls under way in the replica
	LeastSlots int64 // the slots it wants in all; those running are always its
	WantSlots  int64
	MostSlots  int64
}

// Delta is a correction of what was taken in one step.
type Delta struct {
	Step int64
	Amount
}

// Grant is the answer.
type Grant struct {
	Now   time.Duration // of the Shared's clock
	Epoch int64
	// Lost: the counter is not the one that the replica knew. Nothing was added or
	// granted; the replica says what it knows and asks again.
	Lost bool

	Refused Unit // "" when Least and LeastSlots were granted
	Granted Amount
	Slots   int64            // that the replica holds now
	Retry   time.Duration    // when what was refused will fit, unless something is given back
	Sum     Amount           // taken in the window, what was granted included
	Reset   [2]time.Duration // until none of the requests, and of the tokens, counts any more
	Tight   bool             // no slot is free
}

// Width is the length of one step of the window.
func (d *Demand) Width() time.Duration { return stepOf(d.Window) }

// stepOf is a sixtieth of a window, rounded up to the µs in which clocks count.
func stepOf(window time.Duration) time.Duration {
	return (window/windowSteps + time.Microsecond - 1).Truncate(time.Microsecond)
}

// Steps is for how many steps a Shared counts what was taken, the present one included.
const Steps = liveShared

// share is how much is granted of what is left, which is at least least.
func share(least, want, most, left int64) int64 {
	n := max(least, min(want, left))
	if n < want || most <= n {
		return n
	}
	return n + min(most-n, (left-n)/8)
}
