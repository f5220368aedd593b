package importer

import (
	"slices"

	"github.com/cartrita/cartrita/model"
)

// parseOpenRouter reads the answer of OpenRouter's /api/v1/models.
func parseOpenRouter(data []byte) ([]Record, error) {
	entries, _, err := entriesOf(data, "data")
	if err != nil {
		return nil, err
	}
	out := make([]Record, 0, len(entries))
	for _, e := range entries {
		out = append(out, openRouterRecord(e))
	}
	return out, nil
}

func openRouterRecord(e entry) Record {
	r := Record{Path: e.path}
	f := fieldsOf(e.raw, &r.Problems)
	m := &model.Model{Provider: string(OpenRouter), Source: string(OpenRouter)}
	m.Upstream = f.str("id")
	if m.Upstream == "" && len(r.Problems) == 0 {
		f.bad("id", "is required")
	}
	m.ID, m.Name = model.ModelID(m.Provider+"/"+m.Upstream), f.str("name")
	top, arch := f.sub("top_provider"), f.sub("architecture")
	m.ContextLength = f.tokens("context_length")
	if c := top.tokens("context_length"); m.ContextLength == nil {
		m.ContextLength = c
	}
	m.MaxOutputTokens = top.tokens("max_completion_tokens")
	m.InputModalities, m.OutputModalities = arch.modalities("input_modalities"), arch.modalities("output_modalities")
	openRouterAbilities(m, f)
	pricing := f.sub("pricing")
	m.Pricing = openRouterPricing(pricing)
	r.Ignored = f.ignored(top, arch, pricing)
	if len(r.Problems) == 0 {
		r.Model = m
	}
	return r
}

// openRouterAbilities reads tasks and features off modalities and parameters.
func openRouterAbilities(m *model.Model, f *fields) {
	has := slices.Contains[[]string, string]
	vision := has(m.InputModalities, "image")
	outs := m.OutputModalities
	if len(outs) == 0 || has(outs, "text") {
		m.Tasks = chatTasks(vision)
	}
	for _, t := range []struct {
		modality string
		task     model.Task
	}{
		{"embedding", model.TaskEmbeddings},
		{"image", model.TaskImageGeneration},
		{"audio", model.TaskAudioGeneration},
		{"video", model.TaskVideoGeneration},
	} {
		if has(outs, t.modality) {
			m.Tasks = append(m.Tasks, t.task)
		}
	}
	file := func(known, yes bool, feature model.Feature) {
		switch {
		case known && yes:
			m.Features = append(m.Features, feature)
		case known:
			m.MissingFeatures = append(m.MissingFeatures, feature)
		}
	}
	params := f.strs("supported_parameters")
	listed := len(params) > 0
	file(listed, has(params, "tools"), model.FeatureTools)
	file(listed, has(params, "structured_outputs"), model.FeatureJSONSchema)
	file(listed, has(params, "reasoning") || has(params, "include_reasoning"), model.FeatureReasoning)
	known := len(m.InputModalities) > 0
	file(known, vision, model.FeatureVision)
	file(known, has(m.InputModalities, "audio"), model.FeatureAudioInput)
	file(known, has(m.InputModalities, "file"), model.FeatureFileInput)
}

func openRouterPricing(f *fields) *model.Pricing {
	p := &model.Pricing{
		Input:      f.perMillion("prompt"),
		Output:     f.perMillion("completion"),
		CachedRead: nonzero(f.perMillion("input_cache_read")),
		CacheWrite: nonzero(f.perMillion("input_cache_write")),
		Reasoning:  nonzero(f.perMillion("internal_reasoning")),
		AudioInput: nonzero(f.perMillion("audio")),
		Request:    nonzero(f.usd("request")),
		Source:     string(OpenRouter),
	}
	if p.Input == nil && p.Output == nil && p.Request == nil {
		return nil
	}
	return p
}
