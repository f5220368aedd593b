package batch

import (
	"log/slog"
	"sync"
	"time"

	"github.com/cartrita/cartrita/event"
)

// clockSlack is how far ahead of a store's clock a gateway's may be. Less is no
// harm, and the store's clock may be read while waiting for another process.
const clockSlack = time.Minute

// Arrived returns a call as it is stored at a time, and how far the clock of its
// gateway was ahead, 0 for not too far. No call ends after it is stored: one that
// says so ended now. With its own time, all that come after it would have
// numbers of that time, and none of them could leave before it is over.
func Arrived(c *event.Call, now time.Time) (*event.Call, time.Duration) {
	ahead := c.Ended.Sub(now)
	if ahead <= clockSlack {
		return c, 0
	}
	out := *c
	out.Ended = now.UTC().Truncate(time.Microsecond)
	if !c.Started.IsZero() {
		out.Started = out.Ended.Add(c.Started.Sub(c.Ended)) // it took as long as it took
	}
	return &out, ahead
}

// Clocks tells a log what is wrong with the times of calls, each once. The zero
// value is ready to use, by several goroutines at once.
type Clocks struct{ calls, numbers sync.Once }

// Tell tells how far the clock of the gateway with a spool was ahead, and that
// the number given last is of a time to come. Numbers only rise, because who
// reads calls goes on behind the last number seen: they stay there until then.
func (k *Clocks) Tell(log *slog.Logger, spool string, ahead time.Duration, last int64, now time.Time) {
	if ahead > 0 {
		k.calls.Do(func() {
			log.Warn("the clock of a gateway is or was ahead of the store's: its calls count as ended when they are stored", "spool", spool, "ahead", ahead.Round(time.Second))
		})
	}
	if until := time.UnixMicro(last).UTC(); until.Sub(now) > clockSlack {
		k.numbers.Do(func() {
			log.Warn("calls have numbers of a time to come, because a gateway's clock was ahead once: those stored before that time leave for the archive after it; "+
				"a copy of the database from before has no such numbers", "until", until)
		})
	}
}
