package gateway

import (
	"testing"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

type fakeRegistry struct{ snap *registry.Snapshot }

func (f *fakeRegistry) Snapshot() *registry.Snapshot { return f.snap }

func testRegistry(testing.TB) Registry {
	claude := &model.Model{ID: "anthropic/claude", Provider: "anthropic"}
	gpt := &model.Model{ID: "openai/gpt-4o", Provider: "openai"}
	return &fakeRegistry{&registry.Snapshot{
		Models: []*model.Model{claude, gpt},
		Served: []model.Served{
			{Endpoint: &model.Endpoint{ID: "anthropic/claude"}, Model: claude},
			{Endpoint: &model.Endpoint{ID: "openai/gpt-4o"}, Model: gpt},
			{Endpoint: &model.Endpoint{ID: "azure/gpt-4o"}, Model: gpt},
		},
	}}
}
