package gateway

import (
	"context"
	"testing"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/registry/catalogue"
)

// testRegistry is a real registry without the embedded models.
func testRegistry(t testing.TB) *registry.Registry {
	t.Helper()
	r := registry.New(registry.Config{Catalogue: func() (*catalogue.Catalogue, error) { return &catalogue.Catalogue{}, nil }})
	if err := r.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	record := func(id model.ModelID, provider string, aliases ...string) model.Model {
		return model.Model{ID: id, Provider: provider, Aliases: aliases, Tasks: []model.Task{model.TaskChat}}
	}
	endpoint := func(provider, upstream string, id model.ModelID) model.Endpoint {
		return model.Endpoint{Provider: provider, Upstream: upstream, Kind: model.ProviderOpenAI, BaseURL: "http://127.0.0.1:9/v1", Model: id}
	}
	err := r.SetEndpoints(
		[]model.Endpoint{
			endpoint("openai", "gpt-4o", "openai/gpt-4o"), endpoint("azure", "gpt-4o", "openai/gpt-4o"),
			endpoint("anthropic", "claude", "anthropic/claude"),
		},
		[]model.Model{record("openai/gpt-4o", "openai", "four-o"), record("anthropic/claude", "anthropic"), record("idle/model", "idle")})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
