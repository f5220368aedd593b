package cost

import (
	"testing"

	"github.com/cartrita/cartrita/model"
)

// usd reads a decimal amount of dollars.
func usd(s string) *model.Money {
	m, err := model.ParseMoney(s)
	if err != nil {
		panic(err)
	}
	return &m
}

func ptr[T any](v T) *T { return &v }

// usage makes a usage in the order input, cached read, cache write, output,
// reasoning; −1 is unknown.
func usage(input, read, write, output, reasoning int64) model.Usage {
	c := func(n int64) model.Count {
		if n < 0 {
			return model.Count{}
		}
		return model.Known(n)
	}
	return model.Usage{
		Input: c(input), CachedRead: c(read), CacheWrite: c(write),
		Output: c(output), Reasoning: c(reasoning), Source: model.UsageUpstream,
	}
}

// served makes an endpoint of a model with a price.
func served(id model.ModelID, p *model.Pricing) *model.Served {
	m := &model.Model{ID: id, Canonical: string(id)}
	return &model.Served{
		Endpoint: &model.Endpoint{ID: model.EndpointID(id), Model: id, Upstream: string(id)},
		Model:    m,
		Pricing:  p,
	}
}

func newEstimator(t testing.TB, cfg Config) *Estimator {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
