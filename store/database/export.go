package database

import (
	"context"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/registry"
)

// Export is what a copy has to read and nobody else asks for. Errors:
// KindUnavailable.
type Export interface {
	// AllOverrides returns every override that was saved, oldest first.
	AllOverrides(ctx context.Context) ([]budget.SavedOverride, error)
	// FleetIDs returns under which ids registry snapshots are stored, rising.
	FleetIDs(ctx context.Context) ([]uint64, error)
	// CallStarts returns when the intents of calls were recorded, by number, of
	// those with first ≤ number ≤ last; a call that had none is left out.
	CallStarts(ctx context.Context, first, last int64) (map[int64]time.Time, error)
	// WalkPrompts shows the vectors of prompts in the order of their calls' ids,
	// some at a time. It stops at the first error of visit and returns it.
	WalkPrompts(ctx context.Context, visit func([]event.Prompt) error) error
	event.Departing
}

// Store is what can be copied, and copied to.
type Store interface {
	registry.Store
	key.Store
	budget.Store
	cluster.ConfigStore
	alert.Store
	audit.Store
	event.Sink
	event.NoticeStore
	event.History
	event.PromptStore
	Export
}
