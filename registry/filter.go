package registry

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/internal/near"
	"github.com/cartrita/cartrita/model"
)

// Filter is one condition on a field of a record.
type Filter struct {
	Field string
	Op    string // =, !=, <, <=, >, >=, ~
	Value string

	get    func(*Hit) value
	number float64   // of Value, for numbers and ordered words
	values []string  // of Value, for = and != of words
	at     time.Time // of Value, for times
}

// value is what a record has in a field. Nothing at all is unknown.
type value struct {
	kind   valueKind
	number float64
	words  []string
	at     time.Time
}

type valueKind uint8

const (
	unknown valueKind = iota
	number
	words
	instant
)

var filterOps = []string{">=", "<=", "!=", "=", ">", "<", "~"}

// ParseFilter reads "field op value" without or with spaces around op. Fields
// are those of the record by their JSON names ("context_length",
// "cost_profile.input_usd_per_million", "quality_metrics.mmlu"), and "quality"
// (the composite) and "served". Numbers, times and risk levels are compared;
// for lists = asks for any of the values, which are separated by commas; ~
// asks for a part of a word. An empty value stands for unknown: "license=" and
// "license!=". A comparison with an unknown figure never holds.
func ParseFilter(text string) (Filter, error) {
	const op = "registry.ParseFilter"
	i := strings.IndexAny(text, "<>=!~")
	if i < 0 {
		return Filter{}, model.Invalidf(op, "filter", "%q is not a filter: want field, one of %s, value, such as context_length>=128000", text, strings.Join(filterOps, " "))
	}
	f := Filter{Field: strings.TrimSpace(text[:i])}
	for _, o := range filterOps {
		if strings.HasPrefix(text[i:], o) {
			f.Op, f.Value = o, strings.TrimSpace(text[i+len(o):])
			break
		}
	}
	if f.Op == "" {
		return Filter{}, model.Invalidf(op, "filter", "%q has no operator: want one of %s", text, strings.Join(filterOps, " "))
	}
	field, ok := fieldByName(f.Field)
	if !ok {
		return Filter{}, model.Invalidf(op, "filter", "unknown field %q%s", f.Field, near.Suggest(f.Field, FilterFields()))
	}
	f.get = field.get
	return f, f.read(field.kind)
}

// read prepares the value for the field's kind.
func (f *Filter) read(kind valueKind) (err error) {
	const op = "registry.ParseFilter"
	if f.Value == "" {
		if f.Op != "=" && f.Op != "!=" {
			err = model.Invalidf(op, "filter", "%s%s needs a value", f.Field, f.Op)
		}
		return err
	}
	switch {
	case kind == number:
		if f.number, err = strconv.ParseFloat(f.Value, 64); err != nil || f.Op == "~" {
			return model.Invalidf(op, "filter", "%s is a number: want =, !=, <, <=, > or >= and a number, got %s%s", f.Field, f.Op, f.Value)
		}
	case kind == instant:
		layout := time.RFC3339
		if len(f.Value) == len(time.DateOnly) {
			layout = time.DateOnly
		}
		if f.at, err = time.Parse(layout, f.Value); err != nil || f.Op == "~" {
			return model.Invalidf(op, "filter", "%s is a time: want one such as 2026-01-31, got %q", f.Field, f.Value)
		}
	case f.Field == "safety_risk_level":
		var r model.Risk
		if err = r.UnmarshalText([]byte(f.Value)); err != nil || f.Op == "~" {
			return model.Invalidf(op, "filter", "safety_risk_level: want low, medium, high or critical, got %q", f.Value)
		}
		f.number = float64(r)
	case strings.ContainsAny(f.Op, "<>"):
		return model.Invalidf(op, "filter", "%s has no order: want =, != or ~", f.Field)
	}
	for _, v := range strings.Split(strings.ToLower(f.Value), ",") {
		f.values = append(f.values, strings.TrimSpace(v))
	}
	return nil
}

func (f *Filter) match(h *Hit) bool {
	v := f.get(h)
	if f.Value == "" {
		return (v.kind == unknown) == (f.Op == "=")
	}
	switch v.kind {
	case number:
		return compare(v.number, f.number, f.Op)
	case instant:
		return compare(float64(v.at.Unix()), float64(f.at.Unix()), f.Op)
	case words:
		return f.matchWords(v.words)
	}
	return f.Op == "!="
}

func compare(have, want float64, op string) bool {
	switch op {
	case "=":
		return have == want
	case "!=":
		return have != want
	case "<":
		return have < want
	case "<=":
		return have <= want
	case ">":
		return have > want
	}
	return have >= want
}

func (f *Filter) matchWords(have []string) bool {
	hit := slices.ContainsFunc(have, func(w string) bool {
		w = strings.ToLower(w)
		if f.Op == "~" {
			return strings.Contains(w, strings.ToLower(f.Value))
		}
		return slices.Contains(f.values, w)
	})
	return hit != (f.Op == "!=")
}

// field is a field of a record by which can be filtered.
type field struct {
	kind valueKind
	get  func(*Hit) value
}

// FilterFields lists the fields by which can be filtered, sorted.
func FilterFields() []string {
	return append(slices.Sorted(maps.Keys(fields)), "quality_metrics.<name>", "throughput_tokens_per_second.<hardware>")
}

// fieldByName finds a field; the members of maps are fields of their own.
func fieldByName(name string) (field, bool) {
	if f, ok := fields[name]; ok {
		return f, true
	}
	of, key, _ := strings.Cut(name, ".")
	if key == "" {
		return field{}, false
	}
	switch of {
	case "quality_metrics":
		return field{number, func(h *Hit) value { return figure(h.Model.Quality[key]) }}, true
	case "throughput_tokens_per_second":
		return field{number, func(h *Hit) value { return figure(h.Model.Throughput[key]) }}, true
	}
	return field{}, false
}

func figure(f model.Figure) value {
	if f == (model.Figure{}) {
		return value{}
	}
	return value{kind: number, number: f.Value}
}

func numeric[T int64 | float64](get func(*model.Model) *T) field {
	return field{number, func(h *Hit) value {
		if v := get(h.Model); v != nil {
			return value{kind: number, number: float64(*v)}
		}
		return value{}
	}}
}

func text(get func(*model.Model) []string) field {
	return field{words, func(h *Hit) value {
		list := slices.DeleteFunc(get(h.Model), func(s string) bool { return s == "" })
		if len(list) == 0 {
			return value{}
		}
		return value{kind: words, words: list}
	}}
}

func price(get func(*model.Pricing) *model.Money) field {
	return field{number, func(h *Hit) value {
		if h.Model.Pricing == nil || get(h.Model.Pricing) == nil {
			return value{}
		}
		return value{kind: number, number: get(h.Model.Pricing).USD() * exchange(h.Model.Pricing)}
	}}
}

// exchange is the number of dollars in a unit of the pricing's currency.
func exchange(p *model.Pricing) float64 {
	if p.USDPerUnit == nil {
		return 1
	}
	return *p.USDPerUnit
}

func strs[T interface{ String() string }](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.String()
	}
	return out
}

var fields = map[string]field{
	"model_id":           text(func(m *model.Model) []string { return []string{string(m.ID)} }),
	"canonical_id":       text(func(m *model.Model) []string { return []string{m.Canonical} }),
	"name":               text(func(m *model.Model) []string { return []string{m.Name} }),
	"aliases":            text(func(m *model.Model) []string { return slices.Clone(m.Aliases) }),
	"provider":           text(func(m *model.Model) []string { return []string{m.Provider} }),
	"upstream":           text(func(m *model.Model) []string { return []string{m.Upstream} }),
	"task_types":         text(func(m *model.Model) []string { return strs(m.Tasks) }),
	"family":             text(func(m *model.Model) []string { return []string{m.Family} }),
	"architectural_type": text(func(m *model.Model) []string { return []string{m.Architecture.String()} }),
	"license":            text(func(m *model.Model) []string { return []string{m.License} }),
	"input_modalities":   text(func(m *model.Model) []string { return slices.Clone(m.InputModalities) }),
	"output_modalities":  text(func(m *model.Model) []string { return slices.Clone(m.OutputModalities) }),
	"features":           text(func(m *model.Model) []string { return strs(m.Features) }),
	"missing_features":   text(func(m *model.Model) []string { return strs(m.MissingFeatures) }),
	"quantizations":      text(func(m *model.Model) []string { return slices.Clone(m.Quantizations) }),
	"routing_tags":       text(func(m *model.Model) []string { return slices.Clone(m.Tags) }),
	"fallback_chain":     text(func(m *model.Model) []string { return slices.Clone(m.Fallbacks) }),
	"status":             text(func(m *model.Model) []string { return []string{m.Status.String()} }),
	"source":             text(func(m *model.Model) []string { return []string{m.Source} }),
	"risk_notes":         text(func(m *model.Model) []string { return []string{m.RiskNotes} }),
	"metadata":           text(func(m *model.Model) []string { return []string{string(m.Metadata)} }),
	"commercial_allowed": text(func(m *model.Model) []string {
		if m.CommercialAllowed == nil {
			return nil
		}
		return []string{strconv.FormatBool(*m.CommercialAllowed)}
	}),
	"served": {words, func(h *Hit) value { return value{kind: words, words: []string{strconv.FormatBool(h.Served)}} }},

	"parameters_billion":  numeric(func(m *model.Model) *float64 { return m.ParametersBillion }),
	"context_length":      numeric(func(m *model.Model) *int64 { return m.ContextLength }),
	"max_output_tokens":   numeric(func(m *model.Model) *int64 { return m.MaxOutputTokens }),
	"default_temperature": numeric(func(m *model.Model) *float64 { return m.DefaultTemperature }),
	"average_latency_ms": numeric(func(m *model.Model) *float64 {
		if m.LatencyMS == nil {
			return nil
		}
		return &m.LatencyMS.Value
	}),
	"quality": numeric(func(m *model.Model) *float64 {
		if q, ok := Composite(m.Quality); ok {
			return &q
		}
		return nil
	}),
	"safety_risk_level": {words, func(h *Hit) value {
		if h.Model.Risk == model.RiskUnknown {
			return value{}
		}
		return value{kind: number, number: float64(h.Model.Risk)}
	}},
	"last_benchmark": {instant, func(h *Hit) value {
		if h.Model.LastBenchmark.IsZero() {
			return value{}
		}
		return value{kind: instant, at: h.Model.LastBenchmark}
	}},

	"cost_profile.input_usd_per_million":            price(func(p *model.Pricing) *model.Money { return p.Input }),
	"cost_profile.output_usd_per_million":           price(func(p *model.Pricing) *model.Money { return p.Output }),
	"cost_profile.cached_read_usd_per_million":      price(func(p *model.Pricing) *model.Money { return p.CachedRead }),
	"cost_profile.cache_write_usd_per_million":      price(func(p *model.Pricing) *model.Money { return p.CacheWrite }),
	"cost_profile.reasoning_usd_per_million":        price(func(p *model.Pricing) *model.Money { return p.Reasoning }),
	"cost_profile.cache_write_long_usd_per_million": price(func(p *model.Pricing) *model.Money { return p.CacheWriteLong }),
	"cost_profile.audio_input_usd_per_million":      price(func(p *model.Pricing) *model.Money { return p.AudioInput }),
	"cost_profile.audio_output_usd_per_million":     price(func(p *model.Pricing) *model.Money { return p.AudioOutput }),
	"cost_profile.image_input_usd_per_million":      price(func(p *model.Pricing) *model.Money { return p.ImageInput }),
	"cost_profile.image_output_usd_per_million":     price(func(p *model.Pricing) *model.Money { return p.ImageOutput }),
	"cost_profile.second_usd":                       price(func(p *model.Pricing) *model.Money { return p.Second }),
	"cost_profile.request_usd":                      price(func(p *model.Pricing) *model.Money { return p.Request }),
	"cost_profile.hourly_usd":                       price(func(p *model.Pricing) *model.Money { return p.Hourly }),
}
