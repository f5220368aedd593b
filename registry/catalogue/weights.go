package catalogue

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

//go:embed weights.json
var weightsFile []byte

// facts is weights.json: what is published about weights, whoever serves them.
type facts struct {
	Sources  map[string]source `json:"sources"`
	Families []family          `json:"families"`
	Weights  []weights         `json:"weights"`
	Listings []*model.Model    `json:"listings"` // that catwalk does not have

	byID   map[string]*weights
	grades map[string]grades        // by name of the family, which entries of several licences share
	listed map[model.ModelID]string // listings whose name does not tell their weights
}

// source is where figures were published, and when.
type source struct {
	URL string    `json:"url"`
	At  time.Time `json:"at"`
}

// family holds what is true of every canonical id with one of its prefixes;
// the longest prefix wins.
type family struct {
	Prefixes   []string           `json:"prefixes"`
	Family     string             `json:"family"`
	License    string             `json:"license,omitempty"`
	Commercial *bool              `json:"commercial,omitempty"`
	Arch       model.Architecture `json:"architecture,omitzero"`
	Source     string             `json:"source"`
}

// grades sums up the published risk levels of one family.
type grades struct {
	worst model.Risk
	count int
}

// weights is what is known about one set of weights.
type weights struct {
	ID        string             `json:"id"`
	Aliases   []string           `json:"aliases,omitempty"`
	ListedAs  []model.ModelID    `json:"listed_as,omitempty"`
	Params    *float64           `json:"parameters_billion,omitempty"`
	Arch      model.Architecture `json:"architecture,omitzero"`
	Context   *int64             `json:"context_length,omitempty"`
	Risk      model.Risk         `json:"risk,omitzero"`
	RiskNotes string             `json:"risk_notes,omitempty"`
	Quality   map[string]score   `json:"quality,omitempty"`

	metrics map[string]model.Figure
}

// score is a published figure; Note narrows it ("reasoning effort high").
type score struct {
	Value       float64  `json:"value"`
	Uncertainty *float64 `json:"pm,omitempty"`
	Source      string   `json:"source"`
	Note        string   `json:"note,omitempty"`
}

func loadFacts() (facts, error) {
	var f facts
	if err := json.Unmarshal(weightsFile, &f); err != nil {
		return f, fmt.Errorf("embedded weights.json: %w", err)
	}
	f.byID = make(map[string]*weights, len(f.Weights))
	f.listed = make(map[model.ModelID]string)
	f.grades = make(map[string]grades)
	for i := range f.Weights {
		w := &f.Weights[i]
		f.byID[w.ID] = w
		for _, id := range w.ListedAs {
			f.listed[id] = w.ID
		}
		if err := w.figures(f.Sources); err != nil {
			return f, err
		}
		if fam := f.familyOf(w.ID); fam != nil && w.Risk != model.RiskUnknown {
			g := f.grades[fam.Family]
			f.grades[fam.Family] = grades{max(g.worst, w.Risk), g.count + 1}
		}
	}
	return f, nil
}

// risk infers the level of weights that nobody graded from those of the family
// that somebody did; see the package comment for the rule.
func (f *facts) risk(fam *family, reviewed bool) (model.Risk, string) {
	g := f.grades[fam.Family]
	if g.count == 0 || !reviewed && fam.License != proprietary {
		return model.RiskUnknown, ""
	}
	note := fmt.Sprintf("not graded itself; inferred from the %d graded models of the family %s, the riskiest of which is %s", g.count, fam.Family, g.worst)
	return max(g.worst, model.RiskMedium), note
}

// proprietary marks families whose names only their maker can give.
const proprietary = "proprietary"

func (w *weights) figures(sources map[string]source) error {
	if len(w.Quality) == 0 {
		return nil
	}
	w.metrics = make(map[string]model.Figure, len(w.Quality))
	for name, s := range w.Quality {
		src, ok := sources[s.Source]
		if !ok {
			return fmt.Errorf("embedded weights.json: %s: %s: no source %q", w.ID, name, s.Source)
		}
		from := src.URL
		if s.Note != "" {
			from += " (" + s.Note + ")"
		}
		w.metrics[name] = model.Figure{Value: s.Value, Source: from, At: src.At, Uncertainty: s.Uncertainty}
	}
	return nil
}

// spell files the canonical ids and aliases under their folded names.
func (f *facts) spell(into map[string]string) {
	for i := range f.Weights {
		w := &f.Weights[i]
		into[Fold(w.ID)] = w.ID
		for _, a := range w.Aliases {
			into[Fold(a)] = w.ID
		}
	}
}

// familyOf returns the family with the longest matching prefix, nil if none.
func (f *facts) familyOf(canonical string) (best *family) {
	longest := 0
	for i := range f.Families {
		for _, p := range f.Families[i].Prefixes {
			if len(p) > longest && strings.HasPrefix(canonical, p) {
				best, longest = &f.Families[i], len(p)
			}
		}
	}
	return best
}

// Fill adds to a record what is published about its weights (by its canonical
// id) where the record itself says nothing. What m already says stays.
func (c *Catalogue) Fill(m *model.Model) {
	w := c.facts.byID[m.Canonical]
	if w != nil && m.Risk == model.RiskUnknown {
		m.Risk, m.RiskNotes = w.Risk, w.RiskNotes
	}
	if f := c.facts.familyOf(m.Canonical); f != nil {
		if m.Risk == model.RiskUnknown {
			m.Risk, m.RiskNotes = c.facts.risk(f, w != nil)
		}
		if m.Family == "" {
			m.Family = f.Family
		}
		if m.License == "" && m.CommercialAllowed == nil {
			m.License, m.CommercialAllowed = f.License, f.Commercial
		}
		if m.Architecture == model.ArchUnknown {
			m.Architecture = f.Arch
		}
	}
	if w == nil {
		return
	}
	m.ParametersBillion = orElse(m.ParametersBillion, w.Params)
	if m.Architecture == model.ArchUnknown {
		m.Architecture = w.Arch
	}
	m.ContextLength = orElse(m.ContextLength, w.Context)
	if len(m.Quality) == 0 {
		m.Quality = w.metrics
	}
}

// Metrics returns the published quality metrics of the weights with this
// canonical id; the map is shared and read-only.
func (c *Catalogue) Metrics(canonical string) map[string]model.Figure {
	if w := c.facts.byID[canonical]; w != nil {
		return w.metrics
	}
	return nil
}

func orElse[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}
