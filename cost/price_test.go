package cost

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

// Bills worked out by hand, or charged by a vendor and published with the
// usage that led to them.
func TestPriceGoldenBills(t *testing.T) {
	tests := []struct {
		name    string
		pricing model.Pricing
		usage   model.Usage
		want    model.CostBreakdown
	}{
		{
			name:    "plain input and output",
			pricing: model.Pricing{Input: usd("2.5"), Output: usd("10")},
			usage:   usage(1000, -1, -1, 500, -1),
			want:    model.CostBreakdown{Total: 7_500_000, Input: 2_500_000, Output: 5_000_000},
		},
		{
			// 51,232 fresh and 1,188,096 cached prompt tokens; charging the cached ones as fresh gives $1.68.
			name:    "bifrost#904 OpenAI cached input $0.34 and not $1.68",
			pricing: model.Pricing{Input: usd("1.25"), Output: usd("10"), CachedRead: usd("0.125")},
			usage:   usage(51_232+1_188_096, 1_188_096, 0, 12_909, -1),
			want:    model.CostBreakdown{Total: 341_642_000, Input: 64_040_000, CachedRead: 148_512_000, Output: 129_090_000},
		},
		{
			// Anthropic reports input_tokens 3 beside 12,304 cache writes; the vendor billed 4.614 + 0.825 cents and the 3 tokens.
			name:    "litellm#9812 Anthropic cache write $0.0544 and not $0.0913",
			pricing: model.Pricing{Input: usd("3"), Output: usd("15"), CachedRead: usd("0.3"), CacheWrite: usd("3.75")},
			usage:   usage(3+12_304, 0, 12_304, 550, -1),
			want:    model.CostBreakdown{Total: 54_399_000, Input: 9_000, CacheWrite: 46_140_000, Output: 8_250_000},
		},
		{
			name:    "bifrost#3451 Anthropic streamed cache write $1.0638 and not $1.8598",
			pricing: model.Pricing{Input: usd("5"), Output: usd("25"), CachedRead: usd("0.5"), CacheWrite: usd("6.25")},
			usage:   usage(6+159_217, 0, 159_217, 2_745, -1),
			want:    model.CostBreakdown{Total: 1_063_761_250, Input: 30_000, CacheWrite: 995_106_250, Output: 68_625_000},
		},
		{
			name:    "litellm#14849 Gemini cache hit $0.1849 and not $0.7642",
			pricing: model.Pricing{Input: usd("1.25"), Output: usd("10"), CachedRead: usd("0.625")},
			usage:   usage(262_960, 257_955, -1, 1_744, 0),
			want:    model.CostBreakdown{Total: 184_918_125, Input: 6_256_250, CachedRead: 161_221_875, Output: 17_440_000},
		},
		{
			name:    "cached tokens without their own price cost as much as input",
			pricing: model.Pricing{Input: usd("2"), Output: usd("8")},
			usage:   usage(1000, 400, 100, 10, -1),
			want:    model.CostBreakdown{Total: 2_080_000, Input: 1_000_000, CachedRead: 800_000, CacheWrite: 200_000, Output: 80_000},
		},
		{
			name:    "reasoning without its own price costs as much as output",
			pricing: model.Pricing{Input: usd("1.1"), Output: usd("4.4")},
			usage:   usage(100, -1, -1, 1000, 900),
			want:    model.CostBreakdown{Total: 4_510_000, Input: 110_000, Output: 440_000, Reasoning: 3_960_000},
		},
		{
			name:    "reasoning at its own price",
			pricing: model.Pricing{Input: usd("1"), Output: usd("2"), Reasoning: usd("5")},
			usage:   usage(0, -1, -1, 1000, 600),
			want:    model.CostBreakdown{Total: 3_800_000, Output: 800_000, Reasoning: 3_000_000},
		},
		{
			// $4.20 an hour at 1,800 tokens a second is 648.148 nano-USD a token.
			name:    "hardware by throughput",
			pricing: model.Pricing{Hourly: usd("4.20"), TokensPerSecond: ptr(1800.0)},
			usage:   usage(1000, -1, -1, 500, -1),
			want:    model.CostBreakdown{Total: 972_222, Hardware: 972_222},
		},
		{
			// 2.5 × 4 × 0.5 × 1.2 × 0.4 / (2000 × 3600) dollars a token.
			name: "hardware with every factor",
			pricing: model.Pricing{
				Hourly: usd("2.5"), Devices: 4, TokensPerSecond: ptr(2000.0),
				CapacityShare: ptr(0.5), OverheadFactor: ptr(1.2), MoEFactor: ptr(0.4),
			},
			usage: usage(2_000_000, -1, -1, 1_000_000, -1),
			want:  model.CostBreakdown{Total: 1_000_000_000, Hardware: 1_000_000_000},
		},
		{
			name: "hybrid sums hardware, tokens and request",
			pricing: model.Pricing{
				Input: usd("0.1"), Output: usd("0.2"), Request: usd("0.001"),
				Hourly: usd("3.6"), TokensPerSecond: ptr(1000.0),
			},
			usage: usage(1000, -1, -1, 1000, -1),
			want: model.CostBreakdown{
				Total: 3_300_000, Input: 100_000, Output: 200_000, Hardware: 2_000_000, Request: 1_000_000,
			},
		},
		{
			name:    "request price alone",
			pricing: model.Pricing{Request: usd("0.04")},
			usage:   usage(10, -1, -1, -1, -1),
			want:    model.CostBreakdown{Total: 40_000_000, Request: 40_000_000},
		},
		{
			name:    "half a nano-dollar rounds up",
			pricing: model.Pricing{Input: usd("0.0005"), Output: usd("0.000499999")},
			usage:   usage(1, -1, -1, 1, -1),
			want:    model.CostBreakdown{Total: 1, Input: 1},
		},
		{
			name:    "free is exact, also with unknown usage",
			pricing: model.Pricing{Input: usd("0"), Output: usd("0")},
			usage:   usage(-1, -1, -1, -1, -1),
			want:    model.CostBreakdown{},
		},
		{
			name:    "litellm#37992 explicit zero usage is a fact",
			pricing: model.Pricing{Input: usd("3"), Output: usd("15")},
			usage:   usage(0, 0, 0, 0, 0),
			want:    model.CostBreakdown{},
		},
		{
			name:    "unknown usage at a price is a lower bound",
			pricing: model.Pricing{Input: usd("3"), Output: usd("15")},
			usage:   usage(1000, -1, -1, -1, -1),
			want:    model.CostBreakdown{Total: 3_000_000, Input: 3_000_000, Unpriced: true},
		},
		{
			name:    "a used class without a price is a lower bound",
			pricing: model.Pricing{Input: usd("3")},
			usage:   usage(1000, -1, -1, 5, -1),
			want:    model.CostBreakdown{Total: 3_000_000, Input: 3_000_000, Unpriced: true},
		},
		{
			name:    "embeddings have no output class",
			pricing: model.Pricing{Input: usd("0.02")},
			usage:   usage(8000, -1, -1, -1, -1),
			want:    model.CostBreakdown{Total: 160_000, Input: 160_000},
		},
		{
			name:    "hardware without throughput is unpriced",
			pricing: model.Pricing{Hourly: usd("4")},
			usage:   usage(10, -1, -1, 10, -1),
			want:    model.CostBreakdown{Unpriced: true},
		},
		{
			name:    "nothing known",
			pricing: model.Pricing{},
			usage:   usage(0, -1, -1, 0, -1),
			want:    model.CostBreakdown{Unpriced: true},
		},
		{
			name:    "more cached than prompt tokens bills what is reported",
			pricing: model.Pricing{Input: usd("3"), Output: usd("15"), CachedRead: usd("0.3")},
			usage:   usage(3, 1000, -1, 0, -1),
			want:    model.CostBreakdown{Total: 300_000, CachedRead: 300_000},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Price(&tt.pricing, tt.usage, 0); got != tt.want {
				t.Errorf("Price\n got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestPriceNilPricing(t *testing.T) {
	if got := Price(nil, usage(1, -1, -1, 1, -1), 0); got != (model.CostBreakdown{Unpriced: true}) {
		t.Errorf("Price(nil, 0) = %+v, want unpriced", got)
	}
}

func TestPriceSaturates(t *testing.T) {
	p := model.Pricing{Input: ptr(model.Money(math.MaxInt64)), Output: ptr(model.Money(math.MaxInt64)), Request: usd("1")}
	got := Price(&p, usage(math.MaxInt64, -1, -1, math.MaxInt64, -1), 0)
	if got.Total != math.MaxInt64 || got.Input != math.MaxInt64 || got.Unpriced {
		t.Errorf("Price = %+v, want saturated amounts", got)
	}
}

// The seed's formula: hourly / (tokens per second × 3600 / 1000) per 1,000 tokens.
func TestHardwarePlainFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hourly := rapid.Int64Range(1_000_000, 200_000_000_000).Draw(t, "hourly")
		tps := rapid.Float64Range(1, 100_000).Draw(t, "tps")
		p := model.Pricing{Hourly: ptr(model.Money(hourly)), TokensPerSecond: &tps}
		got := float64(Price(&p, usage(1000, -1, -1, 0, -1), 0).Total)
		want := float64(hourly) / (tps * 3600 / 1000)
		if math.Abs(got-want) > 1 {
			t.Fatalf("1,000 tokens cost %v nano-USD, want %v", got, want)
		}
	})
}

func genPrice(label string) *rapid.Generator[*model.Money] {
	return rapid.Custom(func(t *rapid.T) *model.Money {
		if rapid.IntRange(0, 3).Draw(t, label+" known") == 0 {
			return nil
		}
		return ptr(model.Money(rapid.Int64Range(0, 1_000_000_000_000).Draw(t, label)))
	})
}

func genPricing(t *rapid.T) *model.Pricing {
	p := &model.Pricing{
		Input: genPrice("input").Draw(t, "input"), Output: genPrice("output").Draw(t, "output"),
		CachedRead: genPrice("read").Draw(t, "read"), CacheWrite: genPrice("write").Draw(t, "write"),
		Reasoning: genPrice("reasoning").Draw(t, "reasoning"), Request: genPrice("request").Draw(t, "request"),
		Hourly: genPrice("hourly").Draw(t, "hourly"),
	}
	if p.Hourly != nil && rapid.Bool().Draw(t, "throughput known") {
		p.TokensPerSecond = ptr(rapid.Float64Range(0.1, 1e6).Draw(t, "throughput"))
		p.Devices = rapid.IntRange(0, 16).Draw(t, "devices")
	}
	return p
}

func genCount(t *rapid.T, label string) int64 {
	return rapid.Int64Range(-1, 100_000_000).Draw(t, label)
}

func genUsage(t *rapid.T) model.Usage {
	return usage(genCount(t, "input"), genCount(t, "read"), genCount(t, "write"), genCount(t, "output"), genCount(t, "reasoning"))
}

func TestPriceClassesSumToTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Price(genPricing(t), genUsage(t), 0)
		sum := b.Input + b.CachedRead + b.CacheWrite + b.Output + b.Reasoning + b.Hardware + b.Request
		if sum != b.Total || b.Total < 0 {
			t.Fatalf("classes sum to %d, total is %d", sum, b.Total)
		}
	})
}

// Each class is the exact product, rounded half up once.
func TestPriceIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, math.MaxInt64).Draw(t, "tokens")
		price := rapid.Int64Range(0, math.MaxInt64).Draw(t, "price")
		got := Price(&model.Pricing{Input: ptr(model.Money(price)), Output: usd("0")}, usage(n, -1, -1, 0, -1), 0).Input

		want := new(big.Int).Mul(big.NewInt(n), big.NewInt(price))
		want.Add(want, big.NewInt(500_000)).Div(want, big.NewInt(1_000_000))
		if limit := big.NewInt(math.MaxInt64); want.Cmp(limit) > 0 {
			want = limit
		}
		if want.Int64() != int64(got) {
			t.Fatalf("%d × %d / 10⁶ = %d, want %v", n, price, got, want)
		}
	})
}

func TestPriceIsMonotoneInTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, u := genPricing(t), genUsage(t)
		more := u
		more.Input = model.Known(u.Input.Or(0) + rapid.Int64Range(0, 1_000_000).Draw(t, "more input"))
		more.Output = model.Known(u.Output.Or(0) + rapid.Int64Range(0, 1_000_000).Draw(t, "more output"))
		if a, b := Price(p, u, 0), Price(p, more, 0); b.Total < a.Total {
			t.Fatalf("more tokens cost less: %v, then %v", a.Total, b.Total)
		}
	})
}

func TestSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := Price(genPricing(t), genUsage(t), 0), Price(genPricing(t), genUsage(t), 0)
		s := Sum(a, b)
		if s.Total != a.Total+b.Total || s.Input != a.Input+b.Input || s.Unpriced != (a.Unpriced || b.Unpriced) {
			t.Fatalf("Sum(%+v, %+v) = %+v", a, b, s)
		}
		if s != Sum(b, a) {
			t.Fatal("Sum depends on the order")
		}
	})
	if got := Sum(model.CostBreakdown{Input: math.MaxInt64}, model.CostBreakdown{Input: 1}).Total; got != math.MaxInt64 {
		t.Errorf("Sum beyond the range = %d, want saturated", got)
	}
}

func TestValidate(t *testing.T) {
	ok := model.Pricing{Input: usd("1"), Hourly: usd("2"), TokensPerSecond: ptr(10.0), CapacityShare: ptr(1.0), OverheadFactor: ptr(1.3)}
	if err := ok.Validate(); err != nil {
		t.Errorf("Validate(valid) = %v", err)
	}
	for param, p := range map[string]model.Pricing{
		"input_usd_per_million": {Input: usd("-1")},
		"request_usd":           {Request: usd("-0.1")},
		"devices":               {Devices: -1},
		"tokens_per_second":     {TokensPerSecond: ptr(0.0)},
		"capacity_share":        {CapacityShare: ptr(1.5)},
		"overhead_factor":       {OverheadFactor: ptr(0.5)},
		"moe_factor":            {MoEFactor: ptr(math.NaN())},
		"second_usd":            {Second: usd("-1")},
		"utilisation_share":     {Utilisation: ptr(1.5)},
		"watts_per_device":      {Watts: ptr(-1.0), PowerPrice: usd("1")},
		"power_usd_per_kwh":     {Watts: ptr(700.0)},
		"currency":              {Currency: "euro", USDPerUnit: ptr(1.1)},
		"usd_per_unit":          {Currency: "EUR"},
		"effective_until":       {EffectiveFrom: time.Unix(9, 0), EffectiveUntil: time.Unix(9, 0)},

		"audio_output_usd_per_million":              {AudioOutput: usd("-1")},
		"tiers[0]":                                  {Tiers: []model.PriceTier{{Input: usd("1")}}},
		"tiers[1]":                                  {Tiers: []model.PriceTier{{AboveInput: 5}, {AboveInput: 5, Input: usd("1")}}},
		"tiers[0].above_input_tokens":               {Tiers: []model.PriceTier{{AboveInput: -5, ServiceTier: "flex"}}},
		"tiers[0].factor":                           {Tiers: []model.PriceTier{{ServiceTier: "flex", Factor: ptr(-0.5)}}},
		"tiers[0].service_tier":                     {Tiers: []model.PriceTier{{AboveInput: 5, ServiceTier: "standard"}}},
		"tiers[0].cache_write_long_usd_per_million": {Tiers: []model.PriceTier{{ServiceTier: "batch", CacheWriteLong: usd("-2")}}},
	} {
		if err := model.AsError(p.Validate()); err == nil || err.Param != param || err.Kind != model.KindInvalid {
			t.Errorf("Validate(%s) = %v, want an error about the field", param, err)
		}
		Price(&p, usage(1, 1, 1, 1, 1), 0) // must not panic either
	}
}

// bifrost#3559: $8 per token where per million was meant, and the reverse.
func TestWarnings(t *testing.T) {
	for name, tt := range map[string]struct {
		pricing model.Pricing
		want    int
	}{
		"plausible":        {model.Pricing{Input: usd("0.02"), Output: usd("600"), CachedRead: usd("0.01")}, 0},
		"free":             {model.Pricing{Input: usd("0"), Output: usd("0")}, 0},
		"per token":        {model.Pricing{Input: usd("0.0000008")}, 1},
		"too many zeros":   {model.Pricing{Input: usd("8000000"), Output: usd("28000000")}, 2},
		"dear cache":       {model.Pricing{Input: usd("1"), CachedRead: usd("2")}, 1},
		"no throughput":    {model.Pricing{Hourly: usd("1")}, 1},
		"cheap per call":   {model.Pricing{Request: usd("0.000001")}, 0},
		"tier per token":   {model.Pricing{Tiers: []model.PriceTier{{AboveInput: 5, Input: usd("0.000004")}}}, 1},
		"dear audio":       {model.Pricing{AudioInput: usd("40000")}, 1},
		"dear in dollars":  {model.Pricing{Input: usd("4000"), Currency: "KWD", USDPerUnit: ptr(3.25)}, 1},
		"per hour":         {model.Pricing{Second: usd("30")}, 1},
		"dear device":      {model.Pricing{Hourly: usd("2500"), TokensPerSecond: ptr(5.0)}, 1},
		"dear request":     {model.Pricing{Request: usd("4000")}, 1},
		"cheap long write": {model.Pricing{Input: usd("3"), CacheWrite: usd("3.75"), CacheWriteLong: usd("3")}, 1},
		"share unused":     {model.Pricing{Hourly: usd("1"), TokensPerSecond: ptr(5.0), Utilisation: ptr(0.5)}, 1},
		"with throughput":  {model.Pricing{Hourly: usd("1"), TokensPerSecond: ptr(5.0)}, 0},
	} {
		if got := tt.pricing.Warnings(); len(got) != tt.want {
			t.Errorf("Warnings(%s) = %q, want %d", name, got, tt.want)
		}
	}
}
