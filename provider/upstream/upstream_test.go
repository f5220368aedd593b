package upstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
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
		if r.URL.Path == "/last" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer srv.Close()
	s := newSender(t, upstream.Config{})
	ep := &model.Endpoint{BaseURL: srv.URL}
	for range 3 {
		if _, err := s.Post(t.Context(), ep, "/x", []byte("hello"), false); err != nil {
			t.Fatal(err)
		}
		srv.CloseClientConnections()
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
