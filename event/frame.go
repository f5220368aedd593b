package event

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/cartrita/cartrita/model"
)

// A segment file is a header and frames, little endian:
//
//	segment: "CARTSEG1" | spool id (16) | segment number (8)
//	frame:   magic (4) | header CRC (4) | payload CRC (4) | payload length (4) |
//	         type (1), zero (3), intent size (4) | time (8, µs) | call id (16) | intent position (8+8) | payload
//	payload: summary, record document, plan document; the first two behind their length as uvarint
//
// Both sums are CRC-32C. The header's is seeded with the segment number: a
// recycled file still holds frames of its former life, and those must not read
// as frames of this one. The magic holds bytes that JSON never does, so a frame
// can be found again behind a damaged one.
const (
	segmentMagic  = "CARTSEG1"
	segmentHeader = 32
	frameMagic    = "\xfeCF\x01"
	frameHeader   = 64
	maxPayload    = 16 << 20 // bytes; a larger record is refused
)

type frameType uint8

const (
	frameIntent  frameType = 1
	frameOutcome frameType = 2
)

// frame is one entry of the spool.
type frame struct {
	kind    frameType
	at      int64 // µs since the epoch
	id      model.CallID
	intent  location // of an outcome: where the intent of its call is; zero if it had none
	payload []byte
}

// location is where a whole frame is.
type location struct {
	Position
	size int
}

func (l location) end() Position { return Position{l.Segment, l.Offset + int64(l.size)} }

func (f *frame) time() time.Time { return time.UnixMicro(f.at).UTC() }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal writes the frame's header into b[:frameHeader]; b is the whole frame,
// payloadCRC the sum of its payload.
func (f *frame) seal(b []byte, segment uint64, payloadCRC uint32) {
	le := binary.LittleEndian
	copy(b, frameMagic)
	le.PutUint32(b[8:], payloadCRC)
	le.PutUint32(b[12:], uint32(len(b)-frameHeader))
	le.PutUint32(b[16:], uint32(f.kind))
	le.PutUint32(b[20:], uint32(f.intent.size))
	le.PutUint64(b[24:], uint64(f.at))
	copy(b[32:], f.id[:])
	le.PutUint64(b[48:], f.intent.Segment)
	le.PutUint64(b[56:], uint64(f.intent.Offset))
	le.PutUint32(b[4:], headerSum(b, segment))
}

func headerSum(b []byte, segment uint64) uint32 {
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], segment)
	return crc32.Update(crc32.Checksum(seed[:], castagnoli), castagnoli, b[8:frameHeader])
}

func payloadSum(payload []byte) uint32 { return crc32.Checksum(payload, castagnoli) }

// readFrame reads the frame at the start of b. It returns false for anything
// that is not a whole, undamaged frame of the segment. The payload aliases b.
func readFrame(b []byte, segment uint64) (f frame, size int, ok bool) {
	if len(b) < frameHeader || string(b[:4]) != frameMagic {
		return f, 0, false
	}
	le := binary.LittleEndian
	n := int(le.Uint32(b[12:]))
	if le.Uint32(b[4:]) != headerSum(b, segment) || n > maxPayload || n > len(b)-frameHeader {
		return f, 0, false
	}
	payload := b[frameHeader : frameHeader+n : frameHeader+n]
	if le.Uint32(b[8:]) != payloadSum(payload) {
		return f, 0, false
	}
	f = frame{
		kind: frameType(b[16]), at: int64(le.Uint64(b[24:])), id: model.CallID(b[32:48]), payload: payload,
		intent: location{Position{Segment: le.Uint64(b[48:]), Offset: int64(le.Uint64(b[56:]))}, int(le.Uint32(b[20:]))},
	}
	return f, frameHeader + n, true
}

// appendPayload appends the payload of a frame for rec.
func appendPayload(b []byte, sum *Summary, rec *model.Record, withPlan bool) []byte {
	at := len(b)
	b = sum.append(append(b, noLength...))
	putLength(b, at)
	at = len(b)
	b = AppendRecord(append(b, noLength...), rec)
	putLength(b, at)
	if withPlan && rec.Plan != nil {
		b = AppendPlan(b, rec.Plan)
	}
	return b
}

// noLength is room for a length that is known only behind what it measures;
// putLength fills it. A uvarint may be padded, and four bytes hold maxPayload.
const noLength = "\x80\x80\x80\x00"

func putLength(b []byte, at int) {
	n := len(b) - at - len(noLength)
	b[at], b[at+1], b[at+2], b[at+3] = byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)|0x80, byte(n>>21)&0x7f
}

// splitPayload is the inverse of appendPayload; plan is nil when there is none.
func splitPayload(b []byte) (summary, record, plan []byte, ok bool) {
	summary, b, ok = prefixed(b)
	if !ok {
		return nil, nil, nil, false
	}
	record, plan, ok = prefixed(b)
	if len(plan) == 0 {
		plan = nil
	}
	return summary, record, plan, ok
}

func prefixed(b []byte) (head, rest []byte, ok bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, nil, false
	}
	return b[k : k+int(n) : k+int(n)], b[k+int(n):], true
}
