package cartrita

import (
	"sync/atomic"

	"github.com/cartrita/cartrita/model"
)

// trust decides if an endpoint's streams may be relayed as they come.
//
// A stream that breaks after its first content cannot be taken over by another
// endpoint: the caller has seen half an answer. So an endpoint that broke a
// stream is put on probation: its next streams are held back until their end,
// when a break can still be hidden by a fallback, until probation streams in a
// row have come whole. An endpoint that has not delivered any stream yet
// relays one at a time live, and holds the others back. A stream is only held
// back while the plan has another endpoint that could take over. Safe for
// concurrent use.
type trust struct {
	broke atomic.Bool
	whole atomic.Int32 // streams in a row that came whole
}

// probation is the number of whole streams in a row that restore trust.
const probation = 20

// live reports whether a stream that starts now, the inFlight-th call at once,
// may be relayed as it comes.
func (t *trust) live(inFlight int32) bool {
	if t.broke.Load() {
		return t.whole.Load() >= probation
	}
	return inFlight <= 1 || t.whole.Load() > 0
}

// learn takes note of how a stream ended. What was not the endpoint's fault
// says nothing about it.
func (t *trust) learn(failure *model.Error) {
	switch {
	case failure == nil:
		t.whole.Add(1)
	case failure.Kind.EndpointFault():
		t.broke.Store(true)
		t.whole.Store(0)
	}
}

// trustOf keeps what is known of an endpoint over snapshots.
func trustOf(served *model.Served, old *view) *trust {
	if old != nil {
		if i, ok := old.snap.Endpoint(served.ID); ok {
			return old.trusts[i]
		}
	}
	return new(trust)
}
