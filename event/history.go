package event

import (
	"context"
	"time"
)

// Departing is a History that calls leave for an archive.
type Departing interface {
	// Boundary returns the number below which calls have left; 0: none. Those that
	// ended from then on, as µs since the epoch, are there.
	Boundary(ctx context.Context) (int64, error)
}

// History is what a look back over many calls reads, beside Reader: the calls
// in the order in which they ended, with their documents, and the registry
// snapshots (fleets) that their decisions were made over. Implementations are
// safe for concurrent use. Errors: KindUnavailable when the store cannot be
// reached.
type History interface {
	// Walk shows the calls with since ≤ ended < until, oldest first, some at a
	// time. Seq, Ended and the documents are set, nothing else; visit may keep
	// them. It stops at the first error of visit and returns it. A zero time is
	// no bound.
	Walk(ctx context.Context, since, until time.Time, visit func([]Call) error) error
	// SaveFleet stores the document of a registry snapshot under its id, the
	// fingerprint of its content. One that is stored already stays.
	SaveFleet(ctx context.Context, id uint64, doc []byte) error
	// Fleet returns a document that SaveFleet stored. KindNotFound.
	Fleet(ctx context.Context, id uint64) ([]byte, error)
}
