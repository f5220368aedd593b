package cartrita_test

import (
	"context"
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/memory"
)

// TestThePastOfACallThatWasKilled: what it held for an attempt whose end nobody
// saw counts as assumed, whether the record has that attempt or ends with one
// that was billed before it; beside that, only what was billed counts.
func TestThePastOfACallThatWasKilled(t *testing.T) {
	failed := &model.Failure{Kind: model.KindUpstream, Message: "cut"}
	tried := func(cost model.Money) model.Attempt {
		return model.Attempt{Endpoint: "lab/m", Model: "m", Cost: cost, Error: failed}
	}
	for name, c := range map[string]struct {
		attempts        []model.Attempt
		charged         model.Money
		assumed         bool
		billed, guessed model.Money
	}{
		"in its first attempt":            {[]model.Attempt{tried(0)}, model.USD, true, 0, model.USD},
		"in its second attempt":           {[]model.Attempt{tried(model.USD), tried(0)}, 2 * model.USD, true, model.USD, model.USD},
		"between two attempts":            {[]model.Attempt{tried(model.USD)}, 2 * model.USD, true, model.USD, model.USD},
		"not at all":                      {[]model.Attempt{tried(model.USD), tried(2 * model.USD)}, 3 * model.USD, false, 3 * model.USD, 0},
		"before a second, nothing billed": {[]model.Attempt{tried(0)}, 2 * model.USD, true, 0, 2 * model.USD},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := memory.New(memory.Config{})
			if err != nil {
				t.Fatal(err)
			}
			l, err := event.Open(event.Config{Sink: s})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = l.Run(ctx) }()
			defer func() { stop(); <-done }()
			rec := &model.Record{
				ID: model.NewCallID(), Received: time.Now(), State: model.StateFailed, Error: failed, Attempts: c.attempts,
				Charges: []model.Charge{{Budget: "all", Cost: c.charged, Requests: 1, Assumed: c.assumed}},
			}
			if err := l.Outcome(rec); err != nil {
				t.Fatal(err)
			}
			var billed, guessed model.Money
			var requests int64
			err = cartrita.Past{Events: l, History: s}.Entries(t.Context(), time.Time{}, func(e *budget.Entry) {
				for _, p := range e.Parts {
					requests += p.Requests
					if p.Assumed {
						guessed += p.USD
					} else {
						billed += p.USD
					}
				}
			})
			if err != nil || billed != c.billed || guessed != c.guessed || requests != 1 {
				t.Errorf("%s billed, %s assumed, %d requests, %v; want %s, %s and one", billed, guessed, requests, err, c.billed, c.guessed)
			}
		})
	}
}
