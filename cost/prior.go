package cost

import (
	"math"

	"github.com/cartrita/cartrita/model"
)

// What is assumed of a prompt before anything is learned. Tokenizers of
// current models give 4 to 4.7 bytes per token of English, about 3.5 of code
// and 2.5 to 3 of other scripts.
const (
	chatTokens    = 8    // template and role marks around a prompt
	bytesPerToken = 4    // UTF-8 bytes of text
	imageTokens   = 765  // one image of 1024×1024 at high detail, at OpenAI
	ratioSigma    = 0.25 // standard deviation of ln(actual/base)
)

// assumedPrompt is the prompt of a request that says nothing about it.
var assumedPrompt = span{25, 500, 4000}

// Weights of the priors, in observations.
const (
	priorRatioWeight  = 4
	priorOutputWeight = 6
)

// reasoningFactor is how much longer answers of reasoning models are, with
// their reasoning, than those of other models.
const reasoningFactor = 3

// logNormal is a distribution of answer lengths: the median in tokens and the
// standard deviation of the logarithm. Median 0 is no answer text at all.
type logNormal struct{ median, sigma float64 }

// taskSlots is the number of task types with room to spare; a power of two.
const taskSlots = 16

// outputPriors are the assumed answer lengths by task. They are wide on
// purpose: σ = 1 says that one in twenty answers is over five times the median.
var outputPriors = [taskSlots]logNormal{
	model.TaskTextGeneration:   {250, 1.1},
	model.TaskChat:             {250, 1.1},
	model.TaskEmbeddings:       {},
	model.TaskClassification:   {8, 0.9},
	model.TaskSummarization:    {180, 0.8},
	model.TaskTranslation:      {250, 1.1},
	model.TaskCodeGeneration:   {500, 1.1},
	model.TaskImageGeneration:  {},
	model.TaskImageToText:      {120, 0.9},
	model.TaskTextToSpeech:     {},
	model.TaskSpeechToText:     {250, 1.2},
	model.TaskReranking:        {},
	model.TaskSafetyModeration: {8, 0.9},
	model.TaskVideoGeneration:  {},
	model.TaskAudioGeneration:  {},
}

// baseTokens is the uncorrected prediction of a prompt's tokens.
func baseTokens(q *Request) float64 {
	return chatTokens + float64(max(q.PromptBytes, 0))/bytesPerToken + imageTokens*float64(max(q.Images, 0))
}

// law is how an estimator learns: fixed after New.
type law struct {
	tail    float64 // probability left on each side of an interval
	z       float64 // of the normal distribution at that tail
	decay   float64 // of the weight of earlier observations, per observation
	assumed span
	priors  [2][taskSlots]figures // by "reasons" and task
}

func newLaw(level float64, memory int) law {
	l := law{
		tail:    (1 - level) / 2,
		z:       math.Sqrt2 * math.Erfinv(level),
		decay:   math.Exp(-1 / float64(memory)),
		assumed: assumedPrompt,
	}
	for reasons := range l.priors {
		for task := range l.priors[reasons] {
			l.priors[reasons][task] = *l.newCell(reasons, task).figures(&l)
		}
	}
	return l
}

// newCell returns a cell that knows the priors only.
func (l *law) newCell(reasons, task int) *cell {
	prior := outputPriors[task]
	if reasons == 1 {
		prior.median *= reasoningFactor
	}
	c := &cell{
		ratio: moments{weight: priorRatioWeight, m2: priorRatioWeight * ratioSigma * ratioSigma},
		read:  moments{weight: priorRatioWeight},
		write: moments{weight: priorRatioWeight}, reasoning: moments{weight: priorRatioWeight},
	}
	c.output.seed(prior, priorOutputWeight)
	return c
}
