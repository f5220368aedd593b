package health

import (
	"math"
	"time"

	"github.com/cartrita/cartrita/model"
)

// mean is a weighted mean whose weights decay.
type mean struct{ weight, mean float64 }

func (m *mean) add(x float64) {
	m.weight++
	m.mean += (x - m.mean) / m.weight
}

// figures are the decaying means of one endpoint.
type figures struct {
	ttft, latency, speed mean // ms, ms, tokens per second; of calls that succeeded
	errors               mean // share of faults; its weight is the number of samples
	recent               mean // the same over Config.Window, for the breaker
}

// decay lets dt pass.
func (f *figures) decay(dt time.Duration, c *Config) {
	if dt <= 0 {
		return
	}
	keep := math.Exp2(-float64(dt) / float64(c.HalfLife))
	for _, m := range []*mean{&f.ttft, &f.latency, &f.speed, &f.errors} {
		m.weight *= keep
	}
	f.recent.weight *= math.Exp2(-float64(dt) / float64(c.Window))
}

// add counts one call that succeeded or ended in a fault of the endpoint.
func (f *figures) add(o model.Outcome) {
	if o.Failed {
		f.errors.add(1)
		if o.Kind != model.KindRateLimited {
			f.recent.add(1)
		}
		return
	}
	f.errors.add(0)
	f.recent.add(0)
	const ms = float64(time.Millisecond)
	if o.TTFT > 0 {
		f.ttft.add(float64(o.TTFT) / ms)
	}
	if o.Latency <= 0 {
		return
	}
	f.latency.add(float64(o.Latency) / ms)
	if spent := o.Latency - o.TTFT; o.OutputTokens > 1 && o.TTFT > 0 && spent > 0 {
		// The first token comes with the TTFT, the others in the time after it.
		f.speed.add(float64(o.OutputTokens-1) / spent.Seconds())
	}
}

// halved returns 2^(−x), within 0.3 %, in a few nanoseconds: the quadratic
// through the powers at 0, ½ and 1, scaled by the whole part of x.
func halved(x float64) float64 {
	if !(x > 0) {
		return 1
	}
	if x >= 1000 {
		return 0
	}
	k := int(x)
	f := x - float64(k)
	return (1 + f*(-0.6715729+f*0.1715729)) * math.Float64frombits(uint64(1023-k)<<52)
}
