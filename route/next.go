package route

import (
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/cartrita/cartrita/model"
)

// MaxRetryAfter is the longest wait that an upstream may ask for and still be
// asked again within the same call.
const MaxRetryAfter = 2 * time.Second

// Action is what to do after a failed attempt.
type Action uint8

// The actions.
const (
	Stop  Action = iota // give the error to the caller
	Retry               // the same endpoint again, after Wait
	Fall                // another endpoint, at once
)

var actionNames = [...]string{"stop", "retry", "fall"}

// String returns the name of the action.
func (a Action) String() string { return actionNames[a] }

// Decision is the answer of Next.
type Decision struct {
	Action    Action
	Candidate int           // index into Plan.Candidates; meaningful unless Stop
	Step      model.Step    // of the attempt; meaningful unless Stop
	Wait      time.Duration // before a Retry
	Reason    string        // in words, for logs
}

// Next says what follows a failed attempt, as long as no content has reached the
// client. in and plan are those of Decide, done are the attempts of the call so
// far, the failed one last, and err is its error.
//
//   - An error that another endpoint cannot avoid (the upstream says that the
//     request is wrong, the caller went away) stops, as do MaxAttempts and a
//     deadline that has passed. A request that one vendor's dialect cannot express
//     was never sent there, and goes to the next.
//   - A connection that broke before the upstream answered is tried once more at
//     the same endpoint, at once: most likely it was an idle one that had been closed.
//   - Else the next attempt of the plan follows that has not been tried. After a
//     context-length refusal it must have a larger context than those that refused;
//     after a content-policy refusal it must be of another model, and the strategy
//     must allow it; after refused credentials it must use others.
//   - When none is left, an upstream that asked to come back within MaxRetryAfter
//     (503 or 429) is tried once more after that time.
//
// An attempt that was never sent (the circuit or a full queue refused it) does
// not count against MaxAttempts. It shows by an Error, Status 0 and LatencyMS 0.
func Next(in *Input, plan *model.Plan, done []model.Attempt, err *model.Error) Decision {
	if err == nil || len(done) == 0 || !avoidable(err) {
		return Decision{Reason: "no other endpoint would do better"}
	}
	last := &done[len(done)-1]
	limit := in.MaxAttempts
	if limit <= 0 {
		limit = DefaultMaxAttempts
	}
	if countSent(done) >= limit {
		return Decision{Reason: "the attempts are used up"}
	}
	left := timeLeft(in, last)
	if left <= 0 {
		return Decision{Reason: "the deadline has passed"}
	}
	if err.Kind == model.KindContentPolicy && (in.Strategy == nil || !in.Strategy.Fallback.ContentPolicy) {
		return Decision{Reason: "the strategy allows no other model after a content-policy refusal"}
	}
	here, known := planned(plan, last.Endpoint)
	again := known && isSent(last) && countOf(done, last.Endpoint) == 1
	if again && broken(err, last) {
		here.Action, here.Reason = Retry, "the connection broke before the upstream answered"
		return here
	}
	for _, a := range plan.Attempts {
		if viable(in, plan, done, a.Candidate) {
			return Decision{Action: Fall, Candidate: a.Candidate, Step: a.Step, Reason: fallReason(err.Kind)}
		}
	}
	if again && soon(err) && err.RetryAfter < left {
		here.Action, here.Wait, here.Reason = Retry, err.RetryAfter, "no other endpoint is left and the upstream asked for a short pause"
		return here
	}
	return Decision{Reason: "no other endpoint is left"}
}

// avoidable reports whether another endpoint may succeed: one that a budget
// does not pay for may have a cheaper alternative. A request that is
// invalid without an upstream's having said so could not be translated.
func avoidable(err *model.Error) bool {
	return err.Kind.Retryable() || err.Kind == model.KindBudget || err.Kind == model.KindInvalid && err.Status == 0
}

// isSent reports whether an attempt reached its upstream, or tried to.
func isSent(a *model.Attempt) bool {
	return a.Error == nil || a.Status != 0 || a.LatencyMS > 0
}

func countSent(done []model.Attempt) (n int) {
	for i := range done {
		if isSent(&done[i]) {
			n++
		}
	}
	return n
}

func countOf(done []model.Attempt, id model.EndpointID) (n int) {
	for i := range done {
		if done[i].Endpoint == id {
			n++
		}
	}
	return n
}

// timeLeft is the time to the deadline after an attempt.
func timeLeft(in *Input, last *model.Attempt) time.Duration {
	const forever = time.Duration(1<<63 - 1)
	if in.Criteria == nil || in.Criteria.Context.DeadlineMS == nil {
		return forever
	}
	ms := float64(*in.Criteria.Context.DeadlineMS) - last.StartMS - last.LatencyMS
	return time.Duration(ms * float64(time.Millisecond))
}

// planned finds the plan's attempt at an endpoint.
func planned(plan *model.Plan, id model.EndpointID) (Decision, bool) {
	for _, a := range plan.Attempts {
		if plan.Candidates[a.Candidate].Endpoint == id {
			return Decision{Candidate: a.Candidate, Step: a.Step}, true
		}
	}
	return Decision{}, false
}

// broken reports whether the connection ended before the upstream answered.
func broken(err *model.Error, last *model.Attempt) bool {
	if err.Status != 0 || last.Status != 0 || last.TTFTMS > 0 {
		return false
	}
	if err.Kind != model.KindUnavailable && err.Kind != model.KindUpstream {
		return false
	}
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// soon reports whether the upstream asked for a short pause.
func soon(err *model.Error) bool {
	return (err.Kind == model.KindUnavailable || err.Kind == model.KindRateLimited) &&
		err.RetryAfter > 0 && err.RetryAfter <= MaxRetryAfter
}

// viable reports whether a candidate may follow the attempts that were made.
func viable(in *Input, plan *model.Plan, done []model.Attempt, candidate int) bool {
	c := &plan.Candidates[candidate]
	s := &in.Served[c.Index]
	for i := range done {
		if done[i].Endpoint == c.Endpoint {
			return false
		}
		if done[i].Error == nil {
			continue
		}
		was, ok := planned(plan, done[i].Endpoint)
		if !ok {
			continue
		}
		tried := &in.Served[plan.Candidates[was.Candidate].Index]
		switch done[i].Error.Kind {
		case model.KindContextLength:
			if holds(s) <= holds(tried) {
				return false
			}
		case model.KindContentPolicy:
			if canonical(s.Model) == canonical(tried.Model) {
				return false
			}
		case model.KindUpstreamAuth:
			if s.Provider == tried.Provider && s.Credential == tried.Credential {
				return false
			}
		}
	}
	return true
}

func fallReason(k model.Kind) string {
	switch k {
	case model.KindContextLength:
		return "the prompt did not fit; the next candidate holds more"
	case model.KindContentPolicy:
		return "the content was refused; the strategy lets another model try"
	case model.KindRateLimited:
		return "the upstream is rate limited"
	case model.KindTimeout:
		return "the upstream did not answer in time"
	case model.KindUpstreamAuth:
		return "the upstream refused the credentials"
	case model.KindBudget:
		return "a budget does not pay for the endpoint"
	case model.KindInvalid:
		return "the endpoint's dialect cannot express the request"
	}
	return "the upstream failed"
}
