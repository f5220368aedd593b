package event

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/cartrita/cartrita/model"
)

// SharedBuffer keeps entries that gateways on one store put into it, in one
// order, for a while. It may lose any of them. Implementations are safe for
// concurrent use. Errors: KindUnavailable when it cannot be used now.
type SharedBuffer interface {
	// Put appends entries, drops the oldest beyond about most, and returns the ids
	// of the new ones.
	Put(ctx context.Context, entries [][]byte, most int) (ids []string, err error)
	// After returns the entries behind an id ("": all), the oldest first, at most
	// limit.
	After(ctx context.Context, id string, limit int) ([]SharedEntry, error)
	// Last returns the id of the last entry, "" if there is none.
	Last(ctx context.Context) (id string, err error)
	// Remove takes entries out, those that are still there.
	Remove(ctx context.Context, ids []string) error
}

// SharedEntry is an entry under the id that the buffer gave it.
type SharedEntry struct {
	ID   string
	Data []byte
}

// SharedStore is what the users of a SharedBuffer ask of their store. Errors:
// KindUnavailable.
type SharedStore interface {
	// SharedSecret returns the secret by which gateways on the store know each
	// other's entries, and makes it up first if there is none.
	SharedSecret(ctx context.Context) ([]byte, error)
	// Stored tells which of the calls are stored.
	Stored(ctx context.Context, ids []model.CallID) (map[model.CallID]bool, error)
}

// sharedCall is a call as an entry holds it.
type sharedCall struct {
	spool string
	call  Call
}

// An entry is sealed: who can write to the buffer cannot make up calls.
//
//	sum (32) | version (1) | length of the spool's name (1), name | start (8, µs; 0: none) | frame
//
// The sum is HMAC-SHA256 over what follows it. The frame is an outcome as in
// segment 0 of a spool, with its plan.
const (
	sharedVersion = 1
	maxSpoolName  = 255
	maxShared     = 1 << 20 // bytes; a larger call is not shared
)

// sealShared makes an entry of a call with its record, or nil if it is too large.
func sealShared(secret []byte, spool string, c *Call) []byte {
	buf, crc := encode(&c.Summary, c.Record, true)
	defer buf.release()
	size := sha256.Size + 2 + len(spool) + 8 + len(buf.b)
	if size > maxShared || len(spool) > maxSpoolName {
		return nil
	}
	f := frame{kind: frameOutcome, at: c.Ended.UnixMicro(), id: c.ID}
	f.seal(buf.b, 0, crc)
	var started uint64
	if !c.Started.IsZero() {
		started = uint64(c.Started.UnixMicro())
	}
	b := append(make([]byte, sha256.Size, size), sharedVersion, byte(len(spool)))
	b = append(b, spool...)
	b = binary.LittleEndian.AppendUint64(b, started)
	b = append(b, buf.b...)
	copy(b, sharedSum(secret, b[sha256.Size:]))
	return b
}

// isShared reports whether a gateway on the store made an entry.
func isShared(secret, b []byte) bool {
	return len(b) >= sha256.Size && hmac.Equal(b[:sha256.Size], sharedSum(secret, b[sha256.Size:]))
}

// openShared reads an entry that isShared. It returns false for one of another
// version. The documents alias b.
func openShared(b []byte) (c sharedCall, ok bool) {
	if len(b) < sha256.Size+2 || b[sha256.Size] != sharedVersion {
		return c, false
	}
	n := int(b[sha256.Size+1])
	if b = b[sha256.Size+2:]; len(b) < n+8 {
		return c, false
	}
	c.spool = string(b[:n])
	if started := binary.LittleEndian.Uint64(b[n:]); started != 0 {
		c.call.Started = time.UnixMicro(int64(started)).UTC()
	}
	f, _, ok := readFrame(b[n+8:], 0)
	if !ok || f.kind != frameOutcome {
		return c, false
	}
	summary, record, plan, ok := splitPayload(f.payload)
	if !ok || !c.call.Summary.read(summary) {
		return c, false
	}
	c.call.ID, c.call.Ended, c.call.RecordJSON, c.call.PlanJSON = f.id, f.time(), record, plan
	return c, true
}

func sharedSum(secret, b []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(b)
	return h.Sum(nil)
}
