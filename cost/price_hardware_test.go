package cost

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

func TestHardwareWithIdleAndPower(t *testing.T) {
	base := func(edit func(*model.Pricing)) *model.Pricing {
		p := &model.Pricing{Hourly: usd("3.6"), TokensPerSecond: ptr(1000.0)} // $1 per million tokens
		edit(p)
		return p
	}
	for name, tt := range map[string]struct {
		p    *model.Pricing
		want model.Money // of a million tokens
	}{
		"plain":                      {base(func(*model.Pricing) {}), model.USD},
		"idle time is not paid for":  {base(func(p *model.Pricing) { p.Utilisation = ptr(0.25) }), model.USD},
		"idle time is paid for":      {base(func(p *model.Pricing) { p.Utilisation, p.AmortiseIdle = ptr(0.25), true }), 4 * model.USD},
		"power beside a paid device": {base(func(p *model.Pricing) { p.Watts, p.PowerPrice = ptr(700.0), usd("0.3") }), 1_058_333_333},
		"power of one that is owned": {base(func(p *model.Pricing) { p.Hourly, p.Watts, p.PowerPrice = usd("0"), ptr(700.0), usd("0.3") }), 58_333_333},
		"power of 8 devices, overhead": {base(func(p *model.Pricing) {
			p.Devices, p.Watts, p.PowerPrice, p.OverheadFactor = 8, ptr(700.0), usd("0.3"), ptr(1.5)
		}), 12_700_000_000},
		"in euros": {base(func(p *model.Pricing) { p.Currency, p.USDPerUnit = "EUR", ptr(1.1) }), 1_100_000_000},
	} {
		got := Price(tt.p, usage(600_000, -1, -1, 400_000, -1), 0)
		if got.Total != tt.want || got.Hardware != tt.want || got.Unpriced {
			t.Errorf("%s: %+v, want %s", name, got, tt.want)
		}
	}
}

// The throughput of a machine depends on how much it has to do: the price is
// that of the declared load, straight between two points.
func TestThroughputByLoad(t *testing.T) {
	p := model.Pricing{Hourly: usd("3.6"), ThroughputByLoad: []model.LoadThroughput{
		{Calls: 2, TokensPerSecond: 100}, {Calls: 10, TokensPerSecond: 500}, {Calls: 40, TokensPerSecond: 1000},
	}}
	for load, perSecond := range map[float64]int64{0: 1000, 1: 100, 2: 100, 6: 300, 10: 500, 25: 750, 40: 1000, 100: 1000} {
		if p.Load = &load; load == 0 {
			p.Load = nil
		}
		want := model.Money(int64(model.USD) * 1000 / perSecond) // of a million tokens
		if got := Price(&p, usage(600_000, -1, -1, 400_000, -1), 0).Total; got < want-1 || got > want+1 {
			t.Errorf("%v calls at once: %s, want %s", load, got, want)
		}
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	for path, edit := range map[string]func(*model.Pricing){
		"throughput_by_load":          func(p *model.Pricing) { p.TokensPerSecond = ptr(5.0) },
		"load":                        func(p *model.Pricing) { p.Load = ptr(-1.0) },
		"throughput_by_load[1].calls": func(p *model.Pricing) { p.ThroughputByLoad[1].Calls = 2 },
		"throughput_by_load[0].tokens_per_second": func(p *model.Pricing) { p.ThroughputByLoad[0].TokensPerSecond = 0 },
	} {
		bad := p
		bad.ThroughputByLoad = slices.Clone(p.ThroughputByLoad)
		edit(&bad)
		if err := bad.Validate(); model.KindOf(err) != model.KindInvalid || model.AsError(err).Param != path {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := (&model.Pricing{Hourly: usd("1"), TokensPerSecond: ptr(1.0), Load: ptr(2.0)}).Validate(); err == nil {
		t.Error("a load without throughputs is accepted")
	}
}

// A machine that is half idle costs twice as much a token, whatever else it costs.
func TestAmortisedIdleDividesByUtilisation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := model.Pricing{
			Hourly: ptr(model.Money(rapid.Int64Range(1e8, 1e11).Draw(t, "hourly"))), TokensPerSecond: ptr(rapid.Float64Range(100, 1e5).Draw(t, "tps")),
			Utilisation: ptr(rapid.Float64Range(0.01, 1).Draw(t, "utilisation")), Devices: rapid.IntRange(1, 16).Draw(t, "devices"),
		}
		u := usage(1_000_000, -1, -1, 0, -1)
		plain := float64(Price(&p, u, 0).Total)
		p.AmortiseIdle = true
		if got, want := float64(Price(&p, u, 0).Total), plain / *p.Utilisation; math.Abs(got-want) > 1 + 1 / *p.Utilisation {
			t.Fatalf("a million tokens cost %v, want %v", got, want)
		}
	})
}

// The same call at a rented GPU that is busy 40 % of the time and at a hosted
// API: two figures in the same unit, of the same usage.
func ExamplePrice_selfHostedAndHosted() {
	price := func(s string) *model.Money { m, _ := model.ParseMoney(s); return &m }
	figure := func(v float64) *float64 { return &v }
	gpu := &model.Pricing{Hourly: price("2.5"), TokensPerSecond: figure(2500), Utilisation: figure(0.4), AmortiseIdle: true}
	api := &model.Pricing{Input: price("0.59"), Output: price("0.79")}

	call := model.Usage{Input: model.Known(3000), Output: model.Known(500)}
	fmt.Println("GPU", Price(gpu, call, 0).Total)
	fmt.Println("API", Price(api, call, 0).Total)
	// Output:
	// GPU $0.002430556
	// API $0.002165
}
