package key

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Store keeps keys. Implementations are safe for concurrent use. Errors of an
// unreachable store are KindUnavailable.
type Store interface {
	// LoadKeys returns every key, in any order.
	LoadKeys(ctx context.Context) ([]Stored, error)

	// SaveKey writes a key. Its Number is one more than the stored one (1 for a
	// new key); otherwise another writer came first and the error is
	// KindConflict. LastUsed is not written.
	SaveKey(ctx context.Context, k Stored) error

	// TouchKeys notes when keys were last used. A time before the stored one
	// and an unknown key change nothing.
	TouchKeys(ctx context.Context, used map[model.KeyID]time.Time) error

	// KeysVersion returns a number that changes whenever any process saved a
	// key: it is polled to notice writes of others, so it must be cheap.
	KeysVersion(ctx context.Context) (uint64, error)
}

// Stored is a key as the store has it.
type Stored struct {
	ID       model.KeyID
	Number   int // of its version, from 1
	Doc      json.RawMessage
	LastUsed time.Time // to the second; zero: never
}
