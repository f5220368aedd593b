package key

import (
	"time"

	"github.com/cartrita/cartrita/model"
)

// Key is what is known of a virtual key, without its secret.
type Key struct {
	ID   model.KeyID `json:"id"`
	Name string      `json:"name"`
	Role Role        `json:"role"`

	User    string   `json:"user,omitempty"` // owner; without one a call may name an end user
	Team    string   `json:"team,omitempty"`
	Project string   `json:"project,omitempty"`
	Tags    []string `json:"tags,omitempty"` // sorted

	// What may be asked for: names, or patterns such as "openai/*". Empty: everything.
	Models     []string `json:"models,omitempty"`
	Strategies []string `json:"strategies,omitempty"`
	Endpoints  []string `json:"endpoints,omitempty"`

	Limits Limits `json:"limits,omitzero"`

	Created   time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by,omitempty"`
	Changed   time.Time `json:"changed_at"`
	ChangedBy string    `json:"changed_by,omitempty"`
	Expires   time.Time `json:"expires_at,omitzero"`
	Revoked   time.Time `json:"revoked_at,omitzero"`
	Rotated   time.Time `json:"rotated_at,omitzero"`
	GraceEnds time.Time `json:"previous_secret_until,omitzero"` // until when a rotated secret is still accepted
	LastUsed  time.Time `json:"last_used_at,omitzero"`          // to the second; other processes report within Config.Flush
}

// Limits bound what one key takes. 0 does not limit.
type Limits struct {
	Requests    int64 `json:"requests_per_minute,omitempty"`
	Tokens      int64 `json:"tokens_per_minute,omitempty"` // input and output
	Concurrency int64 `json:"concurrency,omitempty"`       // calls at once
}

// State says whether a key is accepted.
type State string

// The states of a key.
const (
	StateActive  State = "active"
	StateExpired State = "expired"
	StateRevoked State = "revoked"
)

// State returns the key's state at a time.
func (k *Key) State(now time.Time) State {
	switch {
	case !k.Revoked.IsZero():
		return StateRevoked
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return StateExpired
	}
	return StateActive
}

// Identity is what a request gets from the key it came with. Immutable; shared
// by all requests of the key.
type Identity struct {
	Name   string // of the key; "" for a caller without one
	Role   Role
	Caller model.Caller
	Allow  *model.Allowance // nil: everything
	Limits Limits
}

// Speaker is whom the key speaks for: its owner or, without one, its own name;
// "" for a caller without a key.
func (id *Identity) Speaker() string {
	if id.Caller.User != "" {
		return id.Caller.User
	}
	return id.Name
}

// document is a key as the store keeps it.
type document struct {
	Key
	Secrets []secret `json:"secrets"` // the one in use first
}

// secret is one secret of a key, of which only the digest is known.
type secret struct {
	Digest []byte    `json:"digest"`         // HMAC of the token
	Server string    `json:"server"`         // fingerprint of the server secret it was made with
	Until  time.Time `json:"until,omitzero"` // zero: no end
}

// identity derives what requests get.
func (k *Key) identity() *Identity {
	id := &Identity{
		Name: k.Name, Role: k.Role, Limits: k.Limits,
		Caller: model.Caller{Key: k.ID, User: k.User, Team: k.Team, Project: k.Project, Tags: k.Tags},
	}
	if allow := (&model.Allowance{Models: k.Models, Strategies: k.Strategies, Endpoints: k.Endpoints}); !allow.IsZero() {
		id.Allow = allow
	}
	return id
}
