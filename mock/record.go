package mock

import (
	"slices"
	"time"

	"github.com/cartrita/cartrita/model"
)

// SourceDemo marks figures that were made up for demonstrations.
const SourceDemo = "demo"

// Record describes the model to a registry under the id "<provider>/<name>",
// from its facts and from what its profile really does. Every figure has the
// source "demo".
func (p Profile) Record(provider string) model.Model {
	p = p.withDefaults()
	f := p.Facts
	m := model.Model{
		ID:                model.ModelID(provider + "/" + p.Name),
		Canonical:         p.Name,
		Name:              f.Name,
		Provider:          provider,
		Upstream:          p.Name,
		Tasks:             f.Tasks,
		Family:            f.Family,
		Architecture:      f.Architecture,
		License:           f.License,
		CommercialAllowed: f.CommercialAllowed,
		InputModalities:   []string{"text"},
		OutputModalities:  []string{"text"},
		Features:          f.Features,
		LatencyMS:         &model.Figure{Value: float64(p.TTFT) / float64(time.Millisecond), Source: SourceDemo},
		Risk:              f.Risk,
		RiskNotes:         f.RiskNotes,
		Pricing:           f.Pricing,
		Tags:              f.Tags,
		Fallbacks:         f.Fallbacks,
		Source:            SourceDemo,
	}
	if len(m.Tasks) == 0 {
		m.Tasks = defaultTasks()
	}
	if slices.Contains(m.Features, model.FeatureVision) {
		m.InputModalities = append(m.InputModalities, "image")
	}
	if slices.Contains(m.Tasks, model.TaskEmbeddings) {
		m.OutputModalities = []string{"embedding"}
	}
	if f.ParametersBillion > 0 {
		m.ParametersBillion = &f.ParametersBillion
	}
	if p.ContextLength > 0 {
		m.ContextLength = &p.ContextLength
	}
	if p.MaxOutputTokens > 0 {
		m.MaxOutputTokens = &p.MaxOutputTokens
	}
	if len(f.Quality) > 0 {
		m.Quality = make(map[string]model.Figure, len(f.Quality))
		for name, v := range f.Quality {
			m.Quality[name] = model.Figure{Value: v, Source: SourceDemo}
		}
	}
	return m
}

// defaultTasks are what a chat model does.
func defaultTasks() []model.Task {
	return []model.Task{
		model.TaskTextGeneration, model.TaskChat, model.TaskClassification,
		model.TaskSummarization, model.TaskTranslation, model.TaskCodeGeneration,
	}
}
