package importer

import (
	"slices"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Where LiteLLM's name of a provider differs from the catalogue's.
var liteLLMProviders = map[string]string{
	"bedrock_converse":       "bedrock",
	"bedrock_mantle":         "bedrock",
	"fireworks_ai":           "fireworks",
	"text-completion-openai": "openai",
	"cohere_chat":            "cohere",
	"vercel_ai_gateway":      "vercel",
	"github_copilot":         "copilot",
	"azure_text":             "azure",
	"azure_ai":               "azure-ai",
	"together_ai":            "together",
}

// What LiteLLM's modes ask of a model. Modes that are not here have no task.
var liteLLMModes = map[string][]model.Task{
	"completion":          {model.TaskTextGeneration},
	"embedding":           {model.TaskEmbeddings},
	"image_generation":    {model.TaskImageGeneration},
	"image_edit":          {model.TaskImageGeneration},
	"video_generation":    {model.TaskVideoGeneration},
	"audio_transcription": {model.TaskSpeechToText},
	"audio_speech":        {model.TaskTextToSpeech},
	"moderation":          {model.TaskSafetyModeration},
	"moderations":         {model.TaskSafetyModeration},
	"rerank":              {model.TaskReranking},
}

var liteLLMAbilities = []struct {
	key     string
	feature model.Feature
}{
	{"supports_function_calling", model.FeatureTools},
	{"supports_response_schema", model.FeatureJSONSchema},
	{"supports_vision", model.FeatureVision},
	{"supports_reasoning", model.FeatureReasoning},
	{"supports_prompt_caching", model.FeaturePromptCaching},
	{"supports_audio_input", model.FeatureAudioInput},
	{"supports_audio_output", model.FeatureAudioOutput},
	{"supports_pdf_input", model.FeatureFileInput},
	{"supports_native_streaming", model.FeatureStreaming},
}

// parseLiteLLM reads LiteLLM's price map: an object from model name to facts.
func parseLiteLLM(data []byte, o Options) ([]Record, error) {
	entries, _, err := entriesOf(data)
	if err != nil {
		return nil, err
	}
	if len(entries) == 1 && entries[0].key == "" {
		return nil, model.Invalidf("", "", "want an object from model name to facts, as in LiteLLM's model_prices_and_context_window.json")
	}
	out := make([]Record, 0, len(entries))
	for _, e := range entries {
		out = append(out, liteLLMRecord(e, o.Now))
	}
	return out, nil
}

func liteLLMRecord(e entry, now time.Time) Record {
	r := Record{Path: e.path}
	if e.key == "sample_spec" {
		r.Skip = "documents the format"
		return r
	}
	f := fieldsOf(e.raw, &r.Problems)
	if e.dup {
		f.bad("", "the name appears twice in the file")
	}
	m := &model.Model{Source: string(LiteLLM)}
	liteLLMName(m, e.key, f)
	mode := f.str("mode")
	for _, a := range liteLLMAbilities {
		f.ability(a.key, a.feature, &m.Features, &m.MissingFeatures)
	}
	switch {
	case mode == "" || mode == "chat" || mode == "responses":
		m.Tasks = chatTasks(slices.Contains(m.Features, model.FeatureVision))
	case liteLLMModes[mode] != nil:
		m.Tasks = liteLLMModes[mode]
	default:
		r.Skip = "mode " + mode + " has no task type"
		return r
	}
	liteLLMLimits(m, f)
	m.InputModalities, m.OutputModalities = f.modalities("supported_modalities"), f.modalities("supported_output_modalities")
	if day := f.str("deprecation_date"); day != "" && !now.IsZero() {
		if t, err := time.Parse(time.DateOnly, day); err == nil && t.Before(now) {
			m.Status = model.StatusDeprecated
		}
	}
	m.Pricing = liteLLMPricing(e.key, mode, f)
	r.Ignored = f.ignored()
	if len(r.Problems) == 0 {
		r.Model = m
	}
	return r
}

// liteLLMName splits "provider/name", where the provider may be left out.
func liteLLMName(m *model.Model, key string, f *fields) {
	listed := f.str("litellm_provider")
	if listed == "" {
		listed, _, _ = strings.Cut(key, "/")
		if listed == key {
			f.bad("litellm_provider", "is required for a name without provider")
		}
	}
	m.Upstream = strings.TrimPrefix(key, listed+"/")
	m.Provider = listed
	if strings.HasPrefix(listed, "vertex_ai") {
		m.Provider = "vertexai"
		m.Upstream = strings.TrimPrefix(key, "vertex_ai/")
	} else if known, ok := liteLLMProviders[listed]; ok {
		m.Provider = known
		if prefix, rest, ok := strings.Cut(m.Upstream, "/"); ok && liteLLMProviders[prefix] == known {
			m.Upstream = rest
		}
	}
	m.Provider = strings.ReplaceAll(m.Provider, "_", "-")
	m.ID = model.ModelID(m.Provider + "/" + m.Upstream)
}

// liteLLMLimits reads token limits. The longest input counts as the context
// length, which is what it is for most models and never too much; max_tokens is the old name of the answer's
// limit where max_output_tokens is missing; of embeddings it is the input's.
func liteLLMLimits(m *model.Model, f *fields) {
	in, out, either := f.tokens("max_input_tokens"), f.tokens("max_output_tokens"), f.tokens("max_tokens")
	if slices.Contains(m.Tasks, model.TaskEmbeddings) || slices.Contains(m.Tasks, model.TaskReranking) {
		if in == nil {
			in = either
		}
		m.ContextLength = in
		return
	}
	if out == nil && in != nil {
		out = either
	}
	m.ContextLength, m.MaxOutputTokens = in, out
}
