package huggingface_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/huggingface"
)

// Embeddings from a task endpoint, in OpenAI's shape.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("upstream: %s %s\n", r.URL.Path, body)
		_, _ = io.WriteString(w, `[[0.1, -0.2]]`)
	}))
	defer server.Close()

	client, err := huggingface.New(huggingface.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	body, _ := jsonscan.Parse([]byte(`{"model":"auto","input":"Hi"}`))
	resp, err := client.Do(context.Background(),
		&model.Endpoint{BaseURL: server.URL + "/v1", Upstream: "BAAI/bge-small-en-v1.5"},
		&model.Call{Surface: model.SurfaceEmbeddings, Task: model.TaskEmbeddings, Body: body})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("caller: %s\n", resp.Body)
	// Output:
	// upstream: /hf-inference/models/BAAI/bge-small-en-v1.5/pipeline/feature-extraction {"inputs":["Hi"]}
	// caller: {"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1, -0.2]}],"model":"BAAI/bge-small-en-v1.5"}
}
