package cartrita

import (
	"context"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// Past shows budgets what the calls on record took. It implements budget.Past.
type Past struct {
	Events  *event.Log
	History event.History
}

// Entries implements budget.Past. Calls that are still in the spool are stored
// first. What a call without a known price cost is not known here either: it
// counts with its tokens and as a request.
func (p Past) Entries(ctx context.Context, since time.Time, visit func(*budget.Entry)) error {
	if err := p.Events.Flush(ctx); err != nil {
		return err
	}
	return p.History.Walk(ctx, since, time.Time{}, func(calls []event.Call) error {
		for i := range calls {
			rec, err := event.ParseRecord(calls[i].RecordJSON, nil)
			if err != nil {
				return err
			}
			e := entryOf(rec, calls[i].Ended)
			visit(&e)
		}
		return ctx.Err()
	})
}

func entryOf(rec *model.Record, ended time.Time) budget.Entry {
	e := budget.Entry{Subject: subjectOf(&rec.Caller, &rec.Context), At: ended, Charges: rec.Charges}
	for i := range rec.Attempts {
		a := &rec.Attempts[i]
		took := budget.Quantities{USD: a.Cost, Tokens: a.Usage.Input.Or(0) + a.Usage.Output.Or(0)}
		if took == (budget.Quantities{}) {
			continue // never sent, or not billed
		}
		if len(e.Parts) == 0 {
			took.Requests = 1
		}
		e.Parts = append(e.Parts, budget.Part{Target: budget.Target{Model: a.Model, Provider: a.Endpoint.Provider()}, Quantities: took})
	}
	if p, ok := unseen(rec); ok {
		if len(e.Parts) > 0 {
			p.Requests = 0
		}
		e.Parts = append(e.Parts, p)
	}
	return e
}

// unseen is what an attempt of a call whose process died was charged as likely,
// to whatever budgets there were: it has no cost of its own on record. It is the
// last attempt, or one behind it that was about to be sent.
func unseen(rec *model.Record) (p budget.Part, ok bool) {
	n := len(rec.Attempts)
	if n == 0 || rec.State != model.StateFailed {
		return p, false
	}
	last := &rec.Attempts[n-1]
	p = budget.Part{Target: budget.Target{Model: last.Model, Provider: last.Endpoint.Provider()}, Assumed: true}
	for _, c := range rec.Charges {
		if c.Assumed {
			p.USD, p.Tokens, p.Requests, ok = max(p.USD, c.Cost), max(p.Tokens, c.Tokens), 1, true
		}
	}
	for i := range rec.Attempts { // a charge is that of the whole call
		a := &rec.Attempts[i]
		p.USD -= min(p.USD, a.Cost)
		p.Tokens -= min(p.Tokens, a.Usage.Input.Or(0)+a.Usage.Output.Or(0))
	}
	return p, ok
}
