package cost

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

func anyPrice(t *rapid.T, name string) *model.Money {
	m := model.Money(rapid.Int64Range(0, 100).Draw(t, name)) * model.USD / 10
	return &m
}

// No usage within the bounds of a request costs more than its worst case, and
// no higher price makes the worst case lower.
func TestWorstBoundsEveryBill(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		pricing := model.Pricing{
			Input: anyPrice(t, "input"), Output: anyPrice(t, "output"), CachedRead: anyPrice(t, "read"),
			CacheWrite: anyPrice(t, "write"), Reasoning: anyPrice(t, "reasoning"), Request: anyPrice(t, "request"),
		}
		served := model.Served{Endpoint: &model.Endpoint{Model: "m"}, Model: &model.Model{ID: "m"}, Pricing: &pricing, Context: 100_000, MaxOutput: 8000}
		q := Request{
			PromptBytes: rapid.Int64Range(1, 50_000).Draw(t, "bytes"),
			MaxOutput:   model.Known(rapid.Int64Range(0, 8000).Draw(t, "max")),
			Choices:     rapid.Int64Range(0, 3).Draw(t, "choices"),
		}
		worst, ok := e.Profile(&served).Worst(&q)
		if !ok {
			t.Fatal("a bounded call of known price has no worst case")
		}
		in := rapid.Int64Range(0, q.PromptBytes).Draw(t, "in")
		out := rapid.Int64Range(0, q.MaxOutput.N*max(q.Choices, 1)).Draw(t, "out")
		read := rapid.Int64Range(0, in).Draw(t, "cached")
		u := model.Usage{
			Input: model.Known(in), CachedRead: model.Known(read), CacheWrite: model.Known(rapid.Int64Range(0, in-read).Draw(t, "written")),
			Output: model.Known(out), Reasoning: model.Known(rapid.Int64Range(0, out).Draw(t, "reasoned")),
		}
		if bill := Price(&pricing, u, 0); bill.Total > worst {
			t.Fatalf("%+v costs %s, more than the worst case %s", u, bill.Total, worst)
		}
		dearer := pricing
		for _, m := range []**model.Money{&dearer.Input, &dearer.Output, &dearer.CachedRead, &dearer.CacheWrite, &dearer.Reasoning, &dearer.Request} {
			more := **m + model.Money(rapid.Int64Range(0, int64(model.USD)).Draw(t, "more"))
			*m = &more
		}
		served.Pricing = &dearer
		if more, _ := e.Profile(&served).Worst(&q); more < worst {
			t.Fatalf("higher prices lower the worst case from %s to %s", worst, more)
		}
	})
}

func TestWorstIsUnknownWhereAPriceIs(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	usd := model.USD
	for name, tc := range map[string]struct {
		pricing *model.Pricing
		q       Request
		ok      bool
	}{
		"no price":                         {nil, Request{MaxOutput: model.Known(10)}, false},
		"no price for answers":             {&model.Pricing{Input: &usd}, Request{MaxOutput: model.Known(10)}, false},
		"nothing bounds the answer":        {&model.Pricing{Input: &usd, Output: &usd}, Request{PromptBytes: 1}, true},
		"per request, whatever its length": {&model.Pricing{Request: &usd}, Request{PromptBytes: 1}, true},
		"embeddings have no answer":        {&model.Pricing{Input: &usd}, Request{Task: model.TaskEmbeddings, PromptBytes: 1}, true},
		"bounded":                          {&model.Pricing{Input: &usd, Output: &usd}, Request{PromptBytes: 1, MaxOutput: model.Known(10)}, true},
	} {
		served := model.Served{Endpoint: &model.Endpoint{Model: "m"}, Model: &model.Model{ID: "m"}, Pricing: tc.pricing}
		if _, ok := e.Profile(&served).Worst(&tc.q); ok != tc.ok {
			t.Errorf("%s: known %v, want %v", name, ok, tc.ok)
		}
	}
}

// TestWorstCountsAttachments: a recording or a file is bounded by its bytes,
// one that is only named by the context.
func TestWorstCountsAttachments(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	p := e.Profile(&model.Served{
		Endpoint: &model.Endpoint{Model: "m"}, Model: &model.Model{ID: "m"}, Context: 100_000, MaxOutput: 10,
		Pricing: &model.Pricing{Input: ptr(model.USD), Output: ptr(model.USD)},
	})
	text := p.WorstTokens(&Request{PromptBytes: 4000})
	for attached, want := range map[int64]int64{0: text, 5000: text + 5000, 1 << 40: 100_000 + 10} {
		if got := p.WorstTokens(&Request{PromptBytes: 4000, Attached: attached}); got != want {
			t.Errorf("%d bytes attached: %d tokens, want %d", attached, got, want)
		}
	}
	if got := p.WorstTokens(&Request{PromptBytes: 4000, MaxOutput: model.Known(7), Choices: 3}); got != text-10+21 {
		t.Errorf("three answers of 7: %d tokens, want %d", got, text-10+21)
	}
}
