package registry

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Store keeps what users changed: every version of every record that was
// added, imported, edited or retired. The embedded catalogue and the endpoints
// of the configuration are not in it. Implementations are safe for concurrent
// use. Errors of an unreachable store are KindUnavailable.
type Store interface {
	// LoadModels returns the latest version of every stored record, in any order.
	LoadModels(ctx context.Context) ([]Stored, error)

	// SaveModels appends versions, all of them or none. The Number of each is
	// one more than the latest stored number of its id (1 for a new id);
	// otherwise another writer came first and the error is KindConflict.
	// At most one version per id is given in one call.
	SaveModels(ctx context.Context, versions []Version) error

	// ModelHistory returns the stored versions of one id, oldest first; none
	// and no error when nothing is stored under that id.
	ModelHistory(ctx context.Context, id model.ModelID) ([]Version, error)

	// ModelsVersion returns a number that changes whenever any process stored
	// a version: it is polled to notice writes of others, so it must be cheap.
	ModelsVersion(ctx context.Context) (uint64, error)
}

// Stored is the latest version of a record as the store returns it.
type Stored struct {
	ID     model.ModelID
	Number int             // of the version, from 1
	Doc    json.RawMessage // the full record: model.Model as JSON
}

// Version is one change of one record: who, when, what.
type Version struct {
	ID     model.ModelID   `json:"model_id"`
	Number int             `json:"version"` // from 1, without gaps; 0 is the embedded catalogue's record
	At     time.Time       `json:"at"`
	Actor  string          `json:"actor"`  // who: a user name, "cli", "import:litellm"
	Action Action          `json:"action"` // what was done
	Doc    json.RawMessage `json:"record"` // the full record after the change
	Diff   []FieldChange   `json:"diff,omitempty"`
}

// Action says what a version did.
type Action string

// The actions.
const (
	ActionAdd       Action = "add"
	ActionEdit      Action = "edit"
	ActionImport    Action = "import"
	ActionRetire    Action = "retire"
	ActionCatalogue Action = "catalogue" // version 0, never stored
)

// FieldChange is one changed field of a record. Old is nil for a field that
// was not set, New is nil for one that was removed.
type FieldChange struct {
	Path string          `json:"path"` // "cost_profile.input_usd_per_million", "routing_tags"
	Old  json.RawMessage `json:"old,omitempty"`
	New  json.RawMessage `json:"new,omitempty"`
}
