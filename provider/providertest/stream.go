package providertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/upstream"
)

func scenario(name string) Scenario {
	for _, sc := range Scenarios() {
		if sc.Name == name {
			return sc
		}
	}
	panic("no scenario " + name)
}

func runStreams(t *testing.T, v Vendor) {
	sc := scenario("stream")
	p := load(t, v.file("stream")).parse(t)
	t.Run("cut", func(t *testing.T) { testCut(t, v, sc, p) })
	t.Run("hang", func(t *testing.T) { testHang(t, v, sc, p) })
	t.Run("cancel", func(t *testing.T) { testLeave(t, v, sc, p) })
	t.Run("no stream", func(t *testing.T) { testNoStream(t, v, sc) })
	t.Run("reuse", func(t *testing.T) { testReuse(t, v, sc, p) })
}

// testCut ends the stream after every byte, once by closing the connection and
// once properly. Whatever the caller gets as whole must be whole.
func testCut(t *testing.T, v Vendor, sc Scenario, p parsed) {
	leakCheck(t)
	srv := play(t, p)
	c := v.client(t, upstream.Config{})
	step := 1
	if testing.Short() {
		step = 17
	}
	for _, abort := range []bool{true, false} {
		for cut := 0; cut < len(p.body); cut += step {
			srv.end(cut, abort)
			r := ask(t.Context(), c, v.endpoint(srv.URL), sc.Call(t))
			if r.err == nil {
				checkAnswer(t, Scenario{Stream: true, Surface: sc.Surface, Text: sc.Text, Finish: sc.Finish, Usage: r.usage}, r)
			} else if errors.Is(r.err, io.ErrUnexpectedEOF) {
				t.Errorf("cut at %d of %d (abort %v): %v can be mistaken for the end", cut, len(p.body), abort, r.err)
			} else if kind := model.KindOf(r.err); kind != model.KindUpstream || r.done {
				t.Errorf("cut at %d of %d (abort %v): %v, done %v; want %s", cut, len(p.body), abort, r.err, r.done, model.KindUpstream)
			}
			if t.Failed() {
				t.Fatalf("cut at %d of %d, abort %v", cut, len(p.body), abort)
			}
		}
	}
}

// silent gives its text and then nothing until the request is given up.
type silent struct {
	io.Reader
	ctx context.Context
}

func (s silent) Read(p []byte) (int, error) {
	if n, err := s.Reader.Read(p); n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	<-s.ctx.Done()
	return 0, context.Cause(s.ctx)
}

func (s silent) Close() error { return nil }

// chatter is a body that goes on with comments, one every two seconds, and then
// falls silent.
type chatter struct {
	silent
	comments *int
}

func (c chatter) Read(p []byte) (int, error) {
	if n, _ := c.Reader.Read(p); n > 0 {
		return n, nil
	}
	if *c.comments == 0 {
		return c.silent.Read(p)
	}
	*c.comments--
	select {
	case <-time.After(2 * time.Second):
		return copy(p, ": wait\n\n"), nil
	case <-c.ctx.Done():
		return 0, context.Cause(c.ctx)
	}
}

// testHang lets the upstream fall silent before and within its answer, or send
// comments in its place, in synthetic time.
func testHang(t *testing.T, v Vendor, sc Scenario, p parsed) {
	limits := upstream.Config{FirstTimeout: 3 * time.Second, IdleTimeout: 5 * time.Second, UnaryTimeout: 7 * time.Second}
	answering := func(req *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, req.Body)
		return &http.Response{StatusCode: p.status, Header: p.header.Clone(), ContentLength: -1, ProtoMajor: 1,
			TransferEncoding: []string{"chunked"}, Body: silent{strings.NewReader(string(p.body[:len(p.body)*2/3])), req.Context()}}, nil
	}
	chatting := func(comments, size int) roundTripper {
		return func(req *http.Request) (*http.Response, error) {
			_, _ = io.Copy(io.Discard, req.Body)
			left := comments
			return &http.Response{StatusCode: p.status, Header: p.header.Clone(), ContentLength: -1, ProtoMajor: 1,
				TransferEncoding: []string{"chunked"},
				Body:             chatter{silent{strings.NewReader(string(p.body[:size])), req.Context()}, &left}}, nil
		}
	}
	mute := func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	}
	events := bytes.LastIndex(p.body[:len(p.body)*2/3], []byte("\n\n")) + len("\n\n")
	plain := scenario("plain")
	tests := []struct {
		name      string
		transport roundTripper
		sc        Scenario
		after     time.Duration
		content   bool
	}{
		{"before a stream", mute, sc, 3 * time.Second, false},
		{"within a stream", answering, sc, 5 * time.Second, true},
		{"comments instead of a stream", chatting(1000, 0), sc, 5 * time.Second, false},
		{"comments within a stream", chatting(10, events), sc, 25 * time.Second, true},
		{"before an answer", mute, plain, 7 * time.Second, false},
		{"within an answer", answering, plain, 7 * time.Second, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := limits
				cfg.Transport = tt.transport
				c := v.client(t, cfg)
				began := time.Now()
				r := ask(context.Background(), c, v.endpoint("http://upstream.test"), tt.sc.Call(t))
				if kind := model.KindOf(r.err); kind != model.KindTimeout || r.content != tt.content {
					t.Errorf("%v, content %v; want %s, %v", r.err, r.content, model.KindTimeout, tt.content)
				}
				if took := time.Since(began); took != tt.after {
					t.Errorf("gave up after %s, want %s", took, tt.after)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				r = ask(ctx, c, v.endpoint("http://upstream.test"), tt.sc.Call(t))
				if kind := model.KindOf(r.err); kind != model.KindTimeout {
					t.Errorf("past the caller's deadline: %v, want %s", r.err, model.KindTimeout)
				}
			})
		})
	}
}

// testLeave cancels or closes a stream after its first content: the upstream
// must notice.
func testLeave(t *testing.T, v Vendor, sc Scenario, p parsed) {
	for _, how := range []string{"cancel", "close"} {
		t.Run(how, func(t *testing.T) {
			leakCheck(t)
			gone := make(chan struct{})
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				_, _ = io.Copy(io.Discard, req.Body)
				for name, values := range p.header {
					w.Header()[name] = values
				}
				playEvents(w, p.body[:len(p.body)*2/3])
				<-req.Context().Done()
				close(gone)
			}))
			t.Cleanup(srv.Close)
			c := v.client(t, upstream.Config{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			resp, err := c.Do(ctx, v.endpoint(srv.URL), sc.Call(t))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Stream.Close()
			nextContent(t, resp.Stream)
			if how == "close" {
				if err := resp.Stream.Close(); err != nil {
					t.Error(err)
				}
			} else {
				cancel()
				r := &result{}
				if r.drain(resp.Stream); model.KindOf(r.err) != model.KindCanceled {
					t.Errorf("got %v, want %s", r.err, model.KindCanceled)
				}
			}
			<-gone
			if err := resp.Stream.Close(); err != nil {
				t.Errorf("second close: %v", err)
			}
			if _, err := resp.Stream.Next(); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("Next after the end: %v, want an error", err)
			}
		})
	}
}

func nextContent(t *testing.T, s provider.Stream) {
	t.Helper()
	for {
		c, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if c.Content {
			return
		}
	}
}

// testNoStream answers a call for a stream with documents.
func testNoStream(t *testing.T, v Vendor, sc Scenario) {
	for _, name := range []string{"plain", "html_200"} {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			srv := play(t, load(t, v.file(name)).parse(t))
			r := ask(t.Context(), v.client(t, upstream.Config{}), v.endpoint(srv.URL), sc.Call(t))
			if model.KindOf(r.err) != model.KindUpstream || r.content {
				t.Errorf("got %v, content %v; want %s", r.err, r.content, model.KindUpstream)
			}
		})
	}
}

// testReuse: a stream that ended well leaves its connection for the next call.
func testReuse(t *testing.T, v Vendor, sc Scenario, p parsed) {
	leakCheck(t)
	srv := play(t, p)
	c := v.client(t, upstream.Config{})
	for range 10 {
		if r := ask(t.Context(), c, v.endpoint(srv.URL), sc.Call(t)); r.err != nil {
			t.Fatal(r.err)
		}
	}
	if n := srv.opened.Load(); n != 1 {
		t.Errorf("10 calls opened %d connections, want 1", n)
	}
}
