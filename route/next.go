package route

import (
	"time"

	"github.com/cartrita/cartrita/model"
)

// Action is what to do after a failed attempt.
type Action uint8

// The actions.
const (
	Stop     Action = iota // give the error to the caller
	Retry                  // the same endpoint again, after Wait
	Fall                  // another endpoint
)

// Decision is the answer of Next.
type Decision struct {
	Action    Action
	Candidate int           // index into Plan.Candidates; meaningful unless Stop
	Step      model.Step    // of the attempt; meaningful unless Stop
	Wait      time.Duration // before a Retry
	Reason    string        // in words, for logs and records
}

// Next says what follows a failed attempt, before any content reached the
// client. done are the attempts of the call so far, the failed one last, and
// err is its error.
//
// An attempt that the circuit breaker refused to send does not count against
// MaxAttempts: mark it by an Error with Status 0 and LatencyMS 0.
func Next(in *Input, plan *model.Plan, done []model.Attempt, err *model.Error) Decision {
	return Decision{}
}
