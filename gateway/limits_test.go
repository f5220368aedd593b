package gateway

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/internal/gate"
	"github.com/cartrita/cartrita/model"
)

func TestBodiesAreBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Limits.MaxBodyBytes = 1000 })
	big := `{"model":"auto","pad":"` + strings.Repeat("x", 1000) + `"}`
	resp := w.do("POST", "/v1/chat/completions", big)
	if e := decodeError(t, resp); resp.StatusCode != http.StatusRequestEntityTooLarge || e.Code != "request_too_large" || !strings.Contains(e.Message, "1000 bytes") {
		t.Errorf("with a length: %d %+v", resp.StatusCode, e)
	}
	req, _ := http.NewRequest(http.MethodPost, w.url+"/v1/chat/completions", io.MultiReader(strings.NewReader(big))) // sent in chunks
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if e := decodeError(t, resp); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("in chunks: %d %+v", resp.StatusCode, e)
	}
	for body, want := range map[string]string{"": "is empty", " ": "not a valid JSON object"} {
		if e := decodeError(t, w.do("POST", "/v1/chat/completions", body)); !strings.Contains(e.Message, want) {
			t.Errorf("%q: %+v", body, e)
		}
	}
	// A handler called in this process sees a length of 0 for one that is not known
	req, _ = http.NewRequest(http.MethodPost, "http://localhost/v1/chat/completions", io.MultiReader(strings.NewReader(chatBody)))
	out := httptest.NewRecorder()
	if w.ServeHTTP(out, req); out.Code != 200 {
		t.Errorf("in process: %d %s", out.Code, out.Body)
	}
	if e := decodeError(t, w.do("POST", "/v1/chat/completions", chatBody, "Content-Encoding", "gzip")); !strings.Contains(e.Message, "send the body plain") {
		t.Errorf("gzip: %+v", e)
	}
	if got := w.bodies.used.Load(); got != 0 {
		t.Errorf("%d bytes are still held", got)
	}
}

func TestChunkedAndLargeBodiesArriveWhole(t *testing.T) {
	w := newWorld(t)
	text1 := strings.Repeat("word ", 600_000) // 3 MB: over what is set aside at once
	var got int64
	w.service.serve = func(ctx context.Context, c *model.Call, out cartrita.Writer) (*model.Record, error) {
		got = c.PromptBytes
		return serveUnary(ctx, c, out)
	}
	body := `{"model":"auto","messages":[{"role":"user","content":"` + text1 + `"}]}`
	for _, r := range []io.Reader{strings.NewReader(body), io.MultiReader(strings.NewReader(body))} {
		resp, err := http.Post(w.url+"/v1/chat/completions", "", r)
		if err != nil {
			t.Fatal(err)
		}
		if text(t, resp); resp.StatusCode != http.StatusOK || got != int64(len(text1)) {
			t.Errorf("%d, %d bytes, want %d", resp.StatusCode, got, len(text1))
		}
	}
}

func TestMemoryOfBodiesIsBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Limits.MaxBodyBytes, c.Limits.MaxBodyMemory = 100, 150 })
	entered, leave := make(chan struct{}), make(chan struct{})
	w.service.serve = func(ctx context.Context, c *model.Call, out cartrita.Writer) (*model.Record, error) {
		entered <- struct{}{}
		<-leave
		return serveUnary(ctx, c, out)
	}
	body := chatBody + strings.Repeat(" ", 100-len(chatBody))
	done := make(chan int)
	go func() {
		resp := w.do("POST", "/v1/chat/completions", body)
		resp.Body.Close()
		done <- resp.StatusCode
	}()
	<-entered
	resp := w.do("POST", "/v1/chat/completions", body)
	if e := decodeError(t, resp); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("%d %+v, Retry-After %q", resp.StatusCode, e, resp.Header.Get("Retry-After"))
	}
	close(leave)
	if got := <-done; got != 200 {
		t.Errorf("the first call: %d", got)
	}
}

func TestCallsOverTheLimitWaitOrAreRefused(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Limits.MaxConcurrent, c.Limits.MaxQueue, c.Limits.QueueTimeout = 1, -1, 50*time.Millisecond
	})
	entered, leave := make(chan struct{}), make(chan struct{})
	w.service.serve = func(ctx context.Context, c *model.Call, out cartrita.Writer) (*model.Record, error) {
		entered <- struct{}{}
		<-leave
		return serveUnary(ctx, c, out)
	}
	done := make(chan int)
	go func() {
		resp := w.do("POST", "/v1/chat/completions", chatBody)
		resp.Body.Close()
		done <- resp.StatusCode
	}()
	<-entered
	resp := w.do("POST", "/v1/chat/completions", chatBody)
	if e := decodeError(t, resp); resp.StatusCode != http.StatusTooManyRequests || e.Code != "rate_limit_exceeded" || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("no queue: %d %+v", resp.StatusCode, e)
	}
	w.gate = gate.New(0, 10) // whoever comes now waits for ever
	resp = w.do("POST", "/v1/chat/completions", chatBody)
	if e := decodeError(t, resp); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(e.Message, "waited too long") {
		t.Errorf("queue: %d %+v", resp.StatusCode, e)
	}
	resp = w.do("POST", "/v1/chat/completions", chatBody, "X-Cartrita-Deadline-Ms", "5")
	if e := decodeError(t, resp); resp.StatusCode != http.StatusGatewayTimeout || e.Code != "timeout" {
		t.Errorf("deadline: %d %+v", resp.StatusCode, e)
	}
	w.gate = gate.New(1, 0)
	if err := w.gate.Enter(t.Context(), 0); err != nil { // for the first call to leave
		t.Fatal(err)
	}
	close(leave)
	if got := <-done; got != 200 {
		t.Errorf("the first call: %d", got)
	}
}

func TestPatienceStartsItsTimerOnlyWhenSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := &patience{Context: ctx, limit: time.Second}
		if p.timed != nil || p.Err() != nil {
			t.Error("started at once")
		}
		start := time.Now()
		<-p.Done()
		if got := time.Since(start); got != time.Second || !errors.Is(p.Err(), context.DeadlineExceeded) {
			t.Errorf("ended after %v: %v", got, p.Err())
		}
		p.stop()
		q := &patience{Context: ctx, limit: time.Second}
		cancel()
		<-q.Done()
		if !errors.Is(q.Err(), context.Canceled) {
			t.Errorf("after its parent: %v", q.Err())
		}
		q.stop()
	})
}

// raw sends bytes as they are and returns the status line.
func raw(t *testing.T, w *world, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestHeadersAndSlowBodiesAreBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Limits.MaxHeaderBytes, c.Limits.BodyTimeout = 1000, 50*time.Millisecond
	})
	if got := raw(t, w, "GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 6000)+"\r\n\r\n"); !strings.Contains(got, "431") {
		t.Errorf("large header: %s", got)
	}
	if got := raw(t, w, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"); !strings.Contains(got, "400") {
		t.Errorf("slow body: %s", got)
	}
	for _, path := range []string{"/v1/models", "/nothing"} { // refused before the body is looked at
		if got := raw(t, w, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"); !strings.Contains(got, " 40") {
			t.Errorf("unread body: %s", got)
		}
	}
	if got := w.bodies.used.Load(); got != 0 {
		t.Errorf("%d bytes are still held", got)
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := newWorld(t).cfg
	for name, change := range map[string]func(*Config){
		"Service":                func(c *Config) { c.Service = nil },
		"Endpoints":              func(c *Config) { c.Endpoints = nil },
		"api_keys":               func(c *Config) { c.APIKeys = []APIKey{{Name: "a", Secret: "short"}} },
		"limits.max_body_bytes":  func(c *Config) { c.Limits.MaxBodyBytes = -1 },
		"limits.max_body_memory": func(c *Config) { c.Limits.MaxBodyBytes, c.Limits.MaxBodyMemory = 10, 5 },
	} {
		c := good
		c.Metrics = nil
		change(&c)
		if _, err := New(c); model.KindOf(err) != model.KindInvalid || model.AsError(err).Param != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}
