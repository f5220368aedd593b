package cost

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

func known(n int64) model.Count { return model.Known(n) }

// One bill for every class, tier and part, worked out by hand.
func TestPriceClassesAndTiers(t *testing.T) {
	long := model.Pricing{
		Input: usd("2"), Output: usd("12"), CachedRead: usd("0.2"),
		Tiers: []model.PriceTier{
			{AboveInput: 200_000, Input: usd("4"), Output: usd("18"), CachedRead: usd("0.4")},
			{AboveInput: 128_000, Input: usd("3")},
			{ServiceTier: "batch", Factor: ptr(0.5)},
			{ServiceTier: "priority", Input: usd("5"), Output: usd("20")},
			{ServiceTier: "priority", AboveInput: 272_000, Input: usd("9"), Output: usd("36")},
		},
	}
	call := func(in, out int64, tier string) model.Usage {
		return model.Usage{Input: known(in), Output: known(out), ServiceTier: tier}
	}
	tests := []struct {
		name    string
		pricing model.Pricing
		usage   model.Usage
		took    time.Duration
		want    model.CostBreakdown
	}{
		{"at the threshold the lower tier holds", long, call(128_000, 0, ""), 0, model.CostBreakdown{Input: 256_000_000}},
		{"above it the whole prompt is dearer, the answer as before", long, call(128_001, 1000, ""), 0,
			model.CostBreakdown{Input: 384_003_000, Output: 12_000_000}},
		{"the highest threshold below the prompt holds for the answer too", long, call(300_000, 1000, "default"), 0,
			model.CostBreakdown{Input: 1_200_000_000, Output: 18_000_000}},
		{"batch at half the price", long, call(1000, 1000, "batch"), 0, model.CostBreakdown{Input: 1_000_000, Output: 6_000_000}},
		{"batch at half the price of a long prompt", long, call(200_001, 0, "batch"), 0, model.CostBreakdown{Input: 400_002_000}},
		{"priority has prices of its own", long, call(1000, 1000, "priority"), 0, model.CostBreakdown{Input: 5_000_000, Output: 20_000_000}},
		{"and tiers of its own", long, call(272_001, 1000, "priority"), 0, model.CostBreakdown{Input: 2_448_009_000, Output: 36_000_000}},
		{"a service tier that is not listed is a lower bound", long, call(1000, 0, "flex"), 0,
			model.CostBreakdown{Input: 2_000_000, Unpriced: true}},
		{
			"short and long-lived cache writes",
			model.Pricing{Input: usd("3"), Output: usd("15"), CacheWrite: usd("3.75"), CacheWriteLong: usd("6")},
			model.Usage{Input: known(1000), CacheWrite: known(900), CacheWriteLong: known(400), Output: known(0)}, 0,
			model.CostBreakdown{Input: 300_000, CacheWrite: 1_875_000, CacheWriteLong: 2_400_000},
		},
		{
			"long-lived writes without a price are a lower bound",
			model.Pricing{Input: usd("3"), Output: usd("15"), CacheWrite: usd("3.75")},
			model.Usage{Input: known(400), CacheWrite: known(400), CacheWriteLong: known(400), Output: known(0)}, 0,
			model.CostBreakdown{CacheWriteLong: 1_500_000, Unpriced: true},
		},
		{
			"audio and images in and out",
			model.Pricing{Input: usd("2.5"), Output: usd("10"), AudioInput: usd("40"), AudioOutput: usd("80"), ImageInput: usd("5"), ImageOutput: usd("30")},
			model.Usage{
				Input: known(1000), AudioInput: known(300), ImageInput: known(200),
				Output: known(500), AudioOutput: known(100), ImageOutput: known(50), Reasoning: known(50),
			}, 0,
			model.CostBreakdown{
				Input: 1_250_000, AudioInput: 12_000_000, ImageInput: 1_000_000,
				Output: 3_000_000, Reasoning: 500_000, AudioOutput: 8_000_000, ImageOutput: 1_500_000,
			},
		},
		{
			"audio without a price is a lower bound, images in cost what text does",
			model.Pricing{Input: usd("2"), Output: usd("8")},
			model.Usage{Input: known(1000), AudioInput: known(300), ImageInput: known(200), Output: known(0)}, 0,
			model.CostBreakdown{Input: 1_000_000, AudioInput: 600_000, ImageInput: 400_000, Unpriced: true},
		},
		{
			"no audio is nothing unknown",
			model.Pricing{Input: usd("2"), Output: usd("8")},
			model.Usage{Input: known(1000), AudioInput: known(0), Output: known(0), AudioOutput: known(0)}, 0,
			model.CostBreakdown{Input: 2_000_000},
		},
		{
			"audio read from the cache is billed once",
			model.Pricing{Input: usd("2"), Output: usd("8"), CachedRead: usd("1"), AudioInput: usd("40")},
			model.Usage{Input: known(1000), CachedRead: known(900), AudioInput: known(1000), Output: known(0)}, 0,
			model.CostBreakdown{CachedRead: 900_000, AudioInput: 4_000_000},
		},
		{"by the second", model.Pricing{Second: usd("0.0014")}, model.Usage{}, 2500 * time.Millisecond, model.CostBreakdown{Duration: 3_500_000}},
		{"by the second of an unknown time", model.Pricing{Second: usd("0.0014")}, model.Usage{}, -1, model.CostBreakdown{Unpriced: true}},
		{"in another currency", model.Pricing{Input: usd("2"), Output: usd("8"), Request: usd("0.1"), Currency: "EUR", USDPerUnit: ptr(1.25)},
			call(1000, 1000, ""), 0, model.CostBreakdown{Input: 2_500_000, Output: 10_000_000, Request: 125_000_000}},
		{"in a currency without a rate", model.Pricing{Input: usd("2"), Currency: "EUR"}, call(1000, 0, ""), 0, model.CostBreakdown{Unpriced: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Total = total(&tt.want)
			if got := Price(&tt.pricing, tt.usage, tt.took); got != tt.want {
				t.Errorf("Price\n got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// A tier decides on the prompt, so it has to be seen before the call is made.
func TestEstimateSeesTiers(t *testing.T) {
	e := newEstimator(t, Config{})
	p := e.Profile(served("m", &model.Pricing{
		Input: usd("2.5"), Output: usd("15"),
		Tiers: []model.PriceTier{{AboveInput: 272_000, Input: usd("5"), Output: usd("22.5")}},
	}))
	for _, in := range []int64{1, 272_000, 272_001, 900_000} {
		q := Request{InputTokens: known(in), OutputTokens: known(1000)}
		want := p.Price(model.Usage{Input: known(in), Output: known(1000)}, 0).Total
		if got := e.Estimate(p, q); got.Expected != want || got.High != want {
			t.Errorf("%d tokens: expected %s up to %s, costs %s", in, got.Expected, got.High, want)
		}
		q = Request{InputTokens: known(in), MaxOutput: known(1000)}
		if worst, ok := p.Worst(&q); !ok || worst < want {
			t.Errorf("%d tokens: worst %s, costs %s", in, worst, want)
		}
	}
	// 1,060,000 bytes are likely below the threshold, and may be above it.
	if est := e.Estimate(p, Request{PromptBytes: 1_060_000, MaxOutput: known(1)}); est.High < model.Money(272_000*5000) {
		t.Errorf("the interval %s to %s does not reach into the next tier", est.Low, est.High)
	}
}

// genRich makes a pricing of every part, with tiers.
func genRich(t *rapid.T) *model.Pricing {
	p := genPricing(t)
	for _, c := range p.TokenPrices() {
		*c.Price = genPrice(c.Name).Draw(t, c.Name)
	}
	p.Second = genPrice("second").Draw(t, "second")
	for range rapid.IntRange(0, 4).Draw(t, "tiers") {
		tier := model.PriceTier{
			AboveInput:  rapid.Int64Range(0, 3000).Draw(t, "above"),
			ServiceTier: rapid.SampledFrom([]string{"", "batch", "priority"}).Draw(t, "service"),
		}
		for _, c := range tier.TokenPrices() {
			*c.Price = genPrice(c.Name).Draw(t, c.Name)
		}
		if rapid.Bool().Draw(t, "factored") {
			tier.Factor = ptr(rapid.Float64Range(0, 4).Draw(t, "factor"))
		}
		p.Tiers = append(p.Tiers, tier)
	}
	return p
}

// genWithin makes a usage of so many tokens at most, of every class.
func genWithin(t *rapid.T, in, out int64) model.Usage {
	share := func(of int64, name string) (model.Count, int64) {
		n := rapid.Int64Range(0, of).Draw(t, name)
		return known(n), of - n
	}
	var u model.Usage
	u.Input, _ = share(in, "in")
	rest := u.Input.N
	u.CachedRead, rest = share(rest, "read")
	u.CacheWrite, rest = share(rest, "write")
	u.CacheWriteLong, _ = share(u.CacheWrite.N, "write long")
	u.AudioInput, rest = share(rest, "audio in")
	u.ImageInput, _ = share(rest, "image in")
	u.Output, _ = share(out, "out")
	u.Reasoning, rest = share(u.Output.N, "reasoning")
	u.AudioOutput, rest = share(rest, "audio out")
	u.ImageOutput, _ = share(rest, "image out")
	u.ServiceTier = rapid.SampledFrom([]string{"", "batch", "priority", "flex", "standard"}).Draw(t, "tier")
	return u
}

func TestWorstBoundsEveryClassAndTier(t *testing.T) {
	e := newEstimator(t, Config{})
	rapid.Check(t, func(t *rapid.T) {
		s := served("m", genRich(t))
		p := e.Profile(s)
		q := Request{InputTokens: known(rapid.Int64Range(0, 5000).Draw(t, "prompt")), MaxOutput: known(rapid.Int64Range(0, 5000).Draw(t, "limit"))}
		worst, ok := p.Worst(&q)
		if !ok {
			t.Skip("a price is unknown")
		}
		u := genWithin(t, q.InputTokens.N, q.MaxOutput.N)
		took := time.Duration(rapid.Int64Range(0, int64(longestTime)).Draw(t, "took"))
		if bill := p.Price(u, took); bill.Total > worst {
			t.Fatalf("%+v costs %s, more than the worst case %s", bill, bill.Total, worst)
		}
		places := s.Pricing.TokenPrices()
		c := places[rapid.IntRange(0, len(places)-1).Draw(t, "dearer")]
		if *c.Price == nil {
			return
		}
		*c.Price = ptr(min(**c.Price, math.MaxInt64/2) + model.Money(rapid.Int64Range(0, int64(model.USD)).Draw(t, "more")))
		if more, _ := e.Profile(s).Worst(&q); more < worst {
			t.Fatalf("a higher price of %s lowers the worst case from %s to %s", c.Name, worst, more)
		}
	})
}

func TestRichClassesSumToTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Price(genRich(t), genWithin(t, 1_000_000, 1_000_000), time.Duration(rapid.Int64Range(-1, 1e12).Draw(t, "took")))
		sum := model.Money(0)
		for _, m := range classesOf(&b) {
			sum += *m
		}
		if sum != b.Total || b.Total < 0 {
			t.Fatalf("classes sum to %d, total is %d", sum, b.Total)
		}
	})
}

// Every token is in one class: with one price for all, classes don't matter.
func TestEveryTokenIsBilledOnce(t *testing.T) {
	one := model.Pricing{}
	for _, c := range one.TokenPrices() {
		*c.Price = usd("1")
	}
	rapid.Check(t, func(t *rapid.T) {
		u := genWithin(t, 1_000_000, 1_000_000)
		u.ServiceTier = ""
		if got, want := Price(&one, u, 0).Total, model.Money(1000*(u.Input.N+u.Output.N)); got != want {
			t.Fatalf("%+v costs %s, want %s", u, got, want)
		}
	})
}
