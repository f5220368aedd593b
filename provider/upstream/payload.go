package upstream

import (
	"errors"
	"io"
	"sync"
)

// maxPooled is the largest request body whose buffer is kept for reuse.
const maxPooled = 1 << 20

var errReleased = errors.New("upstream: request body read after the attempt was over")

// Payload is the body of one request, in a pooled buffer. The transport may
// read it from its own goroutines, even after it has returned; Release waits
// for a read in progress and cuts off later ones.
type Payload struct {
	mu  sync.Mutex
	buf []byte
	len int64
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// NewPayload makes a body by calling build with an empty buffer to append to.
func NewPayload(build func(dst []byte) []byte) *Payload {
	p := &Payload{}
	p.buf = build((*buffers.Get().(*[]byte))[:0])
	p.len = int64(len(p.buf))
	return p
}

// Release gives the buffer back. The payload must not be sent afterwards.
func (p *Payload) Release() {
	p.mu.Lock()
	buf := p.buf
	p.buf = nil
	p.mu.Unlock()
	if buf != nil && cap(buf) <= maxPooled {
		buffers.Put(&buf)
	}
}

// body returns a reader from the start.
func (p *Payload) body() io.ReadCloser { return &payloadReader{p: p} }

type payloadReader struct {
	p   *Payload
	off int
}

func (r *payloadReader) Read(dst []byte) (int, error) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	if r.p.buf == nil {
		return 0, errReleased
	}
	if r.off == len(r.p.buf) {
		return 0, io.EOF
	}
	n := copy(dst, r.p.buf[r.off:])
	r.off += n
	return n, nil
}

func (r *payloadReader) Close() error { return nil }
