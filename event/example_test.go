package event_test

import (
	"context"
	"fmt"
	"os"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// printer is the smallest Sink: it has no memory, so after a restart it would
// be given again what is still in the spool.
type printer struct{}

func (printer) Ingest(_ context.Context, b event.Batch) (stored []*event.Call, err error) {
	for i := range b.Calls {
		c := &b.Calls[i]
		fmt.Printf("stored: %s by %s for %s\n", c.State, c.Model, c.Cost)
		stored = append(stored, c)
	}
	return stored, nil
}

func (printer) Position(context.Context, string) (event.Position, error) {
	return event.Position{}, nil
}

func Example() {
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	log, err := event.Open(event.Config{Dir: dir, Sink: printer{}})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- log.Run(ctx) }()

	// A call: its intent before the first attempt, its outcome before the
	// response ends.
	rec := &model.Record{ID: model.NewCallID(), State: model.StatePlanned, Model: "openai/gpt-4o"}
	if err := log.Intent(rec); err != nil {
		panic(err)
	}
	rec.State = model.StateCompleted
	rec.Cost.Total = 250_000 // nano-USD
	if err := log.Outcome(rec); err != nil {
		panic(err)
	}

	cancel()
	if err := <-done; err != nil {
		panic(err)
	}
	if err := log.Close(); err != nil {
		panic(err)
	}
	// Output: stored: completed by openai/gpt-4o for $0.00025
}

func ExampleLog_Subscribe() {
	log, err := event.Open(event.Config{Sink: printer{}}) // without Dir: in memory
	if err != nil {
		panic(err)
	}
	events := log.Subscribe(context.Background(), event.Filter{Kinds: []event.Kind{event.CallCompleted, event.CallFailed}})
	if err := log.Outcome(&model.Record{ID: model.NewCallID(), State: model.StateFailed}); err != nil {
		panic(err)
	}
	for e := range events {
		fmt.Println(e.Kind)
		break
	}
	// Output: model_call.failed
}
