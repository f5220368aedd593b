package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/cartrita/cartrita/model"
)

// firstRead is how many bytes are set aside for a body before any has come,
// whatever its Content-Length claims.
const firstRead = 1 << 20

// readBody reads the whole body into fresh memory. The bytes may outlive the
// request: a transport can still be sending them when its answer has begun, so
// they do not come from a pool. The caller must call releaseBody later.
func (x *exchange) readBody() ([]byte, *model.Error) {
	limit := x.g.cfg.Limits.MaxBodyBytes
	if enc := x.r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, model.Errorf(opBody, model.KindInvalid, "the Content-Encoding %.40q is not accepted; send the body plain", enc)
	}
	size := x.r.ContentLength
	if size > limit {
		return nil, tooLarge(limit)
	}
	if x.r.Body == nil || x.r.Body == http.NoBody {
		return nil, errEmptyBody
	}
	if !x.hold(max(size, 0)) {
		return nil, errBodyMemory
	}
	x.readWithin(x.g.cfg.Limits.BodyTimeout)
	var body []byte
	var err *model.Error
	if size > 0 && size <= firstRead {
		body = make([]byte, size)
		_, rerr := io.ReadFull(x.r.Body, body)
		err = x.readError(rerr)
	} else {
		body, err = x.readGrowing(limit)
	}
	if err == nil {
		x.bodyDone = true
		x.readWithin(0) // the connection is watched for the caller's going away while the call runs
	}
	return body, err
}

// readGrowing reads a body whose length is unknown or large.
func (x *exchange) readGrowing(limit int64) ([]byte, *model.Error) {
	known := x.r.ContentLength > 0
	body := make([]byte, 0, 64<<10)
	for {
		n, err := x.r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if !known && n > 0 && !x.hold(int64(n)) {
			return nil, errBodyMemory
		}
		switch {
		case int64(len(body)) > limit:
			return nil, tooLarge(limit)
		case errors.Is(err, io.EOF) && len(body) == 0:
			return nil, errEmptyBody
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, x.readError(err)
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}

// hold reserves n bytes of the memory for bodies.
func (x *exchange) hold(n int64) bool {
	if !x.g.bodies.take(n) {
		return false
	}
	x.held += n
	return true
}

// releaseBody gives back what readBody reserved.
func (x *exchange) releaseBody() {
	x.g.bodies.give(x.held)
	x.held = 0
}

// readWithin sets how long the connection may take to deliver, 0 for ever.
func (x *exchange) readWithin(d time.Duration) {
	conn, ok := x.w.(interface{ SetReadDeadline(time.Time) error })
	if !ok {
		return // no connection, no slow client
	}
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = conn.SetReadDeadline(deadline)
}

// drainTimeout is what net/http gets to throw away a body that was not read.
// Without it a caller that is refused and never sends its body would hold the
// connection for ever.
const drainTimeout = time.Second

// leaveBody bounds what happens to an unread body after the handler returns.
func (x *exchange) leaveBody() {
	if !x.bodyDone && x.r.ContentLength != 0 {
		x.readWithin(min(drainTimeout, x.g.cfg.Limits.BodyTimeout))
	}
}

const opBody = "gateway.readBody"

var errEmptyBody = model.Errorf(opBody, model.KindInvalid, "the body is empty")

func tooLarge(limit int64) *model.Error {
	return model.Errorf(opBody, model.KindTooLarge, "the body is larger than the limit of %d bytes", limit)
}

func (x *exchange) readError(err error) *model.Error {
	var maxErr *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &maxErr):
		return tooLarge(maxErr.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return model.Errorf(opBody, model.KindInvalid, "the body did not arrive within %v", x.g.cfg.Limits.BodyTimeout)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &model.Error{Op: opBody, Kind: model.KindInvalid, Message: "the body ends before its Content-Length", Err: err}
	}
	return &model.Error{Op: opBody, Kind: model.KindInvalid, Message: "the body cannot be read", Err: err}
}
