package event

import (
	"context"
	"log/slog"
	"time"
)

// troubleAfter is how long something must go wrong before it is said: who lost the
// connection says so at once.
const troubleAfter = 10 * time.Second

// trouble says once that something goes wrong for long, and once that it does not
// any more. Of one goroutine.
type trouble struct {
	log       *slog.Logger
	bad, good string
	since     time.Time // zero: all is well
	told      bool
}

func (t *trouble) note(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err == nil:
		if t.told {
			t.log.Info(t.good)
		}
		t.since, t.told = time.Time{}, false
	case t.since.IsZero():
		t.since = time.Now()
	case !t.told && time.Since(t.since) >= troubleAfter:
		t.told = true
		t.log.Warn(t.bad, "error", err)
	}
}
