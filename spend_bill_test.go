package cartrita_test

import (
	"context"
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
)

// TestBillWithAnUnknownPart: the price was known when the call was sent, but the
// upstream bills a service tier that it does not list. The budget is charged
// what is known or what was likely, not what the dearest endpoint of all would
// take; and no budget lets it pass as free.
func TestBillWithAnUnknownPart(t *testing.T) {
	for policy, least := range map[budget.UnknownPrice]model.Money{budget.AssumeMax: 1_260_000, budget.Refuse: 1_260_000, budget.Free: 1_260_000} {
		use := model.Usage{Source: model.UsageUpstream, Input: model.Known(26), Output: model.Known(100), ServiceTier: "priority"}
		var l *lab
		var held model.Money
		l = newLabWith(t, script{"a": func(ctx context.Context, call *model.Call) (*provider.Response, error) {
			held = l.Budgets().Status()[0].Held.USD
			return answers(`{"choices":[]}`, use)(ctx, call)
		}}, func(c *cartrita.Config) {
			c.Budgets = purse(t, budget.Budget{Name: "all", Period: budget.Total, LimitUSD: dollars(1), UnknownPrice: policy})
		}, onlyA, func(e *model.Endpoint) {
			p := dollars(10)
			if e.Upstream != "a" {
				p = dollars(1_000_000)
			}
			e.Pricing = &model.Pricing{Input: p, Output: p}
		})
		call := newCall(t, false)
		call.MaxOutput = model.Known(100)
		rec, err := l.Serve(t.Context(), call, &page{})
		if err != nil {
			t.Fatal(err)
		}
		if !rec.Cost.Unpriced || held == 0 {
			t.Fatalf("the test shows nothing: %+v, held %s", rec.Cost, held)
		}
		if s := l.Budgets().Status()[0]; s.Spent.USD < least || s.Spent.USD > held {
			t.Errorf("%s: spent %s, want from %s to the %s that were held", policy, s.Spent.USD, least, held)
		}
	}
}

// TestAnswerThatNobodyWaitsFor: an upstream is at work on a whole answer while
// the caller gives up; the call is charged for what is written in that time.
func TestAnswerThatNobodyWaitsFor(t *testing.T) {
	for _, stream := range []bool{false, true} {
		l := newLabWith(t, script{"a": func(ctx context.Context, _ *model.Call) (*provider.Response, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}, func(c *cartrita.Config) {
			c.Budgets = purse(t, budget.Budget{Name: "all", Period: budget.Total, LimitUSD: dollars(100)})
		}, onlyA, func(e *model.Endpoint) { e.Pricing = &model.Pricing{Input: dollars(1), Output: dollars(1000)} })
		call := newCall(t, stream)
		call.MaxOutput = model.Known(900)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		rec, err := l.Serve(ctx, call, &page{})
		if err == nil {
			t.Fatal("the call went through")
		}
		out := rec.Attempts[0].Usage.Output
		if got := out.N > 0; got == stream || out.N >= rec.Plan.Candidates[0].Estimate.OutputTokens || rec.Charges[0].Cost != rec.Cost.Total {
			t.Errorf("stream %t: %+v, charged %+v", stream, out, rec.Charges)
		}
	}
}

// TestPromptInTokenNumbers: a prompt that we counted ourselves is held for by
// that count, whatever the caller says of it.
func TestPromptInTokenNumbers(t *testing.T) {
	const counted = 990
	var held budget.Quantities
	var l *lab
	l = newLabWith(t, script{"a": func(ctx context.Context, call *model.Call) (*provider.Response, error) {
		held = l.Budgets().Status()[0].Held
		return answers(`{"choices":[]}`, model.Usage{Source: model.UsageUpstream, Input: model.Known(counted), Output: model.Known(0)})(ctx, call)
	}}, func(c *cartrita.Config) {
		c.Budgets = purse(t, budget.Budget{Name: "all", Period: budget.Total, LimitUSD: dollars(100)})
	}, onlyA, func(e *model.Endpoint) { e.Pricing = &model.Pricing{Input: dollars(1), Output: dollars(2)} })
	call := newCall(t, false)
	call.Surface, call.PromptBytes, call.PromptTokens, call.MaxOutput = model.SurfaceCompletions, 0, model.Known(counted), model.Known(1)
	less := int64(1)
	call.Criteria.InputTokens = &less
	rec, err := l.Serve(t.Context(), call, &page{})
	if err != nil {
		t.Fatal(err)
	}
	if held.Tokens != counted+1 || held.USD < rec.Cost.Total {
		t.Errorf("held %+v for %d tokens and an answer of one, which cost %s", held, counted, rec.Cost.Total)
	}
}

// TestTextsShareNoContext: of many texts that are answered each by itself the
// largest must fit the context, and all are held for.
func TestTextsShareNoContext(t *testing.T) {
	for _, largest := range []float64{0, 0.1} {
		l := newLabWith(t, script{"a": func(ctx context.Context, call *model.Call) (*provider.Response, error) {
			return answers(`{"choices":[]}`, model.Usage{Source: model.UsageUpstream, Input: model.Known(5000), Output: model.Known(0)})(ctx, call)
		}}, func(c *cartrita.Config) {
			c.Budgets = purse(t, budget.Budget{Name: "all", Period: budget.Total, LimitUSD: dollars(1), LimitTokens: ptrTo[int64](5000 + 19)})
		}, onlyA, func(e *model.Endpoint) { e.Pricing = &model.Pricing{Input: usd("1"), Output: usd("1")} })
		call := newCall(t, false)
		call.Texts, call.Largest, call.Choices = 20, largest, 20
		call.PromptBytes, call.PromptTokens, call.MaxOutput = 0, model.Known(5000), model.Known(1)
		_, err := l.Serve(t.Context(), call, &page{})
		want := model.KindContextLength
		if largest > 0 {
			want = model.KindBudget // 5000 tokens of prompt and 20 of answers
		}
		if model.KindOf(err) != want {
			t.Errorf("largest %v: %v, want %s", largest, err, want)
		}
	}
}

func ptrTo[T any](v T) *T { return &v }
