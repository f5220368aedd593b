package anthropic_test

import (
	"flag"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/anthropic"
	"github.com/cartrita/cartrita/provider/providertest"
	"github.com/cartrita/cartrita/provider/upstream"
)

var update = flag.Bool("update", false, "write the golden sections of the recordings")

func clock() time.Time { return time.Unix(1790000000, 0) }

func TestConformance(t *testing.T) {
	providertest.Run(t, providertest.Vendor{
		New: func(t testing.TB, cfg upstream.Config) provider.Client {
			c, err := anthropic.New(anthropic.Config{Config: cfg, Clock: clock})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		Endpoint: model.Endpoint{ID: "anthropic/claude-haiku-4-5", Provider: "anthropic", Kind: model.ProviderAnthropic, Upstream: "claude-haiku-4-5"},
		Dir:      "testdata/conformance",
		Update:   *update,
		Lacks:    map[string]string{"embeddings": "the Messages API makes none"},
	})
}
