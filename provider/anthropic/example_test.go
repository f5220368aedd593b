package anthropic_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/anthropic"
)

// A call in OpenAI's shape, answered by a server that speaks the Messages API.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("upstream: %s %s\n", r.URL.Path, body)
		_, _ = io.WriteString(w, `{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5",`+
			`"content":[{"type":"text","text":"Hello!"}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":2}}`)
	}))
	defer server.Close()

	client, err := anthropic.New(anthropic.Config{Clock: clock})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	body, _ := jsonscan.Parse([]byte(`{"model":"auto","messages":[{"role":"user","content":"Hi"}],"stop":"END"}`))
	resp, err := client.Do(context.Background(),
		&model.Endpoint{BaseURL: server.URL, Upstream: "claude-haiku-4-5"},
		&model.Call{Surface: model.SurfaceChat, Body: body})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("caller: %s\n", resp.Body)
	// Output:
	// upstream: /v1/messages {"model":"claude-haiku-4-5","max_tokens":4096,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"stop_sequences":["END"]}
	// caller: {"id":"msg_1","object":"chat.completion","created":1790000000,"model":"claude-haiku-4-5","choices":[{"index":0,"message":{"role":"assistant","content":"Hello!"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}
}
