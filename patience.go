package cartrita

import (
	"context"
	"errors"
	"time"

	"github.com/cartrita/cartrita/model"
)

// A call waits for an endpoint's first content as long as the provider's
// timeouts allow, which is minutes: some answers take that long. But while
// other endpoints stand in the plan, waiting for one that hangs is worse than
// asking the next, so an attempt that has an alternative gets patienceFactor
// times what it is expected to take, and never less than minPatience.
const (
	patienceFactor = 5
	minPatience    = 10 * time.Second
	knownSamples   = 5 // finished calls that make an endpoint's own figures count

	// What an endpoint of which nothing is known is expected to take.
	assumedFirst = 8 * time.Second
	assumedSpeed = 20.0 // output tokens per second
)

var errPatience = errors.New("another endpoint is asked instead")

// patience bounds an attempt until its first content if the plan has another
// one. The relay stops the clock at the first content; done releases it.
func (r *run) patience(ctx context.Context, cand *model.Candidate) (_ context.Context, done func()) {
	r.relay.waiting = nil
	if len(r.rec.Attempts) >= len(r.plan.Attempts) {
		return ctx, func() {}
	}
	patient, cancel := context.WithCancelCause(ctx)
	r.relay.waiting = time.AfterFunc(r.patienceWith(cand), func() { cancel(errPatience) })
	return patient, func() {
		r.relay.waiting.Stop()
		cancel(nil)
	}
}

func (r *run) patienceWith(cand *model.Candidate) time.Duration {
	return max(patienceFactor*r.expectedTime(cand), minPatience)
}

// expectedTime is how long the endpoint is expected to take until the first
// content of a stream, or until a whole answer.
func (r *run) expectedTime(cand *model.Candidate) time.Duration {
	h := r.view.health[cand.Index].View(r.now())
	known := h.Samples >= knownSamples
	switch {
	case r.call.Stream && known && h.TTFTMS > 0:
		return time.Duration(h.TTFTMS * float64(time.Millisecond))
	case !r.call.Stream && known && h.LatencyMS > 0:
		return time.Duration(h.LatencyMS * float64(time.Millisecond))
	case !r.call.Stream:
		return assumedFirst + time.Duration(float64(cand.Estimate.OutputTokens)/assumedSpeed*float64(time.Second))
	}
	return assumedFirst
}

// whose says whose failure an attempt's is: the caller's, who went away or set
// a deadline; the endpoint's, which outlasted our patience; or as it stands.
func whose(ctx, patient context.Context, failure *model.Error) *model.Error {
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx, failure)
	case errors.Is(context.Cause(patient), errPatience):
		return &model.Error{
			Op: "cartrita.attempt", Kind: model.KindTimeout, Err: failure,
			Message: "the endpoint took several times longer than expected; " + errPatience.Error(),
		}
	}
	return failure
}
