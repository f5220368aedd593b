package health_test

import (
	"fmt"
	"time"

	"github.com/cartrita/cartrita/health"
	"github.com/cartrita/cartrita/model"
)

// Every attempt asks first and reports how it ended; the router reads views.
func Example() {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tracker, err := health.New(health.Config{Clock: func() time.Time { return now }})
	if err != nil {
		panic(err)
	}
	endpoint := tracker.Endpoint("gpu-box/llama")

	ticket, ok := endpoint.Begin(now)
	fmt.Println("sent:", ok)
	now = now.Add(2 * time.Second)
	endpoint.Done(now, ticket, model.Outcome{TTFT: 250 * time.Millisecond, Latency: 2 * time.Second, OutputTokens: 140})

	ticket, _ = endpoint.Begin(now)
	endpoint.Done(now, ticket, model.Outcome{Failed: true, Kind: model.KindRateLimited, RetryAfter: 10 * time.Second})

	view := endpoint.View(now)
	fmt.Printf("first token after %.0f ms, errors %.0f %%, circuit %v, back in %v\n",
		view.TTFTMS, 100*view.ErrorRate, view.Circuit, view.RetryAt.Sub(now))
	// Output:
	// sent: true
	// first token after 250 ms, errors 50 %, circuit closed, back in 10s
}
