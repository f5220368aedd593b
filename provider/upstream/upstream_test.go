package upstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/upstream"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func newSender(t testing.TB, cfg upstream.Config) *upstream.Sender {
	t.Helper()
	s, err := upstream.New("test.Do", cfg, upstream.BearerAuth)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConfigIsChecked(t *testing.T) {
	for field, cfg := range map[string]upstream.Config{
		"idle_timeout":           {IdleTimeout: -1},
		"max_body":               {MaxBody: -1},
		"headers.X-A":            {Headers: map[string]string{"X-A": "a\r\nX-B: c"}},
		"headers.x a":            {Headers: map[string]string{"x a": "a"}},
		"headers.content-length": {Headers: map[string]string{"content-length": "3"}},
	} {
		_, err := upstream.New("test.New", cfg, upstream.BearerAuth)
		if e := model.AsError(err); e == nil || e.Kind != model.KindInvalid || e.Param != field {
			t.Errorf("want an error about %s, got %v", field, err)
		}
	}
}

func TestBaseURL(t *testing.T) {
	var got *http.Request
	s := newSender(t, upstream.Config{
		Headers:     map[string]string{"x-org": "o"},
		Credentials: func(ref string) (string, error) { return "secret-of-" + ref[4:], nil },
		Transport: transport(func(r *http.Request) (*http.Response, error) {
			got = r
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
		}),
	})
	for _, tt := range []struct{ base, url, header, value string }{
		{"http://h:1/v1", "http://h:1/v1/x", "Authorization", "Bearer secret-of-K"},
		{"http://h:1/v1/", "http://h:1/v1/x", "Authorization", "Bearer secret-of-K"},
		{"https://r.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
			"https://r.openai.azure.com/openai/deployments/d/x?api-version=2024-10-21", "Api-Key", "secret-of-K"},
	} {
		_, err := s.Post(t.Context(), &model.Endpoint{BaseURL: tt.base, Credential: "env:K"}, "/x", []byte("{}"), false)
		if err != nil {
			t.Fatal(err)
		}
		if got.URL.String() != tt.url || got.Header.Get(tt.header) != tt.value || got.Header.Get("X-Org") != "o" {
			t.Errorf("%s: sent to %s with %v", tt.base, got.URL, got.Header)
		}
	}
	for _, base := range []string{"", "h:1/v1", "ftp://h/v1", "http://", "http://user:pw@h/v1", "http://h\x00/"} {
		_, err := s.Post(t.Context(), &model.Endpoint{BaseURL: base}, "/x", []byte("{}"), false)
		if e := model.AsError(err); e == nil || e.Param != "base_url" {
			t.Errorf("%q: got %v, want an error about base_url", base, err)
		}
	}
}

// TestKeysAreNotMixed: one target serves endpoints with different keys.
func TestKeysAreNotMixed(t *testing.T) {
	s := newSender(t, upstream.Config{
		Credentials: func(ref string) (string, error) { return ref, nil },
		Transport: transport(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			if want := "Bearer " + string(body); r.Header.Get("Authorization") != want {
				t.Errorf("sent %q, want %q", r.Header.Get("Authorization"), want)
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
		}),
	})
	for _, key := range []string{"key-a", "key-b", "key-a", "key-b"} {
		if _, err := s.Post(t.Context(), &model.Endpoint{BaseURL: "http://h", Credential: key}, "/x", []byte(key), false); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnswerIsBounded(t *testing.T) {
	for _, known := range []bool{true, false} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if !known {
				_ = http.NewResponseController(w).Flush()
			}
			_, _ = io.WriteString(w, strings.Repeat("x", 5000))
		}))
		defer srv.Close()
		for limit, ok := range map[int64]bool{4999: false, 5000: true, 1 << 20: true} {
			s := newSender(t, upstream.Config{MaxBody: limit})
			reply, err := s.Post(t.Context(), &model.Endpoint{BaseURL: srv.URL}, "/x", []byte("{}"), false)
			if ok != (err == nil) || (ok && len(reply.Body) != 5000) || (!ok && model.KindOf(err) != model.KindUpstream) {
				t.Errorf("limit %d, length known %v: %v", limit, known, err)
			}
		}
	}
}

func TestHeadersForCallers(t *testing.T) {
	s := newSender(t, upstream.Config{Transport: transport(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{
			"Content-Type": {"a"}, "X-Request-Id": {"b"}, "X-Ratelimit-Remaining-Tokens": {"c"}, "Openai-Processing-Ms": {"d"},
			"Set-Cookie": {"e"}, "Server": {"f"}, "Openai-Organization": {"g"}, "Alt-Svc": {"h"}}}, nil
	})})
	reply, err := s.Post(t.Context(), &model.Endpoint{BaseURL: "http://h"}, "/x", []byte("{}"), false)
	if err != nil {
		t.Fatal(err)
	}
	if len(reply.Header) != 4 {
		t.Errorf("callers see %v", reply.Header)
	}
}

// TestStaleConnection: an upstream that closed an idle connection is no failure.
func TestStaleConnection(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != "hello" {
			t.Errorf("received %q", body)
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer srv.Close()
	closed := make(chan struct{}, 8)
	s := newSender(t, upstream.Config{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &watched{conn, closed}, err
		},
	}})
	ep := &model.Endpoint{BaseURL: srv.URL}
	for range 3 {
		if _, err := s.Post(t.Context(), ep, "/x", []byte("hello"), false); err != nil {
			t.Fatal(err)
		}
		srv.CloseClientConnections()
		<-closed // from here on nothing can be written to it
	}
}

// watched tells when the client has closed its end.
type watched struct {
	net.Conn
	closed chan<- struct{}
}

func (w *watched) Close() error {
	err := w.Conn.Close()
	select {
	case w.closed <- struct{}{}:
	default:
	}
	return err
}

// TestUnsentRequestGoesOutAgain: what was not written cannot have been worked on.
func TestUnsentRequestGoesOutAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		sent int
	}{
		"broken pipe":        {&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, 2},
		"closed for writing": {&net.OpError{Op: "write", Err: net.ErrClosed}, 2},
		"closed TLS":         {net.ErrClosed, 2},
		"closed for reading": {&net.OpError{Op: "read", Err: net.ErrClosed}, 1},
		"reset":              {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, 1},
		"end":                {io.EOF, 1},
	} {
		sent := 0
		s := newSender(t, upstream.Config{Transport: transport(func(*http.Request) (*http.Response, error) {
			if sent++; sent == 1 {
				return nil, tt.err
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
		})})
		_, err := s.Post(t.Context(), &model.Endpoint{BaseURL: "http://h"}, "/x", []byte("{}"), false)
		if sent != tt.sent || (err == nil) != (tt.sent == 2) {
			t.Errorf("%s: sent %d times, want %d; %v", name, sent, tt.sent, err)
		}
	}
}

// TestReadRequestIsNotSentAgain: an upstream that has read a request may have
// worked on it, also where it then closes a connection that was used before.
func TestReadRequestIsNotSentAgain(t *testing.T) {
	var worked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/work" {
			worked.Add(1)
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer srv.Close()
	s := newSender(t, upstream.Config{})
	ep := &model.Endpoint{BaseURL: srv.URL}
	for _, stream := range []bool{false, true} {
		worked.Store(0)
		if _, err := s.Post(t.Context(), ep, "/warm", []byte("{}"), false); err != nil {
			t.Fatal(err)
		}
		_, err := s.Post(t.Context(), ep, "/work", []byte("{}"), stream)
		if model.KindOf(err) != model.KindUpstream || worked.Load() != 1 {
			t.Errorf("stream %v: worked %d times, want once; got %v", stream, worked.Load(), err)
		}
	}
}

// TestClosedStreamIsReleased: closing ends the attempt for good.
func TestClosedStreamIsReleased(t *testing.T) {
	var sent *http.Request
	s := newSender(t, upstream.Config{Transport: transport(func(r *http.Request) (*http.Response, error) {
		sent = r
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
	})})
	reply, err := s.Post(t.Context(), &model.Endpoint{BaseURL: "http://h"}, "/x", []byte("body"), true)
	if err != nil {
		t.Fatal(err)
	}
	if sent.Context().Err() != nil {
		t.Error("the attempt was over before it was closed")
	}
	if err := errors.Join(reply.Stream.Close(), reply.Stream.Close()); err != nil {
		t.Error(err)
	}
	if sent.Context().Err() == nil {
		t.Error("the attempt is not over after Close")
	}
}

func TestContextEndsBeforeTheAnswer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer srv.Close()
	s := newSender(t, upstream.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	go func() { <-started; cancel() }()
	close(started)
	_, err := s.Post(ctx, &model.Endpoint{BaseURL: srv.URL}, "/x", []byte("{}"), true)
	if model.KindOf(err) != model.KindCanceled {
		t.Errorf("got %v, want %s", err, model.KindCanceled)
	}
}

func TestBearerAuth(t *testing.T) {
	for raw, want := range map[string]string{
		"https://api.openai.com/v1":             "Authorization",
		"https://x.openai.azure.com/openai/v1":  "Api-Key",
		"https://openai.azure.com.evil.test/v1": "Authorization",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := upstream.BearerAuth(u); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("plain")
	f.Add("a \"b\" \\ \n\r\t\x00\x1f é 🗼 \xff")
	f.Fuzz(func(t *testing.T, s string) {
		b := upstream.Quote([]byte("x"), s)
		var got string
		if err := json.Unmarshal(b[1:], &got); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); got != want || !utf8.Valid(b) {
			t.Fatalf("%q became %q", want, got)
		}
	})
}
