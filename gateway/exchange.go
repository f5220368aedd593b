package gateway

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// exchange is one request and its response. It implements cartrita.Writer for
// the calls. It belongs to the goroutine that serves the request.
type exchange struct {
	g        *Gateway
	w        http.ResponseWriter
	r        *http.Request
	route    *route
	received time.Time
	id       model.CallID  // id of the request, and of the call if it is one
	asked    string        // X-Request-Id of the response, once it is known
	who      *key.Identity // who sent it; nil on open routes

	status   int       // 0 until the header is written
	started  bool      // a stream was started
	ended    bool      // and ended
	call     bool      // the id is of a call: show it
	renewAt  time.Time // when the write deadline must be moved
	held     int64     // bytes of the body budget
	bodyDone bool      // the request's body was read to its end

	limits *limits // that this request was counted against; nil: none
	spent  int64   // tokens that were used

	// Header values that begin a response, and their text: one allocation
	// instead of one per header.
	values [maxOwnHeaders]string
	used   int
}

var _ cartrita.Writer = (*exchange)(nil)

// The response headers of a call, in the canonical form of net/http.
const (
	headerRequestID = "X-Request-Id"
	headerCallID    = "X-Cartrita-Call-Id"
	headerModel     = "X-Cartrita-Model"
	headerEndpoint  = "X-Cartrita-Endpoint"
	headerProvider  = "X-Cartrita-Provider"
	headerCost      = "X-Cartrita-Cost-Usd"
	headerEstimated = "X-Cartrita-Estimated-Cost-Usd"
	headerAttempts  = "X-Cartrita-Attempts"
	headerOverhead  = "X-Cartrita-Overhead-Ms"
	headerError     = "X-Cartrita-Error" // trailer only: code of the error that cut a stream

	maxOwnHeaders = 9
)

// Values that never change, shared by every response.
var (
	contentJSON   = []string{"application/json"}
	contentSSE    = []string{"text/event-stream; charset=utf-8"}
	noCache       = []string{"no-cache"}
	noBuffering   = []string{"no"}
	streamTrailer = []string{headerCost + ", " + headerOverhead + ", " + headerError}
)

// requestID returns the caller's X-Request-Id, or the id of the request.
func (x *exchange) requestID() string {
	if x.asked == "" {
		x.asked = x.sentRequestID("")
	}
	if x.asked == "" {
		x.asked = x.id.String()
	}
	return x.asked
}

// sentRequestID returns the caller's X-Request-Id, or def when there is no usable one.
func (x *exchange) sentRequestID(def string) string {
	if sent := x.r.Header[headerRequestID]; len(sent) == 1 && isRequestID(sent[0]) {
		return sent[0]
	}
	return def
}

// isRequestID accepts what can be logged and echoed without harm.
func isRequestID(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// countedBody is the size of a body that net/http counts by itself.
const countedBody = 2048

// Answer implements cartrita.Writer.
func (x *exchange) Answer(info cartrita.Info, status int, header http.Header, body []byte) error {
	h := x.w.Header()
	copyHeader(h, header)
	if h["Content-Type"] == nil {
		h["Content-Type"] = contentJSON
	}
	x.limitHeaders(h)
	x.describe(h, info)
	if len(body) > countedBody {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	x.extendDeadline()
	x.writeHeader(status)
	_, err := x.w.Write(body)
	return gone(err)
}

// Start implements cartrita.Writer. The header leaves with the first chunk.
func (x *exchange) Start(info cartrita.Info, header http.Header) error {
	h := x.w.Header()
	copyHeader(h, header)
	h["Content-Type"] = contentSSE
	h["Cache-Control"] = noCache
	h["X-Accel-Buffering"] = noBuffering
	h["Trailer"] = streamTrailer
	x.limitHeaders(h)
	x.describe(h, info)
	x.started = true
	x.writeHeader(http.StatusOK)
	return nil
}

// Chunk implements cartrita.Writer.
func (x *exchange) Chunk(data []byte) error {
	x.extendDeadline()
	if _, err := x.w.Write(data); err != nil {
		return gone(err)
	}
	return gone(x.flush())
}

// End implements cartrita.Writer. A stream that broke ends with an error event
// and without [DONE]; the transport ends regularly, because clients drop what
// they have buffered when it does not, the error event included.
func (x *exchange) End(rec *model.Record, err *model.Error) error {
	x.ended = true
	h := x.w.Header()
	if rec != nil {
		x.trail(h, rec)
	}
	if err == nil {
		return nil
	}
	h[headerError] = []string{err.Kind.String()}
	event := appendError([]byte("data: "), err, true, x.requestID())
	return x.Chunk(append(event, "\n\n"...))
}

func (x *exchange) trail(h http.Header, rec *model.Record) {
	if !rec.Cost.Unpriced {
		h[headerCost] = []string{string(rec.Cost.Total.AppendDecimal(nil))}
	}
	h[headerOverhead] = []string{strconv.FormatFloat(rec.OverheadMS, 'f', 3, 64)}
}

// describe sets our own headers. Their values share one string.
func (x *exchange) describe(h http.Header, info cartrita.Info) {
	b := info.ID.AppendTo(make([]byte, 0, 128))
	idEnd := len(b)
	b = strconv.AppendInt(b, int64(info.Attempts), 10)
	attemptsEnd := len(b)
	b = appendMillis(b, info.Overhead)
	overheadEnd := len(b)
	if info.CostKnown {
		b = info.Cost.AppendDecimal(b)
	}
	costEnd := len(b)
	if info.Estimated != 0 {
		b = info.Estimated.AppendDecimal(b)
	}
	text := string(b)
	x.set(h, headerCallID, text[:idEnd])
	x.set(h, headerModel, string(info.Model))
	x.set(h, headerEndpoint, string(info.Endpoint))
	x.set(h, headerProvider, info.Provider)
	x.set(h, headerAttempts, text[idEnd:attemptsEnd])
	x.set(h, headerOverhead, text[attemptsEnd:overheadEnd])
	x.set(h, headerCost, text[overheadEnd:costEnd])
	x.set(h, headerEstimated, text[costEnd:])
	if x.asked == "" {
		x.asked = x.sentRequestID(text[:idEnd])
	}
	x.set(h, headerRequestID, x.asked)
}

// set sets a header unless the value is empty.
func (x *exchange) set(h http.Header, key, value string) {
	if value == "" || x.used == len(x.values) {
		return
	}
	x.values[x.used] = value
	h[key] = x.values[x.used : x.used+1 : x.used+1]
	x.used++
}

// appendMillis appends d in milliseconds with three decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	b = strconv.AppendInt(b, us/1000, 10)
	frac := us % 1000
	return append(b, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
}

func copyHeader(dst, src http.Header) {
	for k, v := range src {
		dst[k] = v
	}
}

func (x *exchange) writeHeader(status int) {
	x.status = status
	x.w.WriteHeader(status)
}

// writeJSON answers with v.
func (x *exchange) writeJSON(v any) {
	body, err := marshal(nil, v)
	if err != nil {
		x.fail(&model.Error{Op: "gateway.writeJSON", Kind: model.KindInternal, Err: err})
		return
	}
	x.writeBody(http.StatusOK, contentJSON, append(body, '\n'))
}

func (x *exchange) writeBody(status int, contentType []string, body []byte) {
	h := x.w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	x.limitHeaders(h)
	x.set(h, headerRequestID, x.requestID())
	x.extendDeadline()
	x.writeHeader(status)
	_, _ = x.w.Write(body) // a caller that is gone needs no answer
}

// fail answers with an error, in-band when a stream has begun. It is the one
// place where errors end: those of ours are logged here.
func (x *exchange) fail(e *model.Error) {
	x.logError(e)
	if x.started {
		if !x.ended {
			_ = x.End(nil, e)
		}
		return
	}
	if x.status != 0 || e.Kind == model.KindCanceled && x.r.Context().Err() != nil {
		if x.status == 0 {
			x.status = model.StatusClientClosedRequest
		}
		return
	}
	h := x.w.Header()
	if after := retryAfter(e.RetryAfter); after != "" {
		h["Retry-After"] = []string{after}
	}
	switch e.Kind {
	case model.KindUnauthenticated:
		h["Www-Authenticate"] = []string{"Bearer"}
	case model.KindTooLarge:
		h["Connection"] = []string{"close"} // the rest of the body is not read
	}
	var m *methodError
	if errors.As(e.Err, &m) {
		h["Allow"] = []string{m.allow}
	}
	if x.call {
		x.set(h, headerCallID, x.id.String())
	}
	openAI := x.route == nil || x.route.openAI
	x.writeBody(statusOf(e), contentJSON, append(appendError(nil, e, openAI, x.requestID()), '\n'))
}

func (x *exchange) logError(e *model.Error) {
	if e.Kind != model.KindInternal {
		return
	}
	x.g.cfg.Logger.Error("request failed",
		slog.String("request_id", x.requestID()), slog.String("path", x.r.URL.Path), slog.String("error", e.Error()))
}

func (g *Gateway) logPanic(x *exchange, p any) {
	g.cfg.Logger.Error("panic while serving a request",
		slog.String("request_id", x.requestID()), slog.String("path", x.r.URL.Path),
		slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
}

// extendDeadline gives the client at least WriteTimeout from now to take what
// is written. Moving the deadline costs more than looking at the clock, so it
// is moved once in a quarter of that time, by a quarter more. Server sets the
// first deadline, and clears it for the next request of the connection.
func (x *exchange) extendDeadline() {
	now := time.Now() // deadlines are the operating system's: never the injected clock
	if now.Before(x.renewAt) {
		return
	}
	timeout := x.g.cfg.Limits.WriteTimeout
	if d, ok := x.w.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = d.SetWriteDeadline(now.Add(withSlack(timeout))) // a writer without deadlines has no slow client
	}
	x.renewAt = now.Add(timeout / 4)
}

// withSlack is how far ahead a write deadline lies, so that it need not be
// moved at every write.
func withSlack(timeout time.Duration) time.Duration { return timeout + timeout/4 }

func (x *exchange) flush() error {
	switch f := x.w.(type) {
	case interface{ FlushError() error }:
		return f.FlushError()
	case http.Flusher:
		f.Flush()
	}
	return nil
}

// gone words a failed write: whatever failed, the caller does not get more.
func gone(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &model.Error{Op: "gateway.write", Kind: model.KindCanceled, Message: "the client is too slow to read the answer", Err: err}
	}
	return &model.Error{Op: "gateway.write", Kind: model.KindCanceled, Message: "the client went away", Err: err}
}
