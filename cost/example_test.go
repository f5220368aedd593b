package cost_test

import (
	"fmt"

	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/model"
)

// An Anthropic call that wrote 12,304 tokens to the prompt cache.
func ExamplePrice() {
	price := func(s string) *model.Money { m, _ := model.ParseMoney(s); return &m }
	pricing := &model.Pricing{Input: price("3"), CacheWrite: price("3.75"), Output: price("15")}
	bill := cost.Price(pricing, model.Usage{
		Input:      model.Known(12_307),
		CacheWrite: model.Known(12_304),
		Output:     model.Known(550),
	}, 0)
	fmt.Println(bill.Total, "of which", bill.CacheWrite, "to write the cache")
	// Output: $0.054399 of which $0.04614 to write the cache
}

func ExampleEstimator() {
	estimator, err := cost.New(cost.Config{})
	if err != nil {
		panic(err)
	}
	price := func(s string) *model.Money { m, _ := model.ParseMoney(s); return &m }
	endpoint := estimator.Profile(&model.Served{
		Endpoint: &model.Endpoint{Model: "lab/small", Upstream: "small"},
		Pricing:  &model.Pricing{Input: price("0.5"), Output: price("2")},
	})
	call := cost.Request{Task: model.TaskChat, PromptBytes: 4000, MaxOutput: model.Known(300)}

	fmt.Println("before:", estimator.Estimate(endpoint, call).Method)
	for range 50 {
		estimator.Observe(endpoint, call, model.Usage{Input: model.Known(1000), Output: model.Known(200)})
	}
	est := estimator.Estimate(endpoint, call)
	fmt.Println("after: ", est.Method, est.InputTokens > 950 && est.InputTokens < 1050)
	// Output:
	// before: prior
	// after:  learned true
}
