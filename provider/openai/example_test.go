package openai_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/openai"
	"github.com/cartrita/cartrita/provider/upstream"
)

// A streamed call: the caller's body goes out with the endpoint's model name,
// and the answer comes back event by event.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("upstream: %s\n", body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"choices":[{"delta":{"content":"Hello!"}}]}`+"\n\n"+
			`data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}`+"\n\ndata: [DONE]\n\n")
	}))
	defer server.Close()

	client, err := openai.New(openai.Config{Config: upstream.Config{
		Credentials: func(ref string) (string, error) { return "the key behind " + ref, nil },
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	body, _ := jsonscan.Parse([]byte(`{"model":"auto","stream":true,"messages":[{"role":"user","content":"Hi"}]}`))
	resp, err := client.Do(context.Background(),
		&model.Endpoint{BaseURL: server.URL + "/v1", Credential: "env:KEY", Upstream: "llama-3.1-8b"},
		&model.Call{Surface: model.SurfaceChat, Body: body, Stream: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Stream.Close()
	for {
		chunk, err := resp.Stream.Next()
		if err != nil {
			fmt.Println("end:", err)
			return
		}
		switch {
		case chunk.Content:
			fmt.Println("content:", chunk.OutputBytes, "bytes of text")
		case chunk.UsageOnly:
			fmt.Println("usage:", chunk.Usage.Input.N, "in,", chunk.Usage.Output.N, "out")
		case chunk.Done:
			fmt.Println("done")
		}
	}
	// Output:
	// upstream: {"model":"llama-3.1-8b","stream":true,"messages":[{"role":"user","content":"Hi"}],"stream_options":{"include_usage":true}}
	// content: 6 bytes of text
	// usage: 9 in, 2 out
	// done
	// end: EOF
}
