package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Entry is one change on the trail.
type Entry struct {
	Seq    int64     `json:"seq"`            // from 1, without gaps
	At     time.Time `json:"at"`             // by the clock of who wrote it, to the µs
	Actor  string    `json:"actor"`          // as whom they were let in; see Actor
	Name   string    `json:"name,omitempty"` // who that is, as far as it is known
	Change           // what was done
	Prev   Hash      `json:"prev"` // of the entry before; zeros for the first
	Hash   Hash      `json:"hash"`
}

// Change is what was done to what.
type Change struct {
	Action Action          `json:"action"`
	Object string          `json:"object"`           // id or name of what was changed
	Detail json.RawMessage `json:"detail,omitempty"` // a JSON object: versions, documents or digests of them
}

// Action is what was done: what to, a dot, and how.
type Action string

// The actions. Of a model they are those of its versions.
const (
	ModelAdded       Action = "model.add"
	ModelEdited      Action = "model.edit"
	ModelImported    Action = "model.import"
	ModelRetired     Action = "model.retire"
	KeyCreated       Action = "key.create"
	KeyChanged       Action = "key.update"
	KeyRotated       Action = "key.rotate"
	KeyRevoked       Action = "key.revoke"
	BudgetSaved      Action = "budget.save"
	BudgetDeleted    Action = "budget.delete"
	BudgetOverridden Action = "budget.override"
	RuleSaved        Action = "alert.save"
	RuleDeleted      Action = "alert.delete"
	LeaseReleased    Action = "budget.release"
	ConfigPushed     Action = "config.push"
	SumsRebuilt      Action = "db.rebuild"
	CallsArchived    Action = "db.archive"
)

// Actions lists them all.
func Actions() []Action {
	return []Action{
		ModelAdded, ModelEdited, ModelImported, ModelRetired, KeyCreated, KeyChanged, KeyRotated, KeyRevoked,
		BudgetSaved, BudgetDeleted, BudgetOverridden, LeaseReleased, RuleSaved, RuleDeleted, ConfigPushed, SumsRebuilt, CallsArchived,
	}
}

// Hash is a SHA-256; in JSON and in texts hexadecimal.
type Hash [sha256.Size]byte

// String returns the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(h) {
		return fmt.Errorf("is %.80q; want the 64 hexadecimal digits of a hash", text)
	}
	copy(h[:], b)
	return nil
}

// Actor is who does something.
type Actor struct {
	// ID is as whom they were let in: "key:ID" of a virtual key, "config-key:NAME"
	// of one of the configuration, "cli" for who may read the gateway's files,
	// "local" on this machine while no keys are wanted. "" is the gateway itself.
	ID   string
	Name string // who that is, as far as it is known
}

// System is the actor of what the gateway does by itself.
const System = "system"

// maxText bounds the texts of an entry, in bytes.
const maxText = 500

// Next returns the entry that follows the last of a trail (the zero value of
// an empty one), sealed.
func Next(last *Entry, at time.Time, who Actor, c Change) Entry {
	e := Entry{Seq: last.Seq + 1, At: at.UTC().Truncate(time.Microsecond), Actor: clean(who.ID), Name: clean(who.Name), Change: c, Prev: last.Hash}
	if e.Actor == "" {
		e.Actor = System
	}
	e.Action, e.Object = Action(clean(string(c.Action))), clean(c.Object)
	e.Hash = e.sum()
	return e
}

// clean makes a text one that any database takes as it is.
func clean(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText-len("…")], "") + "…"
	}
	return s
}

// sum works out the hash of an entry.
func (e *Entry) sum() Hash {
	b := append(make([]byte, 0, 512), "cartrita audit 1\n"...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.UnixMicro()))
	b = append(b, e.Prev[:]...)
	for _, text := range [...]string{e.Actor, e.Name, string(e.Action), e.Object, string(e.Detail)} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	return sha256.Sum256(b)
}

type actorKey struct{}

// By returns a context in which an actor does things.
func By(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// Who returns the actor of a context, the gateway itself where there is none.
func Who(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}

type copyKey struct{}

// Copying returns a context in which changes are those of another trail, which
// is copied itself: they make no entries.
func Copying(ctx context.Context) context.Context {
	return context.WithValue(ctx, copyKey{}, true)
}

// IsCopy reports whether a context is one of Copying.
func IsCopy(ctx context.Context) bool { return ctx.Value(copyKey{}) != nil }
