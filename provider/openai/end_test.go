package openai_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

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
