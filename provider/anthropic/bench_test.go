package anthropic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/upstream"
)

const unaryAnswer = `{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"%s"}],` +
	`"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":20,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":150}}`

func streamAnswer() []byte {
	var b bytes.Buffer
	b.WriteString("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],\"usage\":{\"input_tokens\":20,\"output_tokens\":1}}}\n\n")
	b.WriteString("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n")
	for i := range 32 {
		fmt.Fprintf(&b, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"word %d \"}}\n\n", i)
	}
	b.WriteString("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n")
	b.WriteString("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":64}}\n\n")
	b.WriteString("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
	return b.Bytes()
}

func BenchmarkDo(b *testing.B) {
	for _, bm := range []struct {
		name   string
		size   int
		stream bool
	}{{"unary1k", 1 << 10, false}, {"unary32k", 32 << 10, false}, {"stream32", 1 << 10, true}} {
		b.Run(bm.name, func(b *testing.B) {
			answer, kind := fmt.Appendf(nil, unaryAnswer, strings.Repeat("word ", 150)), "application/json"
			if bm.stream {
				answer, kind = streamAnswer(), "text/event-stream"
			}
			c, err := New(Config{Config: upstream.Config{Transport: transport(func(r *http.Request) (*http.Response, error) {
				_, _ = io.Copy(io.Discard, r.Body)
				return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ContentLength: int64(len(answer)),
					Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(bytes.NewReader(answer))}, nil
			})}})
			if err != nil {
				b.Fatal(err)
			}
			body, err := jsonscan.Parse(fmt.Appendf(nil, `{"model":"auto","max_tokens":500,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":%q}]}`, strings.Repeat("x", bm.size)))
			if err != nil {
				b.Fatal(err)
			}
			ep := &model.Endpoint{BaseURL: "http://h/v1", Upstream: "claude-haiku-4-5"}
			call := &model.Call{Surface: model.SurfaceChat, Body: body, Stream: bm.stream}
			b.ReportAllocs()
			for b.Loop() {
				resp, err := c.Do(context.Background(), ep, call)
				if err != nil {
					b.Fatal(err)
				}
				if bm.stream {
					for err == nil {
						_, err = resp.Stream.Next()
					}
					if !errors.Is(err, io.EOF) {
						b.Fatal(err)
					}
					_ = resp.Stream.Close()
				}
			}
		})
	}
}
