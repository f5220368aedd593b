package openai_test

import (
	"flag"
	"testing"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/openai"
	"github.com/cartrita/cartrita/provider/providertest"
	"github.com/cartrita/cartrita/provider/upstream"
)

var update = flag.Bool("update", false, "write the golden sections of the recordings")

func TestConformance(t *testing.T) {
	providertest.Run(t, providertest.Vendor{
		New: func(t testing.TB, cfg upstream.Config) provider.Client {
			c, err := openai.New(openai.Config{Config: cfg})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		Endpoint: model.Endpoint{ID: "openai/gpt-4o-mini", Provider: "openai", Kind: model.ProviderOpenAI, BaseURL: "/v1", Upstream: "gpt-4o-mini"},
		Dir:      "testdata/conformance",
		Update:   *update,
	})
}
