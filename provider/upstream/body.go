package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// drainTime and drainBytes bound what is spent on reading a finished stream to
// its end, so that its connection can be used again.
const (
	drainTime  = 100 * time.Millisecond
	drainBytes = 4 << 10
)

// Body is a streamed answer. It must be closed.
type Body struct {
	s      *Sender
	parent context.Context
	w      *watchdog
	resp   *http.Response
	eof    bool
	closed bool
	begun  bool          // the first content has come
	left   time.Duration // of the wait for it
}

// Read reads what has arrived, waiting for at most the idle limit. Until Begun,
// that is the limit for all reads together: an upstream that sends comments
// and no content must not hold a call for ever. Errors other than io.EOF are
// *model.Error.
func (b *Body) Read(dst []byte) (int, error) {
	if b.begun {
		b.left = b.s.cfg.IdleTimeout
	}
	start := time.Now()
	b.w.timer.Reset(b.left)
	n, err := b.resp.Body.Read(dst)
	b.w.timer.Stop()
	b.left -= time.Since(start)
	switch {
	case errors.Is(err, io.EOF):
		b.eof = true
	case err != nil:
		err = b.s.broken(b.parent, b.w, b.resp.StatusCode, err)
	}
	return n, err
}

// Begun says that the first content has come.
func (b *Body) Begun() {
	b.begun = true
	b.w.phase = phaseIdle
}

// EndIsKnown reports whether an io.EOF proves that the upstream meant to end
// here, which a connection that just closes (HTTP/1.0 style) does not.
func (b *Body) EndIsKnown() bool {
	r := b.resp
	return r.ProtoMajor >= 2 || r.ContentLength >= 0 || len(r.TransferEncoding) > 0
}

// Drain reads what little should follow the end of the stream.
func (b *Body) Drain() {
	if b.eof || b.closed {
		return
	}
	b.w.timer.Reset(drainTime)
	var scrap [256]byte
	for total := 0; total < drainBytes; {
		n, err := b.resp.Body.Read(scrap[:])
		if err != nil {
			break
		}
		total += n
	}
	b.w.timer.Stop()
}

// Close gives the upstream up, if it is still sending. It may be called again.
func (b *Body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	b.w.stop()
	return b.resp.Body.Close()
}
