package openai_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/openai"
	"github.com/cartrita/cartrita/provider/upstream"
)

// memory is a transport that answers from memory, to measure the client alone.
type memory struct {
	kind string
	body []byte
}

func (m memory) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ContentLength: int64(len(m.body)),
		Header: http.Header{"Content-Type": {m.kind}}, Body: io.NopCloser(bytes.NewReader(m.body))}, nil
}

func unaryAnswer() []byte {
	return []byte(`{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		strings.Repeat("word ", 150) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":150,"total_tokens":170}}`)
}

func streamAnswer() []byte {
	var b bytes.Buffer
	for i := range 32 {
		fmt.Fprintf(&b, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"word %d "},"finish_reason":null}]}`+"\n\n", i)
	}
	b.WriteString(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n")
	b.WriteString(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":64,"total_tokens":84}}` + "\n\ndata: [DONE]\n\n")
	return b.Bytes()
}

func benchCall(b *testing.B, size int, stream bool) *model.Call {
	body, err := jsonscan.Parse(fmt.Appendf(nil, `{"model":"auto","stream":%v,"messages":[{"role":"user","content":%q}]}`, stream, strings.Repeat("x", size)))
	if err != nil {
		b.Fatal(err)
	}
	return &model.Call{Surface: model.SurfaceChat, Body: body, Stream: stream}
}

func bench(b *testing.B, transport http.RoundTripper, base string, size int, stream bool) {
	c, err := openai.New(openai.Config{Config: upstream.Config{Transport: transport,
		Credentials: func(string) (string, error) { return "sk-benchmark", nil }}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	ep := &model.Endpoint{BaseURL: base, Upstream: "meta-llama/Llama-3.1-8B-Instruct", Credential: "env:K"}
	call := benchCall(b, size, stream)
	b.ReportAllocs()
	for b.Loop() {
		resp, err := c.Do(context.Background(), ep, call)
		if err != nil {
			b.Fatal(err)
		}
		if stream {
			for err == nil {
				_, err = resp.Stream.Next()
			}
			if !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
			_ = resp.Stream.Close()
		}
	}
}

func BenchmarkDo(b *testing.B) {
	b.Run("unary1k", func(b *testing.B) {
		bench(b, memory{"application/json", unaryAnswer()}, "http://x/v1", 1<<10, false)
	})
	b.Run("unary32k", func(b *testing.B) {
		bench(b, memory{"application/json", unaryAnswer()}, "http://x/v1", 32<<10, false)
	})
	b.Run("stream32", func(b *testing.B) {
		bench(b, memory{"text/event-stream", streamAnswer()}, "http://x/v1", 1<<10, true)
	})
}

// BenchmarkLoopback includes net/http and the kernel on both sides.
func BenchmarkLoopback(b *testing.B) {
	events := bytes.SplitAfter(streamAnswer(), []byte("\n\n"))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		if req.Header.Get("Accept") != "text/event-stream" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(unaryAnswer())
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, ev := range events {
			_, _ = w.Write(ev)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer srv.Close()
	for _, size := range []int{1 << 10, 32 << 10} {
		b.Run(fmt.Sprintf("unary%dk", size>>10), func(b *testing.B) { bench(b, nil, srv.URL+"/v1", size, false) })
	}
	b.Run("stream32", func(b *testing.B) { bench(b, nil, srv.URL+"/v1", 1<<10, true) })
}
