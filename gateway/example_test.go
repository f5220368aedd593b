package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

// echo stands in for a *cartrita.Service, from which gateway.FromService makes
// a Config.
type echo struct{ gateway.Service }

func (echo) Serve(_ context.Context, call *model.Call, w cartrita.Writer) (*model.Record, error) {
	info := cartrita.Info{ID: call.ID, Model: "demo/echo", Endpoint: "demo/echo", Provider: "demo", Attempts: 1}
	return nil, w.Answer(info, http.StatusOK, nil, []byte(`{"choices":[{"message":{"content":"hello"}}]}`))
}

type nothing struct {
	gateway.Events
	event.Reader
}

// A gateway over a Service answers OpenAI's clients.
func Example() {
	g, err := gateway.New(gateway.Config{
		Service:   echo{},
		Registry:  registry.New(registry.Config{}),
		Endpoints: func() []cartrita.EndpointState { return nil },
		Events:    nothing{}, Reader: nothing{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(g) // in production: g.Server().Serve(listener)
	defer server.Close()

	resp, err := http.Post(server.URL+"/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"auto","messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.Header.Get("X-Cartrita-Model"))
	fmt.Println(string(body))
	// Output:
	// demo/echo
	// {"choices":[{"message":{"content":"hello"}}]}
}

// Keys can be replaced while the gateway runs.
func ExampleGateway_SetAPIKeys() {
	g, err := gateway.New(gateway.Config{
		Service: echo{}, Registry: registry.New(registry.Config{}), Events: nothing{}, Reader: nothing{},
		Endpoints: func() []cartrita.EndpointState { return nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.SetAPIKeys([]gateway.APIKey{{Name: "team-a", Secret: "short"}}))
	fmt.Println(g.SetAPIKeys([]gateway.APIKey{{Name: "team-a", Secret: "sk-0123456789abcdef"}}))
	// Output:
	// gateway.New: api_keys: the key "team-a" has 5 bytes; want at least 16
	// <nil>
}
