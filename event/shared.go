package event

import (
	"cmp"
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
	// of the new ones and of the oldest that is left. With an error some may have
	// been appended.
	Put(ctx context.Context, entries [][]byte, most int) (ids []EntryID, oldest EntryID, err error)
	// After returns the entries behind an id, the oldest first, at most limit.
	After(ctx context.Context, id EntryID, limit int) ([]SharedEntry, error)
	// Last returns the last id that it gave; zero if it has none, or lost what it had.
	Last(ctx context.Context) (EntryID, error)
	// Remove takes entries out, those that are still there.
	Remove(ctx context.Context, ids []EntryID) error
	// Claim makes holder the one that salvages for ttl, if nobody else is, and
	// returns the time by the clock that EntryIDs go by.
	Claim(ctx context.Context, holder string, ttl time.Duration) (now time.Time, held bool, err error)
}

// EntryID is the place of an entry in a SharedBuffer. The zero EntryID is before
// the first.
type EntryID struct {
	Time   uint64 // ms since 1970, by the buffer's clock
	Number uint64 // among those of one time
}

// Compare orders ids as they were given.
func (id EntryID) Compare(o EntryID) int {
	return cmp.Or(cmp.Compare(id.Time, o.Time), cmp.Compare(id.Number, o.Number))
}

// SharedEntry is an entry under the id that the buffer gave it.
type SharedEntry struct {
	ID   EntryID
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
	spool string // of the gateway that recorded it
	lost  bool   // that gateway has it no more: its disk and its memory were full
	call  Call
}

// An entry is sealed: who can write to the buffer cannot make up calls.
//
//	sum (32) | version (1) | flags (1; 1: lost) | length of the spool's name (1), name | start (8, µs; 0: none) | frame
//
// The sum is HMAC-SHA256 over what follows it. The frame is an outcome as in
// segment 0 of a spool, with its plan.
const (
	sharedVersion = 1
	sharedHead    = sha256.Size + 3
	maxSpoolName  = 255
	maxShared     = 64 << 10 // bytes of an entry
)

// sealShared makes an entry of a call with its record; without its plan if that
// makes it too large, and nil if it is all the same.
func sealShared(secret []byte, c *sharedCall) []byte {
	if b := sealWith(secret, c, true); b != nil {
		return b
	}
	return sealWith(secret, c, false)
}

func sealWith(secret []byte, c *sharedCall, plan bool) []byte {
	buf, crc := encode(&c.call.Summary, c.call.Record, plan)
	defer buf.release()
	size := sharedHead + len(c.spool) + 8 + len(buf.b)
	if size > maxShared || len(c.spool) > maxSpoolName {
		return nil
	}
	f := frame{kind: frameOutcome, at: c.call.Ended.UnixMicro(), id: c.call.ID}
	f.seal(buf.b, 0, crc)
	var started uint64
	if !c.call.Started.IsZero() {
		started = uint64(c.call.Started.UnixMicro())
	}
	flags := byte(0)
	if c.lost {
		flags = 1
	}
	b := append(make([]byte, sha256.Size, size), sharedVersion, flags, byte(len(c.spool)))
	b = append(b, c.spool...)
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
	if len(b) < sharedHead || b[sha256.Size] != sharedVersion {
		return c, false
	}
	c.lost = b[sha256.Size+1]&1 != 0
	n := int(b[sha256.Size+2])
	if b = b[sharedHead:]; len(b) < n+8 {
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
