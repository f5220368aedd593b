package model

import (
	"strconv"
	"time"
)

// Pricing is the cost profile of a model or endpoint. Which fields are set
// decides how a call is priced: token prices, an hourly price of hardware, a
// price per request, or any sum of them (hybrid). A nil price is unknown; a
// zero price is free. All amounts are US dollars.
type Pricing struct {
	// Token prices, per million tokens. Reasoning tokens are billed as output
	// and cached reads as input where they have no price of their own.
	Input      *Money `json:"input_usd_per_million,omitempty" yaml:"input_usd_per_million,omitempty"`
	Output     *Money `json:"output_usd_per_million,omitempty" yaml:"output_usd_per_million,omitempty"`
	CachedRead *Money `json:"cached_read_usd_per_million,omitempty" yaml:"cached_read_usd_per_million,omitempty"`
	CacheWrite *Money `json:"cache_write_usd_per_million,omitempty" yaml:"cache_write_usd_per_million,omitempty"`
	Reasoning  *Money `json:"reasoning_usd_per_million,omitempty" yaml:"reasoning_usd_per_million,omitempty"`
	// Request is a flat price per request.
	Request *Money `json:"request_usd,omitempty" yaml:"request_usd,omitempty"`

	// Hardware: hourly price of one device × Devices, shared by TokensPerSecond.
	Hourly          *Money   `json:"hourly_usd,omitempty" yaml:"hourly_usd,omitempty"`
	Devices         int      `json:"devices,omitempty" yaml:"devices,omitempty"`                     // default 1
	TokensPerSecond *float64 `json:"tokens_per_second,omitempty" yaml:"tokens_per_second,omitempty"` // whole-machine throughput, input and output together
	CapacityShare   *float64 `json:"capacity_share,omitempty" yaml:"capacity_share,omitempty"`       // share of the machine this model gets, (0,1]; default 1
	OverheadFactor  *float64 `json:"overhead_factor,omitempty" yaml:"overhead_factor,omitempty"`     // ≥1 for power, cooling, idle time; default 1
	MoEFactor       *float64 `json:"moe_factor,omitempty" yaml:"moe_factor,omitempty"`               // cost of a mixture-of-experts relative to dense, (0,1]; default 1

	Source        string    `json:"source,omitempty" yaml:"source,omitempty"`
	EffectiveFrom time.Time `json:"effective_from,omitzero" yaml:"effective_from,omitempty"`
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
// Input counts all prompt tokens including cached reads and cache writes,
// Output counts all generated tokens including reasoning.
type Usage struct {
	Input      Count       `json:"input_tokens,omitzero"`
	CachedRead Count       `json:"cached_read_tokens,omitzero"`
	CacheWrite Count       `json:"cache_write_tokens,omitzero"`
	Output     Count       `json:"output_tokens,omitzero"`
	Reasoning  Count       `json:"reasoning_tokens,omitzero"`
	Source     UsageSource `json:"source,omitempty"`
}

// CostBreakdown is an actual or expected cost by class. The classes add up to
// Total exactly.
type CostBreakdown struct {
	Total      Money `json:"total_usd"`
	Input      Money `json:"input_usd,omitzero"`
	CachedRead Money `json:"cached_read_usd,omitzero"`
	CacheWrite Money `json:"cache_write_usd,omitzero"`
	Output     Money `json:"output_usd,omitzero"`
	Reasoning  Money `json:"reasoning_usd,omitzero"`
	Hardware   Money `json:"hardware_usd,omitzero"`
	Request    Money `json:"request_usd,omitzero"`
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
	// Priced is false when the endpoint has no known price: the amounts are then 0 and mean nothing.
	Priced bool `json:"priced"`
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
