// Package schema holds the published JSON Schema of model records and checks
// documents against it.
//
// The schema (model.schema.json, draft 2020-12) is what `cartrita schema
// model` prints. Check reports every problem of a document, not the first,
// each with the path of the field ("cost_profile.input_usd_per_million",
// "task_types[2]") and what was expected there. Fields that the schema does
// not know are problems, with the name that was probably meant.
//
// A Validator is safe for concurrent use.
package schema

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/cartrita/cartrita/internal/near"
)

//go:embed model.schema.json
var modelSchema []byte

// URL is the id of the schema of model records.
const URL = "https://cartrita.dev/schema/model.schema.json"

// Model returns the schema of model records; the bytes are the caller's.
func Model() []byte { return bytes.Clone(modelSchema) }

// Problem is one thing wrong with a document.
type Problem struct {
	Path    string `json:"path"` // of the field, "" for the document itself
	Message string `json:"message"`
}

// Validator checks model records.
type Validator struct {
	schema *jsonschema.Schema
	doc    any // the schema as plain values, to look property names up
}

// New compiles the schema. It takes a millisecond or two; keep the Validator.
func New() (*Validator, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(modelSchema))
	if err != nil {
		return nil, fmt.Errorf("embedded model.schema.json: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(URL, doc); err != nil {
		return nil, fmt.Errorf("embedded model.schema.json: %w", err)
	}
	s, err := c.Compile(URL)
	if err != nil {
		return nil, fmt.Errorf("embedded model.schema.json: %w", err)
	}
	return &Validator{schema: s, doc: doc}, nil
}

// CheckJSON checks one record given as JSON text.
func (v *Validator) CheckJSON(raw []byte) []Problem {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return []Problem{{Message: "want one JSON object: " + err.Error()}}
	}
	return v.Check(doc)
}

// Check checks one record given as plain values: maps, slices, strings,
// booleans and json.Number. The problems are sorted by path.
func (v *Validator) Check(doc any) []Problem {
	if out := absurd(nil, "", doc); out != nil {
		return out
	}
	err := v.schema.Validate(doc)
	if err == nil {
		return nil
	}
	var ve *jsonschema.ValidationError
	if !errors.As(err, &ve) {
		return []Problem{{Message: err.Error()}}
	}
	out := v.collect(nil, ve)
	slices.SortStableFunc(out, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return slices.Compact(out)
}

// absurd finds numbers beyond the range of a float64, whose exact value would
// take unbounded memory to work with.
func absurd(out []Problem, at string, doc any) []Problem {
	switch d := doc.(type) {
	case map[string]any:
		for name, v := range d {
			out = absurd(out, join(at, name), v)
		}
	case []any:
		for i, v := range d {
			out = absurd(out, join(at, strconv.Itoa(i)), v)
		}
	case json.Number:
		if !sensible(string(d)) {
			return append(out, Problem{at, "want a number of sensible size"})
		}
	}
	return out
}

func sensible(number string) bool {
	exponent := 0
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		exponent, _ = strconv.Atoi(number[i+1:]) // out of range: the largest or smallest int
	}
	_, err := strconv.ParseFloat(number, 64)
	return err == nil && len(number) <= 100 && exponent > -400
}

// collect gathers the leaves of the error tree; inner nodes say nothing new.
func (v *Validator) collect(out []Problem, e *jsonschema.ValidationError) []Problem {
	if len(e.Causes) > 0 {
		for _, c := range e.Causes {
			out = v.collect(out, c)
		}
		return out
	}
	at := path(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		known := v.properties(e.SchemaURL)
		for _, name := range k.Properties {
			out = append(out, Problem{join(at, name), "is not a known field" + near.Suggest(name, known)})
		}
		return out
	case *kind.Required:
		for _, name := range k.Missing {
			out = append(out, Problem{join(at, name), "is required"})
		}
		return out
	}
	return append(out, Problem{at, expectation(e.ErrorKind)})
}

// expectation words what a value should have been.
func expectation(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("want %s, got %s", strings.Join(k.Want, " or "), k.Got)
	case *kind.Enum:
		return fmt.Sprintf("want one of %s, got %s", values(k.Want), value(k.Got))
	case *kind.Const:
		return "want " + value(k.Want)
	case *kind.Minimum:
		return fmt.Sprintf("want at least %s, got %s", k.Want.RatString(), decimal(k.Got.FloatString(6)))
	case *kind.Maximum:
		return fmt.Sprintf("want at most %s, got %s", k.Want.RatString(), decimal(k.Got.FloatString(6)))
	case *kind.ExclusiveMinimum:
		return fmt.Sprintf("want more than %s, got %s", k.Want.RatString(), decimal(k.Got.FloatString(6)))
	case *kind.MinLength:
		return fmt.Sprintf("want at least %d characters, got %d", k.Want, k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("want at most %d characters, got %d", k.Want, k.Got)
	case *kind.MinItems:
		return fmt.Sprintf("want at least %d items, got %d", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("want at most %d items, got %d", k.Want, k.Got)
	case *kind.UniqueItems:
		return fmt.Sprintf("items %d and %d are the same", k.Duplicates[0], k.Duplicates[1])
	case *kind.Pattern:
		return fmt.Sprintf("want a name that matches %s, got %q", k.Want, k.Got)
	case *kind.Format:
		return fmt.Sprintf("want a %s such as 2026-01-31T00:00:00Z, got %v", k.Want, k.Got)
	}
	return "does not fit the schema"
}

func decimal(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func values(vs []any) string {
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = value(v)
	}
	return strings.Join(out, ", ")
}

func value(v any) string {
	b, err := json.Marshal(v)
	if err != nil || len(b) > 80 {
		return fmt.Sprintf("a %T", v)
	}
	return string(b)
}

// properties returns the property names of the schema node at url.
func (v *Validator) properties(url string) []string {
	_, pointer, _ := strings.Cut(url, "#")
	node := v.doc
	for _, step := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		if step == "" {
			continue
		}
		m, ok := node.(map[string]any)
		if !ok {
			return nil
		}
		node = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
	}
	m, _ := node.(map[string]any)
	props, _ := m["properties"].(map[string]any)
	names := make([]string, 0, len(props))
	for name := range props {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// path writes an instance location as people do: "a.b[2]".
func path(steps []string) (p string) {
	for _, s := range steps {
		p = join(p, s)
	}
	return p
}

func join(at, step string) string {
	if n, err := strconv.Atoi(step); err == nil && n >= 0 {
		return at + "[" + step + "]"
	}
	if at == "" {
		return step
	}
	return at + "." + step
}
