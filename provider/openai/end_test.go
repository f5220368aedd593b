package openai_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/openai"
	"github.com/cartrita/cartrita/provider/upstream"
)

// framing is how a transport tells where a body ends.
type framing struct {
	body    string
	chunked bool
}

func (f framing) RoundTrip(*http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ContentLength: -1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(f.body))}
	if f.chunked {
		resp.TransferEncoding = []string{"chunked"}
	}
	return resp, nil
}

// TestServersWithoutDone: some servers leave out [DONE], or the line ends after
// it. That is whole only where it cannot be a cut.
func TestServersWithoutDone(t *testing.T) {
	const (
		text = `data: {"choices":[{"delta":{"content":"Hi"}}]}` + "\n\n"
		stop = `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\n"
		two  = `data: {"choices":[{"delta":{"content":"Hi"},"index":1}]}` + "\n\n"
		end0 = `data: {"choices":[{"finish_reason":"stop","delta":{},"index":0}]}` + "\n\n"
		end1 = `data: {"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}` + "\n\n"
		both = `data: {"choices":[{"index":0,"finish_reason":"stop"},{"index":1,"finish_reason":"stop"}]}` + "\n\n"
		half = `data: {"choices":[{"index":0,"finish_reason":"stop"},{"index":1,"finish_reason":null}]}` + "\n\n"
		far  = `data: {"choices":[{"index":100,"finish_reason":"stop"}]}` + "\n\n"
		call = `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":3,"function":{"arguments":"x"}}]}}]}` + "\n\n"
		used = `data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}` + "\n\n"
	)
	for name, tt := range map[string]struct {
		body    string
		chunked bool
		whole   bool
	}{
		"finished, known end":      {text + stop, true, true},
		"finished with usage":      {text + used, true, true},
		"finished, unknown end":    {text + stop, false, false},
		"not finished, known end":  {text, true, false},
		"one of two finished":      {text + two + stop, true, false},
		"the other one finished":   {text + two + end1, true, false},
		"two finished in turn":     {text + two + end1 + end0, true, true},
		"two finished at once":     {text + two + both, true, true},
		"two, one finished":        {text + half, true, false},
		"tool calls have indices":  {call + end0, true, true},
		"index beyond the count":   {far, true, false},
		"[DONE] without line end":  {text + stop + "data: [DONE]", false, true},
		"[DONE] with one line end": {text + stop + "data: [DONE]\n", false, true},
		"[DONE] with blanks":       {text + "data:[DONE] \r\n\r\n", false, true},
		"half a [DONE]":            {text + stop + "data: [DO", true, false},
		"half an event at the end": {text + stop + "data: {", true, false},
		"nothing":                  {"", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, openai.Config{Config: upstream.Config{Transport: framing{tt.body, tt.chunked}}})
			resp, err := c.Do(context.Background(), &model.Endpoint{BaseURL: "http://h"}, newCall(t, `{"stream":true}`))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Stream.Close() }()
			var last string
			for {
				chunk, err := resp.Stream.Next()
				if errors.Is(err, io.EOF) {
					if !tt.whole || !strings.HasPrefix(last, "data:") || !strings.Contains(last, "[DONE]") {
						t.Errorf("came to a clean end with %q", last)
					}
					return
				}
				if err != nil {
					if tt.whole || model.KindOf(err) != model.KindUpstream {
						t.Errorf("got %v", err)
					}
					return
				}
				last = string(chunk.Data)
			}
		})
	}
}

// TestCommentsBeforeTheContent are not relayed, however they arrive; later ones are.
func TestCommentsBeforeTheContent(t *testing.T) {
	const (
		role = `data: {"choices":[{"delta":{"role":"assistant"}}]}` + "\n\n"
		text = `data: {"choices":[{"delta":{"content":"Hi"}}]}` + "\n\n"
		done = "data: [DONE]\n\n"
		note = ": wait\n\n"
	)
	body := note + role + note + note + text + note + text + done
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"at once":      func(r io.Reader) io.Reader { return r },
		"byte by byte": iotest.OneByteReader,
	} {
		transport := roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, Header: http.Header{},
				Body: io.NopCloser(wrap(strings.NewReader(body)))}, nil
		})
		c := newClient(t, openai.Config{Config: upstream.Config{Transport: transport}})
		resp, err := do(t, c, &model.Endpoint{BaseURL: "http://h"}, `{"stream":true}`)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for {
			chunk, err := resp.Stream.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got += string(chunk.Data)
		}
		if want := role + text + note + text + done; got != want {
			t.Errorf("%s: relayed %q\nwant %q", name, got, want)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
