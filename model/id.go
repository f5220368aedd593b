package model

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// ModelID names a model record: "openai/gpt-4o" for a catalogue listing, any
// string without spaces for a record of the user's own.
type ModelID string

// EndpointID names one endpoint: "<provider>/<upstream name>".
type EndpointID string

// Provider returns the provider in the id; "" if it names none.
func (id EndpointID) Provider() string {
	provider, _, found := strings.Cut(string(id), "/")
	if !found {
		return ""
	}
	return provider
}

// CallID is the UUIDv7 of one call. It is the decision id, the id of the
// audit row and the prefix of the ids of its events; ids sort by time.
type CallID [16]byte

// NewCallID returns a fresh UUIDv7.
func NewCallID() CallID { return CallID(uuid.Must(uuid.NewV7())) }

// ParseCallID reads the 36-character form.
func ParseCallID(s string) (CallID, error) {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return CallID{}, fmt.Errorf("call id %q: want a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057", s)
	}
	return CallID(id), nil
}

// String returns the 36-character form.
func (id CallID) String() string {
	var b [36]byte
	id.encode(&b)
	return string(b[:])
}

// AppendTo appends the 36-character form.
func (id CallID) AppendTo(b []byte) []byte {
	var s [36]byte
	id.encode(&s)
	return append(b, s[:]...)
}

func (id CallID) encode(b *[36]byte) {
	hex.Encode(b[:8], id[:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:], id[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
}

// MarshalText implements encoding.TextMarshaler.
func (id CallID) MarshalText() ([]byte, error) { return id.AppendTo(nil), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *CallID) UnmarshalText(b []byte) error {
	v, err := ParseCallID(string(b))
	if err == nil {
		*id = v
	}
	return err
}
