package mock

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// dialect is a surface: how it reads requests and words answers. The append
// functions append to dst what goes over the wire.
type dialect interface {
	ability() string // that a model must have
	idPrefix() string
	parse(r *http.Request, body []byte, strict bool) (*prompt, *fault)
	faultBody(f *fault, id string) []byte

	unary(dst []byte, t *turn) []byte
	begin(dst []byte, t *turn) []byte               // of a stream
	part(dst []byte, t *turn, i int, p part) []byte // one token of answer i
	end(dst []byte, t *turn, i int) []byte          // of answer i
	done(dst []byte, t *turn) []byte                // of the stream
	streamFault(dst []byte, f *fault) []byte        // instead of the rest
}

// turn is a request being answered.
type turn struct {
	id      string
	created int64 // Unix time
	prompt  *prompt
	profile *Profile
	answers []*answer

	block int // Anthropic: number of content blocks begun
	open  partKind
}

// routes lays out the surfaces.
func (s *Server) routes() {
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	s.mux.HandleFunc("GET /stats", s.handleStats)
	s.mux.HandleFunc("GET /v1/models", s.authorized(s.handleModels))
	s.mux.HandleFunc("GET /v1/models/{name...}", s.authorized(s.handleModel))
	s.mux.HandleFunc("POST /v1/chat/completions", s.generate(chatDialect{}))
	s.mux.HandleFunc("POST /v1/completions", s.generate(completionDialect{}))
	s.mux.HandleFunc("POST /v1/messages", s.generate(messagesDialect{}))
	s.mux.HandleFunc("POST /v1/embeddings", s.handleEmbeddings)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		f := &fault{status: http.StatusNotFound, kind: faultNotFound, code: "unknown_url", message: "There is nothing at " + r.Method + " " + r.URL.Path + "."}
		f.write(w, f.openAIError())
	})
}

// unauthorized checks the key, if one is demanded.
func (s *Server) unauthorized(r *http.Request) *fault {
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if given == "" {
		given = r.Header.Get("X-Api-Key")
	}
	if s.cfg.APIKey == "" || given == s.cfg.APIKey {
		return nil
	}
	return &fault{status: http.StatusUnauthorized, kind: faultAuth, code: "invalid_api_key", message: "The API key is missing or wrong."}
}

// authorized guards a handler of OpenAI's surface.
func (s *Server) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if f := s.unauthorized(r); f != nil {
			f.write(w, f.openAIError())
			return
		}
		next(w, r)
	}
}

// body reads the request's body.
func (s *Server) body(w http.ResponseWriter, r *http.Request) ([]byte, *fault) {
	if r.ContentLength > s.cfg.MaxBody {
		return nil, &fault{status: http.StatusRequestEntityTooLarge, kind: faultTooLarge, message: "The body is too large."}
	}
	buf := make([]byte, 0, max(r.ContentLength, 512)+1)
	reader := http.MaxBytesReader(w, r.Body, s.cfg.MaxBody)
	for {
		n, err := reader.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
				return nil, &fault{status: http.StatusRequestEntityTooLarge, kind: faultTooLarge, message: "The body is too large."}
			}
			return nil, badRequest("The body could not be read.")
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

// generate serves requests for text in dialect d.
func (s *Server) generate(d dialect) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		body, f := s.body(w, r)
		if f == nil {
			f = s.unauthorized(r)
		}
		var q *prompt
		if f == nil {
			q, f = d.parse(r, body, s.cfg.Strict)
		}
		var m *llm
		if f == nil {
			m, f = s.find(q.model)
		}
		if f != nil {
			f.write(w, d.faultBody(f, "req_0"))
			return
		}
		s.serve(w, r, d, m, q, start)
	}
}

// find returns the model with a name.
func (s *Server) find(name string) (*llm, *fault) {
	if m := s.models[name]; m != nil {
		return m, nil
	}
	return nil, &fault{
		status: http.StatusNotFound, kind: faultNotFound, code: "model_not_found", param: "model",
		message: "The model " + strconv.Quote(name) + " does not exist. Available: " + strings.Join(s.names, ", ") + ".",
	}
}

// serve answers a well-formed request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, d dialect, m *llm, q *prompt, start time.Time) {
	p := m.profile.Load()
	number := m.requests.Add(1)
	dice := m.dice(number)
	busy := m.inFlight.Add(1)
	defer m.inFlight.Add(-1)
	id := requestID(m.salt, number)
	w.Header().Set("X-Request-Id", "req_"+id)
	w.Header().Set("Request-Id", "req_"+id) // Anthropic's name for it
	s.cfg.Logger.Debug("mock request", slog.String("model", p.Name), slog.Uint64("number", number), slog.Bool("stream", q.stream))

	fail := dice.failure(p)
	if f := m.refuse(d, p, q, fail, busy); f != nil {
		if !sleep(r.Context(), start.Add(dice.jitter(p.TTFT, p.Jitter))) {
			m.stats.canceled.Add(1)
			return
		}
		f.write(w, d.faultBody(f, "req_"+id))
		return
	}
	if fail == failHang {
		m.stats.hung.Add(1)
		hang(r.Context(), p)
	}
	t := &turn{id: d.idPrefix() + id, created: s.cfg.Clock().Unix(), prompt: q, profile: p, answers: make([]*answer, q.n)}
	for i := range t.answers {
		t.answers[i] = m.compose(p, q, i)
		t.answers[i].inputTokens = q.tokens(p.BytesPerToken)
	}
	s.cache.apply(t.answers[0], p, q)
	x := &exchange{w: w, d: d, m: m, t: t, dice: dice, start: start, fail: fail}
	if q.stream {
		x.stream(r.Context())
	} else {
		x.unary(r.Context())
	}
}

// requestID is the same for the same seed, model and number of the request.
func requestID(salt, number uint64) string {
	return strconv.FormatUint(salt^number*0x9e3779b97f4a7c15, 16)
}

// sleep waits until a time; false if the client left.
func sleep(ctx context.Context, until time.Time) bool {
	wait := time.Until(until)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// hang says nothing until the client leaves or the limit passes, and then
// closes the connection.
func hang(ctx context.Context, p *Profile) {
	sleep(ctx, time.Now().Add(p.HangLimit))
	panic(http.ErrAbortHandler)
}

// buffers are reused between streams; each is emptied before it is given back.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}
