package cost

import (
	"math"

	"github.com/cartrita/cartrita/model"
)

// Worst is the most that a call can cost at the endpoint: what a strict budget
// holds for it. The prompt is taken at a token a byte where it was not counted,
// every token at the dearest class that can apply, and the answer as long as
// the request allows, else as the model can, else as its context or, where that
// is unknown too, unknownLength holds; a call that is billed by the second takes
// ten minutes. The dearest class is looked for in every service tier, and in
// every tier of context length that the prompt may reach. It rises with every
// price. It is false, and the amount 0, when a price that matters is unknown.
func (p *Profile) Worst(q *Request) (model.Money, bool) {
	r := &p.float
	in, out := p.mostInput(q), p.mostOutput(q)
	if p.rates.none || !r.inputKnown && in > 0 || !r.outputKnown && out > 0 {
		return 0, false
	}
	dearIn, dearOut := r.dearest(in)
	most := in*dearIn + out*dearOut + r.second*(longestTime-AssumedTime).Seconds()
	if most > 0 {
		most = math.Ceil(most) + classes
	}
	return nano(most + r.request), true
}

// WorstTokens is the most tokens that a call can take at the endpoint, prompt
// and answers, by the same bounds as Worst.
func (p *Profile) WorstTokens(q *Request) int64 { return tokens(p.mostInput(q) + p.mostOutput(q)) }

// mostOutput bounds the tokens of all answers of a call.
func (p *Profile) mostOutput(q *Request) float64 {
	if q.Task == model.TaskEmbeddings || q.Task == model.TaskReranking {
		return 0 // there is no text to generate
	}
	out := min(p.maxOutput, p.context)
	if math.IsInf(out, 0) {
		out = unknownLength
	}
	if q.MaxOutput.Known {
		out = float64(max(q.MaxOutput.N, 0))
	}
	return out * float64(max(q.Choices, 1))
}

const (
	// classes is what rounding each class of a bill up can add, in nano-dollars.
	classes = 13
	// unknownLength is taken for the longest answer of a model of which neither
	// that nor its context is known, in tokens.
	unknownLength = 131_072
)

// Dearest stands for an endpoint without a known price where no other price is
// known either: the highest list price that a hosted model has had, $150 per
// million tokens of prompt and $600 of answer.
func (e *Estimator) Dearest() *Profile {
	in, out := 150*model.USD, 600*model.USD
	return e.Profile(&model.Served{
		Endpoint: &model.Endpoint{Model: "dearest"}, Model: &model.Model{ID: "dearest"},
		Pricing: &model.Pricing{Input: &in, Output: &out},
	})
}

// mostInput bounds the tokens of a prompt: a token is at least a byte of text,
// and of audio, video and files we know no better bound than their bytes and the
// context.
func (p *Profile) mostInput(q *Request) float64 {
	switch {
	case q.InputTokens.Known:
		return float64(max(q.InputTokens.N, 0))
	case q.PromptBytes == 0 && q.Images == 0 && q.Attached == 0:
		return min(assumedMost, p.context)
	}
	bytes := float64(max(q.PromptBytes, 0)) + float64(max(q.Attached, 0)) + templateBytes + mostImageTokens*float64(max(q.Images, 0))
	return min(bytes, p.context*float64(max(q.Texts, 1)))
}

const (
	templateBytes   = 1024 // marks of roles, names, and what a template adds
	mostImageTokens = 4096 // of one image
)
