package model

import "time"

// Circuit is the state of a circuit breaker.
type Circuit uint8

// The states.
const (
	CircuitClosed   Circuit = iota // calls pass
	CircuitOpen                    // calls are refused until RetryAt
	CircuitHalfOpen                // one probe at a time passes
)

var circuitNames = [...]string{"closed", "open", "half-open"}

// String returns the name of the state.
func (c Circuit) String() string { return circuitNames[c] }

// MarshalText implements encoding.TextMarshaler.
func (c Circuit) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Circuit) UnmarshalText(b []byte) error {
	i, err := parseName("circuit state", circuitNames[:], string(b))
	*c = Circuit(i)
	return err
}

// Health is how one endpoint is doing at one moment. The zero value is an
// endpoint that was never called: closed circuit, nothing known.
type Health struct {
	InFlight        int32     `json:"in_flight"`                     // calls sent and not finished, of all gateways as far as this one knows
	Elsewhere       int32     `json:"in_flight_elsewhere,omitempty"` // of these, those of other gateways
	Queued          int32     `json:"queued"`                        // calls waiting for a place
	Samples         float64   `json:"samples"`                       // decayed number of finished calls behind the figures below
	TTFTMS          float64   `json:"ttft_ms"`                       // decayed mean time to first token; 0 when Samples is 0
	LatencyMS       float64   `json:"latency_ms"`                    // decayed mean of whole answers
	TokensPerSecond float64   `json:"tokens_per_second,omitempty"`   // decayed mean output speed of one call; 0 unknown
	ErrorRate       float64   `json:"error_rate"`                    // decayed share of failed calls, [0,1]
	Circuit         Circuit   `json:"circuit"`
	RetryAt         time.Time `json:"retry_at,omitzero"` // rate-limited or open until then
}

// Outcome is what one finished attempt tells about its endpoint.
type Outcome struct {
	Kind         Kind          // meaningful if Failed
	Failed       bool          //
	TTFT         time.Duration // to the first content; 0 unknown
	Latency      time.Duration // whole attempt
	OutputTokens int64         // 0 unknown
	RetryAfter   time.Duration // as the upstream asked; 0 none
}
