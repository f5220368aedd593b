package cost

// floatRates are nano-USD per token, for estimates; unknown prices are 0.
type floatRates struct {
	input, output, read, write, reasoning, request float64
	inputKnown, outputKnown                        bool
	cached, reasons                                bool // read and write, or reasoning, differ in price
}

// floats converts rates for estimating.
func (r *rates) floats() floatRates {
	per := func(x rate, n float64) float64 { return float64(x.nano) / n }
	hardware := per(r.device, billion)
	f := floatRates{
		input: hardware, output: hardware, read: hardware, write: hardware, reasoning: hardware,
		request:    float64(r.request),
		inputKnown: !r.none && (!r.hardware || r.device.known), outputKnown: !r.none && (!r.hardware || r.device.known),
	}
	if r.tokens {
		f.input += per(r.input, million)
		f.output += per(r.output, million)
		f.read += per(r.read, million)
		f.write += per(r.write, million)
		f.reasoning += per(r.reasoning, million)
		f.inputKnown = f.inputKnown && r.input.known
		f.outputKnown = f.outputKnown && r.output.known
	}
	f.cached = f.read != f.input || f.write != f.input
	f.reasons = f.reasoning != f.output
	return f
}
