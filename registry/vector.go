package registry

import (
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// vectorSize is the number of buckets that words and parts of words hash into.
const vectorSize = 256

// vector is a text as hashed words and letter triples, of length one.
type vector [vectorSize]float32

// textVector hashes words (weight 1) and the triples of letters in them
// (weight ¼), so that near spellings are near.
func textVector(text string) (v vector) {
	for _, w := range tokens(text) {
		v.add(w, 1)
		padded := "^" + w + "$"
		for i := 0; i+3 <= len(padded); i++ {
			v.add(padded[i:i+3], 0.25)
		}
	}
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return v
	}
	scale := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= scale
	}
	return v
}

func (v *vector) add(part string, weight float32) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(part))
	v[h.Sum32()%vectorSize] += weight
}

func (v *vector) dot(w *vector) (sum float64) {
	for i := range v {
		sum += float64(v[i]) * float64(w[i])
	}
	return sum
}

// document is the text by which a record is compared with a wish.
func document(m *model.Model) string {
	parts := []string{m.Name, m.Canonical, m.Family, taskWords(m), strings.Join(m.Tags, " "), m.License, m.Architecture.String()}
	for _, f := range m.Features {
		parts = append(parts, f.String())
	}
	for _, w := range wishes {
		if w.label != "" && w.score(m) >= 0.9 {
			parts = append(parts, w.label)
		}
	}
	return strings.Join(parts, " ")
}

// wish is a property that a wish in words may ask for, and how well a record
// has it, in [0,1]; unknown figures score low, not zero.
type wish struct {
	words []string
	label string // said of records that have it, for embeddings
	score func(*model.Model) float64
}

const unknownScore = 0.3

var wishes = []wish{
	{[]string{"small", "tiny", "little", "lightweight", "compact", "edge", "laptop"}, "small", func(m *model.Model) float64 {
		return falling(m.ParametersBillion, 4, 70)
	}},
	{[]string{"large", "big", "huge", "frontier", "flagship"}, "large", func(m *model.Model) float64 {
		return rising(m.ParametersBillion, 20, 200)
	}},
	{[]string{"cheap", "inexpensive", "affordable", "budget", "low-cost", "economical"}, "cheap", func(m *model.Model) float64 {
		return falling(blended(m), 0.3, 10)
	}},
	{[]string{"free", "gratis"}, "free", func(m *model.Model) float64 {
		if b := blended(m); b != nil && *b == 0 {
			return 1
		}
		return 0
	}},
	{[]string{"good", "best", "smart", "strong", "accurate", "quality", "capable", "powerful", "intelligent"}, "strong", func(m *model.Model) float64 {
		if q, ok := Composite(m.Quality); ok {
			return clamp((q - 0.6) / 0.35)
		}
		return unknownScore
	}},
	{[]string{"fast", "quick", "low-latency", "speedy", "realtime", "real-time", "instant", "snappy"}, "fast", fastness},
	{[]string{"long", "book", "books", "contracts", "codebase", "long-context"}, "long context", func(m *model.Model) float64 {
		if m.ContextLength == nil {
			return unknownScore
		}
		c := float64(*m.ContextLength)
		return rising(&c, 100_000, 1_000_000)
	}},
	{[]string{"safe", "safest", "harmless", "child-friendly"}, "safe", func(m *model.Model) float64 {
		return [...]float64{unknownScore, 1, 0.7, 0.2, 0}[m.Risk]
	}},
	{[]string{"open", "open-source", "open-weight", "weights", "self-host", "self-hosted", "local"}, "open weights", func(m *model.Model) float64 {
		return truth(m.License != "" && m.License != "proprietary")
	}},
	{[]string{"commercial", "business", "company", "enterprise"}, "commercial use", func(m *model.Model) float64 {
		if m.CommercialAllowed == nil {
			return unknownScore
		}
		return truth(*m.CommercialAllowed)
	}},
	task(model.TaskSummarization, "summary", "summaries", "summarise", "summarize", "summarising", "summarizing", "summarization", "digest"),
	task(model.TaskTranslation, "translate", "translation", "translating", "translations"),
	task(model.TaskEmbeddings, "embedding", "embeddings", "vectors", "retrieval", "rag"),
	task(model.TaskReranking, "rerank", "reranking", "reranker"),
	task(model.TaskClassification, "classify", "classification", "classifier", "labelling", "sentiment"),
	task(model.TaskSafetyModeration, "moderate", "moderation", "guard", "guardrail"),
	task(model.TaskImageGeneration, "draw", "drawing", "image-generation"),
	task(model.TaskSpeechToText, "transcribe", "transcription", "dictation"),
	task(model.TaskTextToSpeech, "speak", "voice", "narration"),
	feature(model.FeatureVision, "vision", "image", "images", "picture", "pictures", "photo", "photos", "screenshots", "ocr"),
	feature(model.FeatureReasoning, "reason", "reasoning", "thinking", "math", "maths", "logic", "proofs"),
	feature(model.FeatureTools, "tools", "tool", "agent", "agents", "agentic", "function", "functions"),
	feature(model.FeatureJSONSchema, "json", "structured", "schema", "extraction"),
	feature(model.FeatureAudioInput, "audio", "speech"),
	{[]string{"code", "coding", "programming", "developer", "software", "refactor"}, "code", func(m *model.Model) float64 {
		for _, part := range []string{"code", "codex", "coder", "codestral", "devstral"} {
			if strings.Contains(m.Canonical, part) {
				return 1
			}
		}
		return 0.5 * truth(slices.Contains(m.Tasks, model.TaskCodeGeneration))
	}},
	speaks("mistral mixtral ministral command magistral", "french", "français", "france", "european"),
	speaks("qwen glm deepseek kimi ernie doubao hunyuan minimax", "chinese", "mandarin", "cantonese"),
	speaks("command qwen gemma gemini", "arabic", "multilingual", "languages", "hindi", "indonesian"),
	speaks("namazu sakana qwen", "japanese"),
	speaks("solar", "korean"),
	speaks("llama gemma mistral qwen", "german", "italian", "spanish", "portuguese"),
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func task(t model.Task, words ...string) wish {
	return wish{words: words, score: func(m *model.Model) float64 { return truth(slices.Contains(m.Tasks, t)) }}
}

func feature(f model.Feature, words ...string) wish {
	return wish{words: words, score: func(m *model.Model) float64 {
		switch {
		case slices.Contains(m.Features, f):
			return 1
		case slices.Contains(m.MissingFeatures, f):
			return 0
		}
		return unknownScore
	}}
}

// speaks favours families that their makers present as good at a language.
func speaks(families string, words ...string) wish {
	return wish{words: words, score: func(m *model.Model) float64 {
		for _, f := range strings.Fields(families) {
			if strings.HasPrefix(m.Canonical, f) {
				return 1
			}
		}
		return unknownScore
	}}
}

// fastness goes by measured speed, else by size, else by the names that makers
// give their fast models.
func fastness(m *model.Model) float64 {
	if m.LatencyMS != nil {
		return falling(&m.LatencyMS.Value, 150, 3000)
	}
	for _, part := range []string{"flash", "nano", "mini", "haiku", "lite", "instant", "turbo", "lightning", "small", "luna", "highspeed", "fast"} {
		if strings.Contains(string(m.ID), part) {
			return 0.95
		}
	}
	return falling(m.ParametersBillion, 4, 70)
}

// falling is 1 up to low and 0 from high on, straight between on a log scale.
func falling(v *float64, low, high float64) float64 {
	if v == nil {
		return unknownScore
	}
	if *v <= low {
		return 1
	}
	return clamp(1 - math.Log(*v/low)/math.Log(high/low))
}

func rising(v *float64, low, high float64) float64 {
	if v == nil {
		return unknownScore
	}
	return 1 - falling(v, low, high)
}

// blended is the price of a million tokens, three of input to one of output.
func blended(m *model.Model) *float64 {
	p := m.Pricing
	if p == nil || p.Input == nil || p.Output == nil {
		return nil
	}
	v := (0.75*p.Input.USD() + 0.25*p.Output.USD()) * exchange(p)
	return &v
}
