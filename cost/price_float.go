package cost

import (
	"slices"
	"time"
)

// floatRates are nano-USD per token, for estimates; unknown prices are 0. They
// are those of a short prompt in the usual service tier; see at for others.
type floatRates struct {
	input, output, read, write, reasoning, request float64
	inputKnown, outputKnown                        bool
	cached, reasons                                bool // read and write, or reasoning, differ in price

	long   []longRates // for longer prompts, the highest threshold first
	second float64     // nano-USD per second of a call
	most   []mostRates // the lowest threshold first
}

// longRates are the prices of prompts of more tokens than above.
type longRates struct {
	above float64
	floatRates
}

// mostRates are the dearest prices that a token of a call can have whose
// prompt may be that long: of any class, in any service tier, at that length
// or a shorter one.
type mostRates struct{ above, input, output float64 }

const (
	// AssumedTime is how long a call is taken to last in an estimate.
	AssumedTime = 10 * time.Second
	// longestTime is how long a call is taken to last in its worst case.
	longestTime = 10 * time.Minute
)

// at returns the prices that hold for a prompt of in tokens.
func (f *floatRates) at(in float64) *floatRates {
	for i := range f.long {
		if in > f.long[i].above {
			return &f.long[i].floatRates
		}
	}
	return f
}

// dearest returns the dearest prices of tokens for a prompt of up to in tokens.
func (f *floatRates) dearest(in float64) (input, output float64) {
	for i := range f.most {
		if i > 0 && in <= f.most[i].above {
			break
		}
		input, output = f.most[i].input, f.most[i].output
	}
	return input, output
}

// floats converts rates for estimating.
func (r *rates) floats() floatRates {
	f := r.floatsOf(&r.base)
	f.most = r.mostAt(nil, 0)
	for i := range r.tiers {
		t := &r.tiers[i]
		switch {
		case t.service != "":
		case t.above == 0:
			f.replace(r.floatsOf(&t.tokenRates))
		default:
			f.long = append(f.long, longRates{float64(t.above), r.floatsOf(&t.tokenRates)})
		}
	}
	for _, l := range slices.Backward(f.long) {
		f.most = r.mostAt(f.most, l.above)
	}
	return f
}

// replace takes the prices of g.
func (f *floatRates) replace(g floatRates) {
	g.long, g.most = f.long, f.most
	*f = g
}

// mostAt appends the dearest prices up to a prompt length just over above.
func (r *rates) mostAt(to []mostRates, above float64) []mostRates {
	m := mostRates{above: above}
	m.raise(r, &r.base)
	for i := range r.tiers {
		if t := &r.tiers[i]; float64(t.above) <= above {
			m.raise(r, &t.tokenRates)
		}
	}
	return append(to, m)
}

func (m *mostRates) raise(r *rates, t *tokenRates) {
	hardware := perUnit(r.device, billion)
	m.input = max(m.input, hardware+perUnit(dearestOf(t.input, t.read, t.write, t.writeLong, t.audioIn, t.imageIn), million))
	m.output = max(m.output, hardware+perUnit(dearestOf(t.output, t.reasoning, t.audioOut, t.imageOut), million))
}

func dearestOf(rs ...rate) (most rate) {
	for _, r := range rs {
		most.nano = max(most.nano, r.nano)
	}
	return most
}

func perUnit(x rate, n float64) float64 { return float64(x.nano) / n }

// floatsOf converts the prices of one tier.
func (r *rates) floatsOf(t *tokenRates) floatRates {
	hardware := perUnit(r.device, billion)
	f := floatRates{
		input: hardware, output: hardware, read: hardware, write: hardware, reasoning: hardware,
		request:    float64(r.request) + float64(r.second)*AssumedTime.Seconds(),
		second:     float64(r.second),
		inputKnown: !r.none && (!r.hardware || r.device.known), outputKnown: !r.none && (!r.hardware || r.device.known),
	}
	if r.tokens {
		f.input += perUnit(t.input, million)
		f.output += perUnit(t.output, million)
		f.read += perUnit(t.read, million)
		f.write += perUnit(t.write, million)
		f.reasoning += perUnit(t.reasoning, million)
		f.inputKnown = f.inputKnown && t.input.known
		f.outputKnown = f.outputKnown && t.output.known
	}
	f.cached = f.read != f.input || f.write != f.input
	f.reasons = f.reasoning != f.output
	return f
}
