package cartrita_test

import (
	"context"
	"fmt"
	"log"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/memory"
)

// The quick start of the README: a registry with two endpoints, and one decision.
func ExampleService_Select() {
	ctx := context.Background()
	reg := registry.New(registry.Config{}) // the built-in catalogue
	if err := reg.Load(ctx); err != nil {
		log.Fatal(err)
	}
	err := reg.SetEndpoints([]model.Endpoint{
		{ID: "openai/gpt-4o", Provider: "openai", Kind: model.ProviderOpenAI, BaseURL: "https://api.openai.com/v1", Model: "openai/gpt-4o", Upstream: "gpt-4o", Ready: true},
		{ID: "box/llama", Provider: "box", Kind: model.ProviderOpenAI, BaseURL: "http://127.0.0.1:9001/v1", Model: "llama-on-our-gpu", Upstream: "llama", Ready: true},
	}, []model.Model{{
		ID: "llama-on-our-gpu", Provider: "box", Tasks: []model.Task{model.TaskTextGeneration, model.TaskChat},
		CommercialAllowed: ptr(true), Risk: model.RiskLow,
		Quality: map[string]model.Figure{model.MetricComposite: {Value: 0.8, Source: "our own evaluation"}},
		Pricing: &model.Pricing{Hourly: ptr(4 * model.USD), TokensPerSecond: ptr(1800.0)},
	}})
	if err != nil {
		log.Fatal(err)
	}
	store, err := memory.New(memory.Config{})
	if err != nil {
		log.Fatal(err)
	}
	events, err := event.Open(event.Config{Sink: store})
	if err != nil {
		log.Fatal(err)
	}
	defer events.Close()
	service, err := cartrita.New(cartrita.Config{Registry: reg, Events: events, Reader: store})
	if err != nil {
		log.Fatal(err)
	}

	sel, err := service.Select(ctx, cartrita.Criteria{
		QualityWeight: ptr(0.4), CostWeight: ptr(0.4), LatencyWeight: ptr(0.2),
		SafetyRequired: true, CommercialUse: true,
		InputTokens: ptr(int64(1000)), OutputTokens: ptr(int64(500)),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sel.Selected, "at", sel.Endpoint, "for", sel.EstimatedCostUSD)
	fmt.Println("if that fails:", sel.Fallbacks)
	// Output:
	// llama-on-our-gpu at box/llama for $0.000925926
	// if that fails: [openai/gpt-4o]
}

func ptr[T any](v T) *T { return &v }
