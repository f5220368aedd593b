package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/cartrita/cartrita/event"
)

// A block holds the documents of up to blockCalls neighbours. Its records
// column, before compression, is
//
//	version (1) | count | entries | record documents
//	entry: seq − seq of the block | seq − ended | length of the record | 1 + length of the plan, 0 for none
//
// in uvarints, and its plans column the plan documents one behind the other.
// They are apart so that a list without plans reads a seventh of the bytes.
const (
	blockVersion = 1
	blockCalls   = 64       // at most
	blockBytes   = 1 << 20  // documents behind which a block ends early
	maxUnpacked  = 64 << 20 // no block is larger; more is damage
)

// Entry is one call of a block.
type Entry struct {
	Seq, Ended   int64  // Ended in µs since the epoch
	Record, Plan []byte // documents; Plan nil: none
}

// Packer makes blocks; its buffers are reused.
type Packer struct {
	head, records, plans []byte
	packedR, packedP     []byte
}

// Pack returns the two columns of a block; they are valid until the next Pack.
func (p *Packer) Pack(first int64, rows []Row) (records, plans []byte) {
	p.head = append(p.head[:0], blockVersion)
	p.head = binary.AppendUvarint(p.head, uint64(len(rows)))
	p.plans = p.plans[:0]
	for _, r := range rows {
		c := r.Call
		p.head = binary.AppendUvarint(p.head, uint64(r.Seq-first))
		p.head = binary.AppendUvarint(p.head, uint64(r.Seq-c.Ended.UnixMicro()))
		p.head = binary.AppendUvarint(p.head, uint64(len(c.RecordJSON)))
		if c.PlanJSON == nil {
			p.head = append(p.head, 0)
		} else {
			p.head = binary.AppendUvarint(p.head, uint64(len(c.PlanJSON))+1)
			p.plans = append(p.plans, c.PlanJSON...)
		}
	}
	p.records = append(p.records[:0], p.head...)
	for _, r := range rows {
		p.records = append(p.records, r.Call.RecordJSON...)
	}
	p.packedR = s2.Encode(p.packedR[:cap(p.packedR)], p.records)
	p.packedP = s2.Encode(p.packedP[:cap(p.packedP)], p.plans)
	return p.packedR, p.packedP
}

// ErrBlock is what damaged documents give.
var ErrBlock = errors.New("a block of call documents is damaged")

// Unpack reads a block; plans may be nil, the entries then have none.
func Unpack(first int64, records, plans []byte) ([]Entry, error) {
	b, err := Decompress(records)
	if err != nil {
		return nil, err
	}
	if plans != nil {
		if plans, err = Decompress(plans); err != nil {
			return nil, err
		}
	}
	if len(b) == 0 || b[0] != blockVersion {
		return nil, ErrBlock
	}
	r := uvarints{b: b[1:]}
	n := r.next()
	if n > uint64(len(b)) {
		return nil, ErrBlock
	}
	out := make([]Entry, n)
	type size struct{ record, plan uint64 }
	sizes := make([]size, n)
	for i := range out {
		out[i].Seq = first + int64(r.next())
		out[i].Ended = out[i].Seq - int64(r.next())
		sizes[i] = size{r.next(), r.next()}
	}
	for i := range out {
		out[i].Record = r.take(&r.b, sizes[i].record)
		if plans != nil && sizes[i].plan > 0 {
			out[i].Plan = r.take(&plans, sizes[i].plan-1)
		}
	}
	if r.bad {
		return nil, ErrBlock
	}
	return out, nil
}

// Ended returns when the first and the last of some calls ended.
func Ended(entries []Entry) (oldest, newest time.Time) {
	low, high := entries[0].Ended, entries[0].Ended
	for i := range entries {
		low, high = min(low, entries[i].Ended), max(high, entries[i].Ended)
	}
	return time.UnixMicro(low).UTC(), time.UnixMicro(high).UTC()
}

// Decompress undoes s2, within bounds.
func Decompress(b []byte) ([]byte, error) {
	if n, err := s2.DecodedLen(b); err != nil || n > maxUnpacked {
		return nil, ErrBlock
	}
	out, err := s2.Decode(nil, b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBlock, err)
	}
	return out, nil
}

// BlockSize returns how many of the rows go into the next block.
func BlockSize(rows []Row) int {
	bytes := 0
	for i, r := range rows {
		bytes += len(r.Call.RecordJSON) + len(r.Call.PlanJSON)
		if i+1 == blockCalls || bytes >= blockBytes {
			return i + 1
		}
	}
	return len(rows)
}

// uvarints reads from b and remembers whether it ran out.
type uvarints struct {
	b   []byte
	bad bool
}

func (r *uvarints) next() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *uvarints) take(from *[]byte, n uint64) []byte {
	if n > uint64(len(*from)) {
		r.bad = true
		return nil
	}
	out := (*from)[:n:n]
	*from = (*from)[n:]
	return out
}

// Row is a call with its place in the store.
type Row struct {
	Seq  int64
	Call *event.Call
}
