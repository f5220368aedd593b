package event

import (
	"context"
	"time"
)

// FeedPosition is a place in what a store holds, in the order in which it was
// stored: everything up to it has been handled. The zero FeedPosition is the
// beginning.
type FeedPosition struct {
	Calls   int64 `json:"calls"`   // Seq of the last call
	Notices int64 `json:"notices"` // number of the last notice
}

// Stored is a part of the feed.
type Stored struct {
	Calls   []Call // with their records and plans
	Notices []Notice
	Next    FeedPosition // behind all of it
}

// Events returns what happened, call by call, then the notices.
func (s *Stored) Events() (out []Event) {
	for _, c := range s.Calls {
		out = append(out, Of(c)...)
	}
	for i := range s.Notices {
		out = append(out, s.Notices[i].Event())
	}
	return out
}

// Feed shows what a store holds in the order in which it was stored, by
// whichever process: what is stored later is never before what was shown.
// Implementations are safe for concurrent use. Errors: KindUnavailable when the
// store cannot be reached.
type Feed interface {
	// Head returns the position of what was stored last.
	Head(ctx context.Context) (FeedPosition, error)
	// After returns what was stored behind a position, at most limit calls and
	// as many notices.
	After(ctx context.Context, p FeedPosition, limit int) (*Stored, error)
}

// FeedStore also keeps how far readers of the feed came, each read by one
// process at a time.
type FeedStore interface {
	Feed
	// ClaimFeed makes holder the one that reads for reader during ttl, by the
	// store's clock, and returns how far the reader came; a new one begins at
	// first. Held is false while another holder has it.
	ClaimFeed(ctx context.Context, reader, holder string, ttl time.Duration, first FeedPosition) (p FeedPosition, held bool, err error)
	// AdvanceFeed moves a reader on. KindConflict when holder has it no more.
	AdvanceFeed(ctx context.Context, reader, holder string, to FeedPosition) error
	// ReleaseFeed lets another holder have a reader at once.
	ReleaseFeed(ctx context.Context, reader, holder string) error
}
