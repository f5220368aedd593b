package model

import (
	"encoding/json"
	"strconv"
	"time"
)

// Pricing is the cost profile of a model or endpoint. Which fields are set
// decides how a call is priced: token prices, an hourly price of hardware, a
// price per request or per second, or any sum of them (hybrid). A nil price is
// unknown; a zero price is free. Amounts are US dollars unless Currency says
// otherwise. Package cost has the rules.
type Pricing struct {
	// Token prices, per million tokens. Each is of the tokens of its class alone.
	Input          *Money `json:"input_usd_per_million,omitempty" yaml:"input_usd_per_million,omitempty"`
	Output         *Money `json:"output_usd_per_million,omitempty" yaml:"output_usd_per_million,omitempty"`
	CachedRead     *Money `json:"cached_read_usd_per_million,omitempty" yaml:"cached_read_usd_per_million,omitempty"`           // default: the input price
	CacheWrite     *Money `json:"cache_write_usd_per_million,omitempty" yaml:"cache_write_usd_per_million,omitempty"`           // short-lived, 5 minutes at Anthropic; default: the input price
	CacheWriteLong *Money `json:"cache_write_long_usd_per_million,omitempty" yaml:"cache_write_long_usd_per_million,omitempty"` // long-lived, 1 hour at Anthropic
	Reasoning      *Money `json:"reasoning_usd_per_million,omitempty" yaml:"reasoning_usd_per_million,omitempty"`               // default: the output price
	AudioInput     *Money `json:"audio_input_usd_per_million,omitempty" yaml:"audio_input_usd_per_million,omitempty"`
	AudioOutput    *Money `json:"audio_output_usd_per_million,omitempty" yaml:"audio_output_usd_per_million,omitempty"`
	ImageInput     *Money `json:"image_input_usd_per_million,omitempty" yaml:"image_input_usd_per_million,omitempty"` // default: the input price
	ImageOutput    *Money `json:"image_output_usd_per_million,omitempty" yaml:"image_output_usd_per_million,omitempty"`
	// Tiers are other prices for long prompts and for service tiers.
	Tiers []PriceTier `json:"tiers,omitempty" yaml:"tiers,omitempty"`

	Request *Money `json:"request_usd,omitempty" yaml:"request_usd,omitempty"` // flat price per request
	Second  *Money `json:"second_usd,omitempty" yaml:"second_usd,omitempty"`   // price per second that a call takes

	// Hardware: hourly price of one device × Devices, shared by TokensPerSecond.
	Hourly          *Money   `json:"hourly_usd,omitempty" yaml:"hourly_usd,omitempty"`
	Devices         int      `json:"devices,omitempty" yaml:"devices,omitempty"`                     // default 1
	TokensPerSecond *float64 `json:"tokens_per_second,omitempty" yaml:"tokens_per_second,omitempty"` // whole-machine throughput, input and output together
	// ThroughputByLoad stands in place of TokensPerSecond, rising in Calls.
	ThroughputByLoad []LoadThroughput `json:"throughput_by_load,omitempty" yaml:"throughput_by_load,omitempty"`
	Load             *float64         `json:"load,omitempty" yaml:"load,omitempty"`                           // mean number of calls at once while the machine is busy; default: the last of ThroughputByLoad
	CapacityShare    *float64         `json:"capacity_share,omitempty" yaml:"capacity_share,omitempty"`       // share of the machine this model gets, (0,1]; default 1
	Utilisation      *float64         `json:"utilisation_share,omitempty" yaml:"utilisation_share,omitempty"` // share of the time that the machine is busy, (0,1]; default 1
	AmortiseIdle     bool             `json:"amortise_idle,omitempty" yaml:"amortise_idle,omitempty"`         // calls pay for the idle time too: the price is divided by utilisation_share
	Watts            *float64         `json:"watts_per_device,omitempty" yaml:"watts_per_device,omitempty"`   // power drawn by one device; counts with PowerPrice
	PowerPrice       *Money           `json:"power_usd_per_kwh,omitempty" yaml:"power_usd_per_kwh,omitempty"` // price of a kilowatt-hour, on top of Hourly
	OverheadFactor   *float64         `json:"overhead_factor,omitempty" yaml:"overhead_factor,omitempty"`     // ≥1 for cooling, network, staff; default 1
	MoEFactor        *float64         `json:"moe_factor,omitempty" yaml:"moe_factor,omitempty"`               // cost of a mixture-of-experts relative to dense, (0,1]; default 1

	Currency       string    `json:"currency,omitempty" yaml:"currency,omitempty"`         // of all amounts, three letters; default USD
	USDPerUnit     *float64  `json:"usd_per_unit,omitempty" yaml:"usd_per_unit,omitempty"` // dollars for one unit of another currency
	Source         string    `json:"source,omitempty" yaml:"source,omitempty"`
	EffectiveFrom  time.Time `json:"effective_from,omitzero" yaml:"effective_from,omitempty"`
	EffectiveUntil time.Time `json:"effective_until,omitzero" yaml:"effective_until,omitempty"` // exclusive
}

// PriceTier are the token prices of calls with a long prompt, of a service
// tier, or both. Prices that are left out stay as they are without the tier,
// times Factor.
type PriceTier struct {
	AboveInput  int64    `json:"above_input_tokens,omitempty" yaml:"above_input_tokens,omitempty"` // prices the whole call where its prompt has more tokens
	ServiceTier string   `json:"service_tier,omitempty" yaml:"service_tier,omitempty"`             // batch, flex, priority or the vendor's name; default: any
	Factor      *float64 `json:"factor,omitempty" yaml:"factor,omitempty"`                         // of the prices left out: 0.5 is half price; default 1

	Input          *Money `json:"input_usd_per_million,omitempty" yaml:"input_usd_per_million,omitempty"`
	Output         *Money `json:"output_usd_per_million,omitempty" yaml:"output_usd_per_million,omitempty"`
	CachedRead     *Money `json:"cached_read_usd_per_million,omitempty" yaml:"cached_read_usd_per_million,omitempty"`
	CacheWrite     *Money `json:"cache_write_usd_per_million,omitempty" yaml:"cache_write_usd_per_million,omitempty"`
	CacheWriteLong *Money `json:"cache_write_long_usd_per_million,omitempty" yaml:"cache_write_long_usd_per_million,omitempty"`
	Reasoning      *Money `json:"reasoning_usd_per_million,omitempty" yaml:"reasoning_usd_per_million,omitempty"`
	AudioInput     *Money `json:"audio_input_usd_per_million,omitempty" yaml:"audio_input_usd_per_million,omitempty"`
	AudioOutput    *Money `json:"audio_output_usd_per_million,omitempty" yaml:"audio_output_usd_per_million,omitempty"`
	ImageInput     *Money `json:"image_input_usd_per_million,omitempty" yaml:"image_input_usd_per_million,omitempty"`
	ImageOutput    *Money `json:"image_output_usd_per_million,omitempty" yaml:"image_output_usd_per_million,omitempty"`
}

// TokenPrice is one token price by its name on the wire; Price is a place in
// a Pricing or a PriceTier.
type TokenPrice struct {
	Name  string
	Price **Money
}

// TokenClasses is the number of token classes that have prices.
const TokenClasses = 10

// CurrencyUSD is the currency of a pricing that names none.
const CurrencyUSD = "USD"

// UsualTier returns the name of a service tier, "" for the names that vendors
// have for the usual one.
func UsualTier(name string) string {
	switch name {
	case "default", "standard", "auto", "on_demand", "standard_only":
		return ""
	}
	return name
}

// TokenPrices lists the token prices of p, always in the same order.
func (p *Pricing) TokenPrices() [TokenClasses]TokenPrice {
	return tokenPrices(&p.Input, &p.Output, &p.CachedRead, &p.CacheWrite, &p.CacheWriteLong,
		&p.Reasoning, &p.AudioInput, &p.AudioOutput, &p.ImageInput, &p.ImageOutput)
}

// TokenPrices lists the token prices of t in the order of Pricing's.
func (t *PriceTier) TokenPrices() [TokenClasses]TokenPrice {
	return tokenPrices(&t.Input, &t.Output, &t.CachedRead, &t.CacheWrite, &t.CacheWriteLong,
		&t.Reasoning, &t.AudioInput, &t.AudioOutput, &t.ImageInput, &t.ImageOutput)
}

func tokenPrices(places ...**Money) (out [TokenClasses]TokenPrice) {
	for i, name := range [TokenClasses]string{"input", "output", "cached_read", "cache_write", "cache_write_long",
		"reasoning", "audio_input", "audio_output", "image_input", "image_output"} {
		out[i] = TokenPrice{name + "_usd_per_million", places[i]}
	}
	return out
}

// Count is a number of tokens that may be unknown. The zero value is unknown;
// a known zero is a fact of its own.
type Count struct {
	N     int64
	Known bool
}

// Known makes a known count.
func Known(n int64) Count { return Count{N: n, Known: true} }

// Or returns the count, or def when unknown.
func (c Count) Or(def int64) int64 {
	if c.Known {
		return c.N
	}
	return def
}

// IsZero reports an unknown count, so that `omitzero` leaves it out.
func (c Count) IsZero() bool { return !c.Known }

// UsageSource says who counted the tokens.
type UsageSource string

// The sources of usage.
const (
	UsageUpstream UsageSource = "upstream" // the model server reported it
	UsageCounted  UsageSource = "counted"  // we counted, because the upstream said nothing
)

// Usage is what one attempt consumed, in one convention for every vendor:
// Input counts all prompt tokens including cached reads, cache writes, audio
// and images; Output counts all generated tokens including reasoning, audio
// and images. CacheWriteLong is a share of CacheWrite.
type Usage struct {
	Input          Count       `json:"input_tokens,omitzero"`
	CachedRead     Count       `json:"cached_read_tokens,omitzero"`
	CacheWrite     Count       `json:"cache_write_tokens,omitzero"`
	CacheWriteLong Count       `json:"cache_write_long_tokens,omitzero"`
	Output         Count       `json:"output_tokens,omitzero"`
	Reasoning      Count       `json:"reasoning_tokens,omitzero"`
	AudioInput     Count       `json:"audio_input_tokens,omitzero"`
	AudioOutput    Count       `json:"audio_output_tokens,omitzero"`
	ImageInput     Count       `json:"image_input_tokens,omitzero"`
	ImageOutput    Count       `json:"image_output_tokens,omitzero"`
	ServiceTier    string      `json:"service_tier,omitempty"` // that the upstream says it served; "" unknown, which is billed as the usual one
	Source         UsageSource `json:"source,omitempty"`
}

// CostBreakdown is an actual or expected cost by class. The classes add up to
// Total exactly.
type CostBreakdown struct {
	Total          Money `json:"total_usd"`
	Input          Money `json:"input_usd,omitzero"`
	CachedRead     Money `json:"cached_read_usd,omitzero"`
	CacheWrite     Money `json:"cache_write_usd,omitzero"` // short-lived
	CacheWriteLong Money `json:"cache_write_long_usd,omitzero"`
	Output         Money `json:"output_usd,omitzero"`
	Reasoning      Money `json:"reasoning_usd,omitzero"`
	AudioInput     Money `json:"audio_input_usd,omitzero"`
	AudioOutput    Money `json:"audio_output_usd,omitzero"`
	ImageInput     Money `json:"image_input_usd,omitzero"`
	ImageOutput    Money `json:"image_output_usd,omitzero"`
	Hardware       Money `json:"hardware_usd,omitzero"`
	Request        Money `json:"request_usd,omitzero"`
	Duration       Money `json:"duration_usd,omitzero"`
	// Unpriced is true when a class that was used has no known price: Total is
	// then a lower bound and never shown as exact.
	Unpriced bool `json:"unpriced,omitzero"`
}

// EstimateMethod says how an estimate was made.
type EstimateMethod string

// The methods, from best to worst.
const (
	MethodCounted EstimateMethod = "tokenizer" // input counted by the model's tokenizer
	MethodLearned EstimateMethod = "learned"   // ratio and output length learned from returned usage
	MethodPrior   EstimateMethod = "prior"     // stated defaults, nothing learned yet
)

// Estimate is what a call is expected to cost at one endpoint, before it is made.
// Low and High bound the cost at the level of the estimator (default 90 %).
type Estimate struct {
	Expected     Money          `json:"expected_usd"`
	Low          Money          `json:"low_usd"`
	High         Money          `json:"high_usd"`
	InputTokens  int64          `json:"input_tokens"`
	OutputTokens int64          `json:"output_tokens"` // of one answer, where several are asked for
	Method       EstimateMethod `json:"method"`
	// Priced is false when the endpoint has no known price: the amounts are then 0
	// and mean nothing, and null in JSON.
	Priced bool `json:"priced"`
}

// MarshalJSON writes amounts that are not known as null.
func (e Estimate) MarshalJSON() ([]byte, error) {
	type fields Estimate // without this method
	if e.Priced {
		return json.Marshal(fields(e))
	}
	return json.Marshal(struct {
		fields
		Expected *Money `json:"expected_usd"` // nil; the outer one counts
		Low      *Money `json:"low_usd"`
		High     *Money `json:"high_usd"`
	}{fields: fields(e)})
}

// MarshalJSON writes the number, or null when unknown.
func (c Count) MarshalJSON() ([]byte, error) {
	if !c.Known {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, c.N, 10), nil
}

// UnmarshalJSON reads a number or null.
func (c *Count) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*c = Count{}
		return nil
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err == nil {
		*c = Known(n)
	}
	return err
}
