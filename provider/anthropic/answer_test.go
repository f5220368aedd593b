package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/upstream"
)

// TestAnswerTool: where a tool stands for a JSON answer, its input is the answer.
func TestAnswerTool(t *testing.T) {
	s := shape{surface: model.SurfaceChat, answerTool: true}
	m, err := jsonscan.Parse([]byte(`{"id":"m","type":"message","content":[{"type":"tool_use","id":"t","name":"cartrita_json_answer","input":{"name": "Paris \"x\""}}],"stop_reason":"tool_use"}`))
	if err != nil {
		t.Fatal(err)
	}
	body, u, err := s.unary(200, m)
	if err != nil || u.Source != "" {
		t.Fatal(err, u)
	}
	var got struct {
		Choices []struct {
			Message struct {
				Content   *string
				ToolCalls []any `json:"tool_calls"`
			}
			Finish string `json:"finish_reason"`
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	c := got.Choices[0]
	if *c.Message.Content != `{"name":"Paris \"x\""}` || c.Message.ToolCalls != nil || c.Finish != "stop" {
		t.Errorf("%s", body)
	}

	text, r := collect(t, s, `{"type":"message_start","message":{"id":"m"}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"cartrita_json_answer","input":{}}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"name\":"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\"Paris\"}"}}`,
		`{"type":"content_block_stop","index":0}`, `{"type":"message_delta","delta":{"stop_reason":"tool_use"}}`, `{"type":"message_stop"}`)
	if text != `{"name":"Paris"}` || !errors.Is(r.err, io.EOF) || r.bytes != len(text) || !strings.Contains(r.raw, `"finish_reason":"stop"`) || strings.Contains(r.raw, "tool_calls") {
		t.Errorf("text %q, %d bytes, %v:\n%s", text, r.bytes, r.err, r.raw)
	}
}

func TestFinishReason(t *testing.T) {
	for stop, want := range map[string]string{
		`"end_turn"`: `"stop"`, `"stop_sequence"`: `"stop"`, `"max_tokens"`: `"length"`, `"model_context_window_exceeded"`: `"length"`,
		`"tool_use"`: `"tool_calls"`, `"refusal"`: `"content_filter"`, `"pause_turn"`: `"stop"`, `null`: `"stop"`, ``: `"stop"`,
	} {
		if got := (shape{}).finishReason([]byte(stop), false); got != want {
			t.Errorf("%s is %s, want %s", stop, got, want)
		}
	}
}

func TestStrangeAnswers(t *testing.T) {
	for _, body := range []string{`{}`, `{"id":"x"}`, `{"id":"x","content":"y"}`, `{"type":"error","error":{"type":"api_error","message":"x"}}`} {
		m, err := jsonscan.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := (shape{}).unary(200, m); model.KindOf(err) != model.KindUpstream {
			t.Errorf("%s: %v", body, err)
		}
	}
	for name, events := range map[string][]string{
		"content first": {`{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}`},
		"stop first":    {`{"type":"message_stop"}`},
		"no JSON":       {`oops`},
	} {
		if _, r := collect(t, shape{}, events...); model.KindOf(r.err) != model.KindUpstream || r.done {
			t.Errorf("%s: %v", name, r.err)
		}
	}
}

// TestEndlessThinking must not take endless memory.
func TestEndlessThinking(t *testing.T) {
	events := []string{`{"type":"message_start","message":{"id":"m"}}`, `{"type":"content_block_start","content_block":{"type":"thinking","thinking":""}}`}
	for range 40 {
		events = append(events, `{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"`+strings.Repeat("x", 400)+`"}}`)
	}
	if _, r := collect(t, shape{}, events...); model.KindOf(r.err) != model.KindUpstream {
		t.Errorf("got %v", r.err)
	}
}

// reading is what a stream gave.
type reading struct {
	raw   string
	bytes int
	usage model.Usage
	done  bool
	err   error
}

const testLimit = 8 << 10

// collect streams events through a client, in small pieces, and returns the text.
func collect(t testing.TB, s shape, events ...string) (text string, r reading) {
	t.Helper()
	var in bytes.Buffer
	for _, ev := range events {
		in.WriteString("data: " + ev + "\n\n")
	}
	r = play(t, s, in.Bytes())
	for line := range strings.Lines(r.raw) {
		data, _ := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		var chunk struct {
			Choices []struct{ Delta struct{ Content string } }
		}
		if data == "" || data == "[DONE]" {
			continue
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		for _, c := range chunk.Choices {
			text += c.Delta.Content
		}
	}
	return text, r
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// play streams bytes through a stream of this package.
func play(t testing.TB, s shape, in []byte) (r reading) {
	t.Helper()
	send, err := upstream.New(op, upstream.Config{MaxEvent: testLimit, Transport: transport(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ProtoMajor: 1, ContentLength: -1,
			Body: io.NopCloser(iotest.HalfReader(bytes.NewReader(in)))}, nil
	})}, func(*url.URL) string { return "X-Api-Key" })
	if err != nil {
		t.Fatal(err)
	}
	reply, err := send.Post(t.Context(), &model.Endpoint{BaseURL: "http://h"}, "", nil, true)
	if err != nil {
		t.Fatal(err)
	}
	st := newStream(reply, s, testLimit)
	defer st.Close()
	for {
		c, err := st.Next()
		if err != nil {
			r.err = err
			return r
		}
		r.raw += string(c.Data)
		r.bytes += c.OutputBytes
		r.done = r.done || c.Done
		if c.Usage.Source != "" {
			r.usage = c.Usage
		}
	}
}

// FuzzStream: whatever bytes come as a stream, the caller gets events of JSON
// objects, and [DONE] only together with a clean end.
func FuzzStream(f *testing.F) {
	files, _ := filepath.Glob("testdata/conformance/stream*.txt")
	for _, file := range files {
		raw, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(raw), "-- response --\n")
		response, _, _ := strings.Cut(rest, "-- request --\n")
		_, body, _ := strings.Cut(response, "\n\n")
		f.Add([]byte(body), false)
		f.Add([]byte(body), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, completions bool) {
		s := shape{surface: model.SurfaceChat, answerTool: true}
		if completions {
			s.surface = model.SurfaceCompletions
		}
		r := play(t, s, in)
		if r.done != (errors.Is(r.err, io.EOF)) {
			t.Fatalf("done %v, end %v", r.done, r.err)
		}
		for event := range strings.SplitSeq(r.raw, "\n\n") {
			data, ok := strings.CutPrefix(event, "data: ")
			if event != "" && data != "[DONE]" && (!ok || !json.Valid([]byte(data))) {
				t.Fatalf("the caller got %q", event)
			}
		}
	})
}
