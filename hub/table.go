package hub

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// Licences by whether they allow commercial use. Those with conditions that
// most companies meet (a large number of users, rules of acceptable use) count
// as allowing it; read them before you rely on that.
var licences = map[string]bool{
	"apache-2.0": true, "mit": true, "bsd": true, "bsd-2-clause": true, "bsd-3-clause": true, "bsd-3-clause-clear": true,
	"isc": true, "zlib": true, "unlicense": true, "wtfpl": true, "cc0-1.0": true, "afl-3.0": true, "artistic-2.0": true,
	"bsl-1.0": true, "ecl-2.0": true, "mpl-2.0": true, "epl-2.0": true, "lgpl-3.0": true, "gpl-2.0": true, "gpl-3.0": true,
	"agpl-3.0": true, "cc-by-3.0": true, "cc-by-4.0": true, "cc-by-sa-3.0": true, "cc-by-sa-4.0": true, "cc-by-nd-4.0": true,
	"openrail": true, "openrail++": true, "bigscience-openrail-m": true, "bigscience-bloom-rail-1.0": true,
	"creativeml-openrail-m": true, "bigcode-openrail-m": true, "cdla-permissive-2.0": true, "modified-mit": true,
	"llama2": true, "llama3": true, "llama3.1": true, "llama3.2": true, "llama3.3": true, "llama4": true,
	"gemma": true, "qwen": true, "tongyi-qianwen": true, "deepseek": true, "falcon-llm-license": true,
	"nvidia-open-model-license": true, "jamba-open-model-license": true,

	"cc-by-nc-2.0": false, "cc-by-nc-3.0": false, "cc-by-nc-4.0": false, "cc-by-nc-nd-3.0": false, "cc-by-nc-nd-4.0": false,
	"cc-by-nc-sa-2.0": false, "cc-by-nc-sa-3.0": false, "cc-by-nc-sa-4.0": false, "fair-noncommercial-research-license": false,
	"intel-research": false, "apple-amlr": false, "h-research": false, "qwen-research": false, "mrl": false,
	"mistral-research": false, "mnpl": false, "flux-1-dev-non-commercial-license": false, "deepfloyd-if-license": false,
}

// Commercial tells whether a licence allows commercial use; nil is unknown.
func Commercial(license string) *bool {
	if allowed, ok := licences[strings.ToLower(license)]; ok {
		return &allowed
	}
	return nil
}

// pipeline is what one of the Hub's pipeline tags means.
type pipeline struct {
	tasks   []model.Task
	in, out []string
}

var pipelines = map[string]pipeline{
	"text-generation":              {[]model.Task{model.TaskTextGeneration}, []string{"text"}, []string{"text"}},
	"text2text-generation":         {[]model.Task{model.TaskTextGeneration}, []string{"text"}, []string{"text"}},
	"conversational":               {[]model.Task{model.TaskTextGeneration, model.TaskChat}, []string{"text"}, []string{"text"}},
	"image-text-to-text":           {[]model.Task{model.TaskTextGeneration, model.TaskImageToText}, []string{"text", "image"}, []string{"text"}},
	"any-to-any":                   {[]model.Task{model.TaskTextGeneration, model.TaskImageToText}, []string{"text", "image"}, []string{"text"}},
	"audio-text-to-text":           {[]model.Task{model.TaskTextGeneration, model.TaskSpeechToText}, []string{"text", "audio"}, []string{"text"}},
	"video-text-to-text":           {[]model.Task{model.TaskTextGeneration}, []string{"text", "video"}, []string{"text"}},
	"image-to-text":                {[]model.Task{model.TaskImageToText}, []string{"image"}, []string{"text"}},
	"visual-question-answering":    {[]model.Task{model.TaskImageToText}, []string{"text", "image"}, []string{"text"}},
	"document-question-answering":  {[]model.Task{model.TaskImageToText}, []string{"text", "image"}, []string{"text"}},
	"feature-extraction":           {[]model.Task{model.TaskEmbeddings}, []string{"text"}, []string{"embedding"}},
	"sentence-similarity":          {[]model.Task{model.TaskEmbeddings}, []string{"text"}, []string{"embedding"}},
	"text-ranking":                 {[]model.Task{model.TaskReranking}, []string{"text"}, nil},
	"text-classification":          {[]model.Task{model.TaskClassification}, []string{"text"}, []string{"text"}},
	"token-classification":         {[]model.Task{model.TaskClassification}, []string{"text"}, []string{"text"}},
	"zero-shot-classification":     {[]model.Task{model.TaskClassification}, []string{"text"}, []string{"text"}},
	"summarization":                {[]model.Task{model.TaskSummarization}, []string{"text"}, []string{"text"}},
	"translation":                  {[]model.Task{model.TaskTranslation}, []string{"text"}, []string{"text"}},
	"text-to-image":                {[]model.Task{model.TaskImageGeneration}, []string{"text"}, []string{"image"}},
	"image-to-image":               {[]model.Task{model.TaskImageGeneration}, []string{"image"}, []string{"image"}},
	"text-to-video":                {[]model.Task{model.TaskVideoGeneration}, []string{"text"}, []string{"video"}},
	"image-to-video":               {[]model.Task{model.TaskVideoGeneration}, []string{"image"}, []string{"video"}},
	"text-to-speech":               {[]model.Task{model.TaskTextToSpeech}, []string{"text"}, []string{"audio"}},
	"text-to-audio":                {[]model.Task{model.TaskAudioGeneration}, []string{"text"}, []string{"audio"}},
	"audio-to-audio":               {[]model.Task{model.TaskAudioGeneration}, []string{"audio"}, []string{"audio"}},
	"automatic-speech-recognition": {[]model.Task{model.TaskSpeechToText}, []string{"audio"}, []string{"text"}},
}

// PipelineTags lists the tags of the Hub that have a task type here, sorted.
func PipelineTags() []string {
	out := make([]string, 0, len(pipelines))
	for tag := range pipelines {
		out = append(out, tag)
	}
	slices.Sort(out)
	return out
}

// tasks returns nil for a tag without task type.
func tasks(tag string, chat bool) []model.Task {
	p, ok := pipelines[tag]
	if !ok {
		return nil
	}
	out := slices.Clone(p.tasks)
	if chat && slices.Contains(out, model.TaskTextGeneration) {
		for _, t := range []model.Task{model.TaskChat, model.TaskClassification, model.TaskSummarization, model.TaskTranslation, model.TaskCodeGeneration} {
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out
}

func modalities(tag string) (in, out []string) {
	p := pipelines[tag]
	return slices.Clone(p.in), slices.Clone(p.out)
}

// The members of the Hub's answer that are read.
var readMembers = []string{"id", "modelId", "pipeline_tag", "tags", "cardData", "safetensors", "gguf", "config", "disabled"}

// Ignored returns the top-level members of an answer that are not read, sorted.
func Ignored(members map[string]json.RawMessage) []string {
	var out []string
	for name := range members {
		if !slices.Contains(readMembers, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
