package mock_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/cartrita/cartrita/mock"
)

// A model that answers at once, and one whose provider is always busy.
func ExampleNew() {
	server, err := mock.New(mock.Config{Profiles: []mock.Profile{
		{Name: "quick", AnswerTokens: 20},
		{Name: "busy", RateLimitRate: 1},
	}})
	if err != nil {
		panic(err)
	}
	upstream := httptest.NewServer(server)
	defer upstream.Close()

	for _, name := range []string{"quick", "busy"} {
		body := `{"model":"` + name + `","messages":[{"role":"user","content":"Why is the sky blue?"}]}`
		resp, err := http.Post(upstream.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
		if err != nil {
			panic(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Println(name, resp.StatusCode, strings.Contains(string(text), "Why is the sky blue"))
	}
	// Output:
	// quick 200 true
	// busy 429 false
}

func ExampleLoad() {
	profiles, err := mock.Load("models.yaml", []byte(`
models:
  - name: flaky
    ttft: 80ms
    tokens_per_second: 100
    error_rate: 0.5
`))
	fmt.Println(profiles[0].Name, profiles[0].TTFT, err)

	_, err = mock.Load("models.yaml", []byte("models:\n  - name: flaky\n    error_rat: 0.5\n"))
	fmt.Println(err)
	// Output:
	// flaky 80ms <nil>
	// mock.Load: models.yaml: [3:5] unknown field "error_rat"
}

func ExampleDemo() {
	for _, p := range mock.Demo() {
		fmt.Println(p.Name, p.Facts.License)
	}
	// Output:
	// atlas-large proprietary
	// harbor-medium apache-2.0
	// swift-mini mit
	// pebble-nano apache-2.0
	// sentinel-guard proprietary
	// maverick-think cc-by-nc-4.0
	// compass-embed mit
}
