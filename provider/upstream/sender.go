package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Sender sends requests to the servers of one provider.
type Sender struct {
	op      string
	cfg     Config
	auth    func(*url.URL) string
	targets sync.Map // targetKey → *target
}

// New returns a sender. op names the client in errors; auth names the header
// that carries the key for a URL.
func New(op string, cfg Config, auth func(*url.URL) string) (*Sender, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(op); err != nil {
		return nil, err
	}
	return &Sender{op: op, cfg: cfg, auth: auth}, nil
}

// Op is the name given to New.
func (s *Sender) Op() string { return s.op }

// MaxEvent is the limit for one event of a stream.
func (s *Sender) MaxEvent() int { return s.cfg.MaxEvent }

// Close closes connections that are not in use.
func (s *Sender) Close() error {
	if t, ok := s.cfg.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	return nil
}

// Reply is an answer with a status of success.
type Reply struct {
	Status int
	Header http.Header // allow-listed
	Body   []byte      // of a unary request
	Stream *Body       // of a streamed one
}

// The phases of an attempt, as they stand in an error when one takes too long.
const (
	phaseFirst   = "did not begin to answer in time"
	phaseUnary   = "did not finish its answer in time"
	phaseContent = "sent no content in time"
	phaseIdle    = "fell silent in the middle of its answer"
)

// Post sends body to the endpoint's base URL + path. The transport may read
// body even after Post has returned: the caller must not change or reuse it.
func (s *Sender) Post(ctx context.Context, ep *model.Endpoint, path string, body []byte, stream bool) (*Reply, error) {
	t, err := s.target(ep.BaseURL, path)
	if err != nil {
		return nil, err
	}
	key, err := s.key(ep.Credential)
	if err != nil {
		return nil, err
	}
	limit, phase := s.cfg.UnaryTimeout, phaseUnary
	if stream {
		limit, phase = s.cfg.FirstTimeout, phaseFirst
	}
	attempt, w := watch(ctx, limit, phase)
	resp, err := s.roundTrip(attempt, t, s.header(t, key, stream), body)
	if err != nil {
		defer w.stop()
		return nil, s.noAnswer(ctx, w, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer w.stop()
		return nil, s.refusal(ctx, w, resp, key)
	}
	keepAllowed(resp.Header)
	reply := &Reply{Status: resp.StatusCode, Header: resp.Header}
	if stream {
		w.timer.Stop()
		w.phase = phaseContent
		reply.Stream = &Body{s: s, parent: ctx, w: w, resp: resp, left: s.cfg.IdleTimeout}
		return reply, nil
	}
	defer w.stop()
	reply.Body, err = s.readAll(ctx, w, resp)
	return reply, err
}

// maxStale is how many connections in a row may turn out to be closed while a
// request is written to them.
const maxStale = 4

// roundTrip sends the request, again where the connection was closed before
// all of it was written: the upstream cannot have begun to work on it. After
// that an upstream may have done the work, and the caller decides; so the
// request has no Idempotency-Key, which would let net/http send it twice.
func (s *Sender) roundTrip(ctx context.Context, t *target, h http.Header, body []byte) (resp *http.Response, err error) {
	for range maxStale {
		resp, err = s.cfg.Transport.RoundTrip(newRequest(ctx, t, h, body))
		if err == nil || ctx.Err() != nil || !notSent(err) {
			break
		}
	}
	return resp, err
}

// notSent reports an error of writing to a connection that was closed.
func notSent(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op != "write" {
		return false
	}
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// newRequest makes a request. Its body is of a type that net/http knows to be
// in memory, so that headers and body go out in one write.
func newRequest(ctx context.Context, t *target, h http.Header, body []byte) *http.Request {
	reader := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	first, _ := reader()
	req := &http.Request{
		Method: http.MethodPost, URL: t.url, Host: t.url.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: first, ContentLength: int64(len(body)), GetBody: reader,
	}
	return req.WithContext(ctx)
}

// key resolves the credential; "" means that none is needed.
func (s *Sender) key(ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	if s.cfg.Credentials == nil {
		return "", model.Errorf(s.op, model.KindUpstreamAuth, "no source of credentials is configured for this provider")
	}
	key, err := s.cfg.Credentials(ref)
	if err == nil && (key == "" || !validHeader("k", key)) {
		err = errors.New("the credential is empty or has characters that no key has")
	}
	if err != nil {
		return "", &model.Error{Op: s.op, Kind: model.KindUpstreamAuth,
			Message: "the credential of this endpoint cannot be read", Err: err}
	}
	return key, nil
}

// watchdog ends an attempt that takes too long.
type watchdog struct {
	cancel context.CancelFunc
	timer  *time.Timer
	fired  atomic.Bool
	phase  string // used by the owner of the attempt only
}

// watch returns a context for the attempt, which ends with the caller's, when
// the timer fires, and when the attempt is over.
func watch(ctx context.Context, limit time.Duration, phase string) (context.Context, *watchdog) {
	w := &watchdog{phase: phase}
	ctx, w.cancel = context.WithCancel(ctx)
	w.timer = time.AfterFunc(limit, func() {
		w.fired.Store(true)
		w.cancel()
	})
	return ctx, w
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel()
}

// noAnswer words an error of the transport before any answer.
func (s *Sender) noAnswer(ctx context.Context, w *watchdog, err error) *model.Error {
	if e := s.ended(ctx, w, err); e != nil {
		return e
	}
	e := &model.Error{Op: s.op, Err: opaque(err)}
	var dial *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns), errors.As(err, &dial) && dial.Op == "dial":
		e.Kind, e.Message = model.KindUnavailable, "the upstream cannot be reached"
	case isTLS(err):
		e.Kind, e.Message = model.KindUnavailable, "no secure connection to the upstream"
	default:
		e.Kind, e.Message = model.KindUpstream, "the upstream closed the connection before it answered"
	}
	return e
}

func isTLS(err error) bool {
	s := err.Error()
	return strings.Contains(s, "tls: ") || strings.Contains(s, "x509: ") || strings.Contains(s, "TLS handshake")
}

// ended words an error that stems from the end of a context; nil if it does not.
func (s *Sender) ended(ctx context.Context, w *watchdog, err error) *model.Error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &model.Error{Op: s.op, Kind: model.KindTimeout, Message: "the deadline of the call passed", Err: err}
	case ctx.Err() != nil:
		return &model.Error{Op: s.op, Kind: model.KindCanceled, Message: "the caller went away", Err: err}
	}
	if w.fired.Load() {
		return &model.Error{Op: s.op, Kind: model.KindTimeout, Message: "the upstream " + w.phase, Err: err}
	}
	return nil
}

// broken words an error while an answer was being read.
func (s *Sender) broken(ctx context.Context, w *watchdog, status int, err error) *model.Error {
	e := s.ended(ctx, w, err)
	if e == nil {
		e = &model.Error{Op: s.op, Kind: model.KindUpstream, Message: "the upstream broke off its answer", Err: opaque(err)}
	}
	e.Status = status
	return e
}

// opaque hides the end of a connection from errors.Is: a receiver must not take
// an answer that broke off for one that came to its end.
func opaque(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New(err.Error())
	}
	return err
}

func (s *Sender) readAll(ctx context.Context, w *watchdog, resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	tooLong := model.Errorf(s.op, model.KindUpstream, "the upstream's answer is over the limit of %d bytes", s.cfg.MaxBody)
	tooLong.Status = resp.StatusCode
	if resp.ContentLength > s.cfg.MaxBody {
		return nil, tooLong
	}
	buf := make([]byte, 0, max(resp.ContentLength, 1024)+bytesForEOF)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := resp.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > s.cfg.MaxBody {
			return nil, tooLong
		}
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return nil, s.broken(ctx, w, resp.StatusCode, err)
		}
	}
}

// bytesForEOF is spare room, so that the read that finds the end needs no bigger buffer.
const bytesForEOF = 16

// maxErrorBody is how much of an error body is read.
const maxErrorBody = 64 << 10

func (s *Sender) refusal(ctx context.Context, w *watchdog, resp *http.Response, key string) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil && len(body) == 0 {
		if e := s.ended(ctx, w, err); e != nil {
			return e
		}
	}
	e := Classify(resp.StatusCode, resp.Header, body)
	e.Op = s.op
	redact(e, key)
	return e
}

// redact cuts the key out of what a server may have echoed.
func redact(e *model.Error, key string) {
	if len(key) < 8 {
		return
	}
	e.Message = strings.ReplaceAll(e.Message, key, "[key]")
	if e.Err != nil && strings.Contains(e.Err.Error(), key) {
		e.Err = errors.New(strings.ReplaceAll(e.Err.Error(), key, "[key]"))
	}
}
