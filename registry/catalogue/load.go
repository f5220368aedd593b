package catalogue

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"charm.land/catwalk/pkg/catwalk"
	"charm.land/catwalk/pkg/embedded"

	"github.com/cartrita/cartrita/model"
)

// Source is the Source of records and prices that come from catwalk's data.
const Source = "catwalk"

// Catalogue is the embedded knowledge. It is immutable and safe for
// concurrent use.
type Catalogue struct {
	Models    []*model.Model // one per listing, sorted by id
	Providers []Provider     // sorted by id

	byProvider map[string][]*model.Model
	facts      facts
	spelling   map[string]string // folded name to canonical id
}

// The makers' own listings come first when a canonical spelling is chosen.
var makers = []string{"openai", "anthropic", "gemini", "xai", "deepseek", "moonshot", "minimax", "zai", "openrouter"}

// Load decodes the embedded data. It takes some milliseconds; call it once.
func Load() (*Catalogue, error) {
	f, err := loadFacts()
	if err != nil {
		return nil, err
	}
	listed := embedded.GetAll()
	c := &Catalogue{facts: f, spelling: make(map[string]string, 2048), byProvider: make(map[string][]*model.Model, len(listed))}
	f.spell(c.spelling)
	slices.SortStableFunc(listed, func(a, b catwalk.Provider) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.ID, b.ID))
	})
	for i := range listed {
		c.addProvider(&listed[i])
	}
	for _, m := range f.Listings {
		c.add(m)
	}
	slices.SortFunc(c.Models, func(a, b *model.Model) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(c.Providers, func(a, b Provider) int { return cmp.Compare(a.ID, b.ID) })
	return c, nil
}

func rank(p catwalk.Provider) int {
	if i := slices.Index(makers, string(p.ID)); i >= 0 {
		return i
	}
	return len(makers)
}

func (c *Catalogue) addProvider(p *catwalk.Provider) {
	info := providerOf(p)
	c.Providers = append(c.Providers, info)
	seen := make(map[string]bool, len(p.Models))
	for i := range p.Models {
		if l := &p.Models[i]; l.ID != "" && !seen[l.ID] {
			seen[l.ID] = true
			c.add(recordOf(info.ID, l))
		}
	}
}

// add completes a listing with what is known about its weights and files it.
func (c *Catalogue) add(m *model.Model) {
	if m.Canonical == "" {
		name, format := weightsName(m.Provider, m.Upstream)
		m.Canonical = c.spell(m.ID, name)
		if format != "" {
			m.Quantizations = []string{format}
		}
	}
	c.Fill(m)
	nominal(m)
	c.Models = append(c.Models, m)
	c.byProvider[m.Provider] = append(c.byProvider[m.Provider], m)
}

// spell returns the common spelling of a canonical id; the first one seen wins.
func (c *Catalogue) spell(id model.ModelID, name string) string {
	if known, ok := c.facts.listed[id]; ok {
		return known
	}
	key := Fold(name)
	if known, ok := c.spelling[key]; ok {
		return known
	}
	c.spelling[key] = name
	return name
}

// Canonical returns the canonical id of a listing in its common spelling: that
// of weights.json, of the maker's own listing, or of the first known one.
func (c *Catalogue) Canonical(provider, upstream string) string {
	if known, ok := c.facts.listed[model.ModelID(provider+"/"+upstream)]; ok {
		return known
	}
	name := Canonical(provider, upstream)
	if known, ok := c.spelling[Fold(name)]; ok {
		return known
	}
	return name
}

// Known reports whether anything is known about the weights of this name, and
// returns their canonical id. Spelling and aliases do not matter.
func (c *Catalogue) Known(name string) (canonical string, ok bool) {
	canonical, ok = c.spelling[Fold(name)]
	return canonical, ok
}

// record keeps a listing and the numbers that it points to in one allocation.
type record struct {
	m            model.Model
	context, max int64
	temperature  float64
}

// Shared by the records: read-only.
var (
	textOnly  = []string{"text"}
	textImage = []string{"text", "image"}
	noVision  = []model.Feature{model.FeatureVision}

	// A general chat model does every text task that can be asked for in words.
	chatTasks = []model.Task{
		model.TaskTextGeneration, model.TaskChat, model.TaskClassification,
		model.TaskSummarization, model.TaskTranslation, model.TaskCodeGeneration,
	}
	visionTasks = append(slices.Clone(chatTasks), model.TaskImageToText)
	guardTasks  = []model.Task{model.TaskSafetyModeration, model.TaskClassification}
)

func recordOf(provider string, l *catwalk.Model) *model.Model {
	r := &record{context: l.ContextWindow, max: l.DefaultMaxTokens}
	m := &r.m
	m.ID, m.Name, m.Provider, m.Upstream = model.ModelID(provider+"/"+l.ID), l.Name, provider, l.ID
	m.Source, m.Pricing = Source, pricing(l)
	if l.ContextWindow > 0 {
		m.ContextLength = &r.context
	}
	if l.DefaultMaxTokens > 0 && slices.Contains(maximumKnown, provider) {
		m.MaxOutputTokens = &r.max
	}
	if t := l.Options.Temperature; t != nil {
		r.temperature = *t
		m.DefaultTemperature = &r.temperature
	}
	m.InputModalities, m.OutputModalities = textOnly, textOnly
	m.Tasks, m.MissingFeatures = chatTasks, noVision
	if l.SupportsImages {
		m.InputModalities, m.Tasks, m.MissingFeatures = textImage, visionTasks, nil
	}
	if guards(l.ID) {
		m.Tasks = guardTasks
	}
	m.Features = featuresOf(provider, l)
	return m
}

// nominal reads size and experts off the canonical id where nothing better is
// known.
func nominal(m *model.Model) {
	size, moe := sizeOf(m.Canonical)
	if size > 0 && m.ParametersBillion == nil {
		m.ParametersBillion = &size
	}
	if moe && (m.Architecture == model.ArchUnknown || m.Architecture == model.ArchDecoder) {
		m.Architecture = model.ArchMoE
	}
}

// Providers whose listings state the longest answer; elsewhere catwalk holds a
// default that is a share of it, or of the context.
var maximumKnown = []string{"anthropic", "avian", "chutes", "copilot", "opencode-go", "opencode-zen", "venice"}

// Providers whose listings catwalk does not select by support for tool calls.
var toolsUnknown = []string{"aihubmix", "venice", "nebius", "huggingface", "ionet"}

// Providers whose chat surface takes a JSON schema for every listed model, by
// their own documentation; for Anthropic our translation does it by a tool.
var schemaKnown = []string{"anthropic", "gemini", "openai", "xai"}

// What OpenAI still lists from before structured outputs.
var beforeSchemas = []string{"gpt-3.5", "gpt-4-", "o1-mini", "o1-preview"}

// featureLists are the combinations of the features below, shared by the
// records: bit i of the index says that feature i is there. All stream.
var (
	listedFeatures = []model.Feature{
		model.FeatureTools, model.FeatureJSONSchema, model.FeatureVision, model.FeatureReasoning,
	}
	featureLists = func() (lists [16][]model.Feature) {
		for i := range lists {
			for bit, f := range listedFeatures {
				if i>>bit&1 != 0 {
					lists[i] = append(lists[i], f)
				}
			}
			lists[i] = append(lists[i], model.FeatureStreaming)
		}
		return lists
	}()
)

func featuresOf(provider string, l *catwalk.Model) []model.Feature {
	i := 0
	for bit, has := range []bool{
		!slices.Contains(toolsUnknown, provider) && !guards(l.ID),
		slices.Contains(schemaKnown, provider) && !slices.ContainsFunc(beforeSchemas, func(p string) bool { return strings.HasPrefix(l.ID, p) }),
		l.SupportsImages,
		l.CanReason,
	} {
		if has {
			i |= 1 << bit
		}
	}
	return featureLists[i]
}

func guards(id string) bool {
	return strings.Contains(id, "safeguard") || strings.Contains(id, "content-safety") || strings.Contains(id, "-guard")
}

// sizeOf reads the nominal size in billions and whether experts share it from
// a canonical id: "qwen3-235b-a22b" is 235 and a mixture of experts.
func sizeOf(canonical string) (billions float64, moe bool) {
	for part := range strings.SplitSeq(canonical, "-") {
		switch {
		case billions == 0:
			billions = amount(part)
		case part[:min(1, len(part))] == "a" && amount(part[1:]) > 0:
			return billions, true
		}
	}
	return billions, false
}

// amount reads "70b" or "2.4t" as billions; 0 if it is not one.
func amount(part string) float64 {
	if part == "" || !isDigit(part[0]) {
		return 0
	}
	unit := 1.0
	switch part[len(part)-1] {
	case 'b':
	case 't':
		unit = 1000
	default:
		return 0
	}
	v, err := strconv.ParseFloat(part[:len(part)-1], 64)
	if err != nil {
		return 0
	}
	return v * unit
}
