package event

import (
	"encoding/json"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Kind names what happened. Kinds are stable on the wire.
type Kind string

// The kinds, in the order in which they happen to one call.
const (
	CallPlanned     Kind = "model_call.planned"     // a decision was taken; carries the plan
	CallStarted     Kind = "model_call.started"     // the first attempt is about to be sent
	CallCompleted   Kind = "model_call.completed"   // the answer is whole; carries attempts, usage, cost
	CallFailed      Kind = "model_call.failed"      // no whole answer; carries attempts, usage, cost and the error
	CostAccumulated Kind = "model_cost.accumulated" // the cost of the call, once, after its terminal event
)

// EventsMissed tells one subscriber how many events it lost, in Event.Missed. It
// is never stored.
const EventsMissed Kind = "events.missed"

// Terminal reports whether the kind ends a call.
func (k Kind) Terminal() bool { return k == CallCompleted || k == CallFailed }

// Event is one thing that happened, mostly to one call. Events of calls are
// values derived from the call's record; the same record gives the same events.
type Event struct {
	ID   string       // "<call id>.<n>", unique and stable over restarts
	Kind Kind         //
	At   time.Time    // when it happened
	Call model.CallID //
	// Record is shared and read-only. Of a planned or started event it holds
	// what is known before the first attempt; otherwise the whole record.
	Record *model.Record
	// Missed is the number of events that this subscriber lost just before
	// this one because it was slow. It is 0 in events read from a store.
	Missed uint64
	// Notice is the data of an event that is not about a call: Call and Record
	// are then not set.
	Notice json.RawMessage
}
