package event

import (
	"sync"

	"github.com/cartrita/cartrita/model"
)

// buffer is the memory of one frame: room for the header, then the payload.
type buffer struct{ b []byte }

func (b *buffer) payload() []byte { return b.b[frameHeader:] }

// buffers recycles them. A buffer is emptied before it is used again, so
// nothing of one call reaches another; large ones are not kept.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

const keepBuffer = 64 << 10

// encode returns a frame for rec, its header still empty, and the sum of its payload.
func encode(sum *Summary, rec *model.Record, withPlan bool) (*buffer, uint32) {
	var header [frameHeader]byte
	buf := buffers.Get().(*buffer)
	buf.b = appendPayload(append(buf.b[:0], header[:]...), sum, rec, withPlan)
	return buf, payloadSum(buf.payload())
}

func (b *buffer) release() {
	if b != nil && cap(b.b) <= keepBuffer {
		buffers.Put(b)
	}
}

// queued is an outcome that waits in memory. Its buffers are released when it
// is stored.
type queued struct {
	call    Call
	intent  location // of its intent's frame; zero if there is none
	started *buffer  // of its intent; nil if there was none, or if it is to be read back
	ended   *buffer
}

// fill points the documents of the call into the buffers.
func (q *queued) fill() {
	c := &q.call
	_, c.RecordJSON, c.PlanJSON, _ = splitPayload(q.ended.payload())
	if q.started != nil {
		_, _, c.PlanJSON, _ = splitPayload(q.started.payload())
	}
}

func (q *queued) release() {
	q.started.release()
	q.ended.release()
	q.started, q.ended = nil, nil
}
