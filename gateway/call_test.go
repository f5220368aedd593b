package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/model"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultClient.CloseIdleConnections()
	}))
}

func TestAnswerCarriesHeadersAndBody(t *testing.T) {
	w := newWorld(t)
	var call *model.Call
	w.service.serve = func(ctx context.Context, c *model.Call, out cartrita.Writer) (*model.Record, error) {
		call = c
		return serveUnary(ctx, c, out)
	}
	resp := w.do("POST", "/v1/chat/completions", chatBody, "X-Request-Id", "mine-1")
	if got := text(t, resp); got != answerBody || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %q", resp.StatusCode, got)
	}
	want := map[string]string{
		"Content-Type": "application/json", "Content-Length": "50", "X-Request-Id": "mine-1", "X-Ratelimit-Limit": "9",
		"X-Cartrita-Call-Id": call.ID.String(), "X-Cartrita-Model": "openai/gpt-4o", "X-Cartrita-Endpoint": "openai/gpt-4o",
		"X-Cartrita-Provider": "openai", "X-Cartrita-Attempts": "2", "X-Cartrita-Cost-Usd": "0.0000125",
		"X-Cartrita-Estimated-Cost-Usd": "0.000014", "X-Cartrita-Overhead-Ms": "1.234",
	}
	for k, v := range want {
		if got := resp.Header.Get(k); got != v {
			t.Errorf("%s is %q, want %q", k, got, v)
		}
	}
	if call.Model != "auto" || call.Surface != model.SurfaceChat || call.Task != model.TaskChat || call.PromptBytes != 5 || call.Received.IsZero() {
		t.Errorf("call %+v", call)
	}
}

func TestRequestIDIsTheCallIDWhenTheCallerSendsNoUsableOne(t *testing.T) {
	w := newWorld(t)
	for _, sent := range []string{"", "with space", strings.Repeat("x", 129)} {
		resp := w.do("POST", "/v1/chat/completions", chatBody, "X-Request-Id", sent)
		text(t, resp)
		if got := resp.Header.Get("X-Request-Id"); got != resp.Header.Get("X-Cartrita-Call-Id") || len(got) != 36 {
			t.Errorf("sent %q: request id %q", sent, got)
		}
	}
}

func TestUnknownCostIsNotShown(t *testing.T) {
	w := newWorld(t)
	w.service.serve = func(_ context.Context, c *model.Call, out cartrita.Writer) (*model.Record, error) {
		info := testInfo(c)
		info.Estimated = 0
		return testRecord(c), out.Answer(info, 200, nil, []byte("{}"))
	}
	resp := w.do("POST", "/v1/chat/completions", chatBody)
	text(t, resp)
	for _, k := range []string{"X-Cartrita-Cost-Usd", "X-Cartrita-Estimated-Cost-Usd"} {
		if v, there := resp.Header[k]; there {
			t.Errorf("%s is %q, want none", k, v)
		}
	}
}

func TestStreamIsRelayedAsItComes(t *testing.T) {
	w := newWorld(t)
	step := make(chan struct{})
	w.service.serve = func(_ context.Context, call *model.Call, out cartrita.Writer) (*model.Record, error) {
		_ = out.Start(testInfo(call), nil)
		for _, c := range []string{"data: 1\n\n", "data: 2\n\n", "data: [DONE]\n\n"} {
			_ = out.Chunk([]byte(c))
			<-step
		}
		rec := testRecord(call)
		return rec, out.End(rec, nil)
	}
	resp := w.do("POST", "/v1/chat/completions", streamBody)
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	lines := bufio.NewReader(resp.Body)
	for _, want := range []string{"data: 1\n", "data: 2\n", "data: [DONE]\n"} {
		got, err := lines.ReadString('\n')
		if err != nil || got != want {
			t.Fatalf("got %q, %v; want %q before the next is sent", got, err, want)
		}
		_, _ = lines.ReadString('\n')
		step <- struct{}{}
	}
	if rest, err := io.ReadAll(lines); err != nil || len(rest) != 0 {
		t.Errorf("rest %q, %v", rest, err)
	}
	if got := resp.Trailer.Get("X-Cartrita-Cost-Usd"); got != "0.0000125" {
		t.Errorf("cost trailer %q", got)
	}
	if got := resp.Trailer.Get("X-Cartrita-Overhead-Ms"); got != "1.500" {
		t.Errorf("overhead trailer %q", got)
	}
	if got, there := resp.Trailer["X-Cartrita-Error"]; there && got != nil {
		t.Errorf("error trailer %q on a clean end", got)
	}
}

func TestBrokenStreamEndsWithAnErrorEvent(t *testing.T) {
	w := newWorld(t)
	w.service.serve = serveStream(model.Errorf("x", model.KindUpstream, "the upstream cut the stream"), "data: 1\n\n")
	resp := w.do("POST", "/v1/chat/completions", streamBody)
	got := text(t, resp)
	event, ok := strings.CutPrefix(got, "data: 1\n\ndata: ")
	if !ok || strings.Contains(got, "[DONE]") {
		t.Fatalf("stream %q", got)
	}
	var body struct{ Error wireError }
	if err := json.Unmarshal([]byte(event), &body); err != nil {
		t.Fatal(err)
	}
	if body.Error.Code != "upstream_error" || body.Error.Message != "the upstream cut the stream" {
		t.Errorf("event %+v", body.Error)
	}
	if got := resp.Trailer.Get("X-Cartrita-Error"); got != "upstream_error" {
		t.Errorf("error trailer %q", got)
	}
}

func TestErrorBeforeTheAnswerKeepsItsStatus(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		err         error
		status      int
		code, param string
		header      string
	}{
		{&model.Error{Kind: model.KindNotFound, Param: "model", Message: "no model is named x"}, 404, "model_not_found", "model", ""},
		{&model.Error{Kind: model.KindRateLimited, RetryAfter: 1500 * time.Millisecond}, 429, "rate_limit_exceeded", "", "2"},
		{&model.Error{Kind: model.KindNoCandidate, Details: map[string]int{"max_cost": 2}}, 422, "no_candidate", "", ""},
		{errors.New("secret text"), 500, "internal_error", "", ""},
		{&model.Error{Kind: model.KindNoCandidate, Details: func() {}}, 422, "no_candidate", "", ""},
	} {
		w.service.serve = func(_ context.Context, call *model.Call, _ cartrita.Writer) (*model.Record, error) {
			return testRecord(call), c.err
		}
		resp := w.do("POST", "/v1/chat/completions", chatBody)
		e := decodeError(t, resp)
		param := ""
		if e.Param != nil {
			param = *e.Param
		}
		if resp.StatusCode != c.status || e.Code != c.code || param != c.param || resp.Header.Get("Retry-After") != c.header {
			t.Errorf("%v: %d %+v, Retry-After %q", c.err, resp.StatusCode, e, resp.Header.Get("Retry-After"))
		}
		if strings.Contains(e.Message, "secret") || e.Message == "" || e.Type == "" {
			t.Errorf("%v: message %q, type %q", c.err, e.Message, e.Type)
		}
		if resp.Header.Get("X-Cartrita-Call-Id") == "" {
			t.Errorf("%v: no call id", c.err)
		}
	}
}

func decodeError(t testing.TB, resp *http.Response) wireError {
	t.Helper()
	var body struct{ Error wireError }
	raw := text(t, resp)
	if err := json.Unmarshal([]byte(raw), &body); err != nil {
		t.Fatalf("%d %q: %v", resp.StatusCode, raw, err)
	}
	return body.Error
}

func TestPanicBecomesAnError(t *testing.T) {
	w := newWorld(t)
	w.service.serve = func(context.Context, *model.Call, cartrita.Writer) (*model.Record, error) { panic("boom") }
	resp := w.do("POST", "/v1/chat/completions", chatBody)
	if e := decodeError(t, resp); resp.StatusCode != http.StatusInternalServerError || e.Code != "internal_error" {
		t.Errorf("%d %+v", resp.StatusCode, e)
	}
	w.service.serve = func(_ context.Context, call *model.Call, out cartrita.Writer) (*model.Record, error) {
		_ = out.Start(testInfo(call), nil)
		_ = out.Chunk([]byte("data: 1\n\n"))
		panic("boom")
	}
	got := text(t, w.do("POST", "/v1/chat/completions", streamBody))
	if !strings.Contains(got, `"code":"internal_error"`) || strings.Contains(got, "boom") {
		t.Errorf("stream %q", got)
	}
	if inside, _ := w.gate.Load(); inside != 0 || w.bodies.used.Load() != 0 {
		t.Errorf("%d calls and %d bytes are still held", inside, w.bodies.used.Load())
	}
}

func TestServiceThatAnswersNothingIsAnInternalError(t *testing.T) {
	w := newWorld(t)
	w.service.serve = func(context.Context, *model.Call, cartrita.Writer) (*model.Record, error) { return nil, nil }
	if resp := w.do("POST", "/v1/chat/completions", chatBody); decodeError(t, resp).Code != "internal_error" {
		t.Error("want an internal error")
	}
}

func TestClientThatGoesAwayCancelsTheCall(t *testing.T) {
	w := newWorld(t)
	canceled := make(chan error, 1)
	w.service.serve = func(ctx context.Context, call *model.Call, out cartrita.Writer) (*model.Record, error) {
		_ = out.Start(testInfo(call), nil)
		_ = out.Chunk([]byte("data: 1\n\n"))
		<-ctx.Done()
		var err error
		for err == nil { // the first writes may still fit into a buffer
			err = out.Chunk([]byte("data: 2\n\n"))
		}
		canceled <- err
		return testRecord(call), nil
	}
	resp := w.do("POST", "/v1/chat/completions", streamBody)
	resp.Body.Close()
	if err := <-canceled; model.KindOf(err) != model.KindCanceled {
		t.Errorf("write error %v", err)
	}
}

func TestSlowClientIsCutOff(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Limits.WriteTimeout = 200 * time.Millisecond })
	result := make(chan error, 1)
	w.service.serve = func(_ context.Context, call *model.Call, out cartrita.Writer) (*model.Record, error) {
		_ = out.Start(testInfo(call), nil)
		chunk := []byte("data: " + strings.Repeat("x", 64<<10) + "\n\n")
		var err error
		for err == nil {
			err = out.Chunk(chunk)
		}
		result <- err
		return testRecord(call), nil
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "+itoa(len(streamBody))+"\r\n\r\n"+streamBody)
	if e := model.AsError(<-result); e.Kind != model.KindCanceled || !strings.Contains(e.Message, "too slow") {
		t.Errorf("write error %v", e)
	}
}

// A connection is used again after the deadline of its first answer has passed,
// and a model may think for longer than one write may take.
func TestLongStreamAndIdleConnectionSurviveTheWriteTimeout(t *testing.T) {
	const timeout = 100 * time.Millisecond
	w := newWorld(t, func(c *Config) { c.Limits.WriteTimeout = timeout })
	w.service.serve = func(_ context.Context, call *model.Call, out cartrita.Writer) (*model.Record, error) {
		time.Sleep(2 * timeout) // the operating system's deadline has to pass
		_ = out.Start(testInfo(call), nil)
		for range 4 {
			if err := out.Chunk([]byte("data: 1\n\n")); err != nil {
				t.Error(err)
			}
			time.Sleep(timeout / 2)
		}
		rec := testRecord(call)
		return rec, out.End(rec, nil)
	}
	for range 2 {
		if got := text(t, w.do("POST", "/v1/chat/completions", streamBody)); got != strings.Repeat("data: 1\n\n", 4) {
			t.Errorf("stream %q", got)
		}
	}
}
