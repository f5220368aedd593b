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
	bytesPerToken = 4    // UTF-8 bytes of prose
	imageTokens   = 765  // one image of 1024×1024 at high detail, at OpenAI
	ratioSigma    = 0.25 // standard deviation of ln(actual/base)
)

// perToken are the assumed bytes per token by kind of text.
var perToken = [model.TextKinds]float64{
	model.TextProse: bytesPerToken, model.TextCode: 3.4, model.TextScript: 2.8, model.TextEscaped: 6,
}

// The prompt of a request that says nothing about it: its mean in tokens and
// the standard deviation of its logarithm; and the most that is held for it.
const (
	assumedTokens = 500
	assumedSigma  = 1.25
	assumedMost   = 4000
)

// Weights of what stands behind a distribution that is learned, in
// observations: the prior and what other models and tasks showed behind a
// task, the task behind a cell.
const (
	priorRatioWeight = 4
	modelRatioWeight = 8 // most that the model's other kinds of text count for one kind
	priorWeight      = 6
	modelWeight      = 12 // most that the model's other tasks count for one task
	poolWeight       = 8  // most that other models count for a model
	cellWeight       = 10
)

// reasoningFactor is how much longer answers of reasoning models are, with
// their reasoning, than those of other models.
const reasoningFactor = 3

// logNormal is a distribution of answer lengths: the median in tokens and the
// standard deviation of the logarithm. Median 0 is no answer text at all.
type logNormal struct{ median, sigma float64 }

// taskSlots is the number of task types with room to spare; a power of two.
const taskSlots = 16

// numTasks is the number of task types.
const numTasks = int(model.TaskAudioGeneration) + 1

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

// slot is the index of a task.
func slot(t model.Task) int { return int(t) % taskSlots }

// baseTokens is the uncorrected prediction of a prompt's tokens.
func baseTokens(q *Request) float64 {
	return chatTokens + float64(max(q.PromptBytes, 0))/perToken[kindOf(q)] + imageTokens*float64(max(q.Images, 0))
}

func kindOf(q *Request) model.TextKind {
	if q.Text < model.TextKinds {
		return q.Text
	}
	return model.TextProse
}

// law is how an estimator learns: fixed after New.
type law struct {
	level  float64
	z      float64 // of the normal distribution at the tails of level
	decay  float64 // of the weight of earlier observations, per observation
	priors [2][taskSlots]prior
}

// prior is what is assumed of a task, by whether the model reasons.
type prior struct {
	logNormal
	lengths shape
	mean    float64
	shift   float64 // from lengths relative to the median to lengths in tokens, in buckets
}

// unit is the length that relative lengths give the median answer of a task,
// so that what one task shows of a model's wordiness serves the others.
const unit = 1024

func newLaw(level float64, memory int) law {
	l := law{level: level, z: math.Sqrt2 * math.Erfinv(level), decay: math.Exp(-1 / float64(memory))}
	for reasons := range l.priors {
		for task := range l.priors[reasons] {
			p := &l.priors[reasons][task]
			p.logNormal = outputPriors[task]
			if reasons == 1 {
				p.median *= reasoningFactor
			}
			p.lengths = p.logNormal.shape()
			p.mean = p.median * math.Exp(p.sigma*p.sigma/2)
			if p.median > 0 {
				p.shift = perOctave * math.Log2(p.median/unit)
			}
		}
	}
	return l
}
