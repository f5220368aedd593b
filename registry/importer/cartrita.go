package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/schema"
)

// parseCartrita reads our own format: JSON, one JSON record per line, or YAML;
// one record, a list, or a list under "models".
func parseCartrita(data []byte, o Options) ([]Record, error) {
	trimmed := bytes.TrimSpace(data)
	switch {
	case strings.HasSuffix(o.Name, ".jsonl"), strings.HasSuffix(o.Name, ".ndjson"), isLines(trimmed):
		return parseLines(data, o)
	case trimmed[0] == '{' || trimmed[0] == '[':
		entries, top, err := entriesOf(trimmed, "models", "data")
		if err != nil {
			return nil, err
		}
		if top == "" && trimmed[0] == '{' { // an object is one record, whatever its members are
			entries = []entry{{raw: trimmed}}
		}
		return records(entries, o), nil
	}
	return parseYAML(data, o)
}

// isLines reports whether each of several lines is an object of its own.
func isLines(data []byte) bool {
	first, rest, ok := bytes.Cut(data, []byte("\n"))
	return ok && json.Valid(first) && bytes.HasPrefix(first, []byte("{")) && len(bytes.TrimSpace(rest)) > 0
}

func parseLines(data []byte, o Options) ([]Record, error) {
	var entries []entry
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if line = bytes.TrimSpace(line); len(line) > 0 {
			entries = append(entries, entry{path: fmt.Sprintf("line %d", n), raw: line})
		}
	}
	return records(entries, o), nil
}

func parseYAML(data []byte, o Options) ([]Record, error) {
	if err := plainYAML(data); err != nil {
		return nil, err
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var entries []entry
	for doc := 0; ; doc++ {
		var v any
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			return records(entries, o), nil
		}
		if err != nil {
			return nil, yamlError(err)
		}
		at := ""
		if doc > 0 {
			at = fmt.Sprintf("document %d ", doc+1)
		}
		more, err := yamlEntries(at, v)
		if err != nil {
			return nil, err
		}
		entries = append(entries, more...)
	}
}

// yamlEntries splits one YAML document into records, as JSON.
func yamlEntries(at string, v any) ([]entry, error) {
	name := ""
	if m, ok := v.(map[string]any); ok {
		list, ok := m["models"].([]any)
		if !ok || len(m) > 1 {
			raw, err := json.Marshal(v)
			return []entry{{path: strings.TrimSpace(at), raw: raw}}, err
		}
		name, v = "models", list
	}
	list, ok := v.([]any)
	if !ok {
		return nil, model.Invalidf("", "", "%swant a model record, a list of them, or a list under \"models\", got %T", at, v)
	}
	out := make([]entry, len(list))
	for i, item := range list {
		raw, err := json.Marshal(item)
		if err != nil {
			return nil, model.Invalidf("", "", "%s%s[%d]: %s", at, name, i, err)
		}
		out[i] = entry{path: fmt.Sprintf("%s%s[%d]", at, name, i), raw: raw}
	}
	return out, nil
}

// plainYAML refuses anchors, and with them aliases and merge keys: records need
// none, and they can make a small file expand without bound.
func plainYAML(data []byte) error {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return yamlError(err)
	}
	var found ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		ast.Walk(visitor(func(n ast.Node) {
			if n.Type() == ast.AnchorType {
				found = n
			}
		}), doc.Body)
	}
	if found != nil {
		pos := found.GetToken().Position
		return model.Invalidf("", "", "line %d column %d: anchors, aliases and merge keys are not supported in model records", pos.Line, pos.Column)
	}
	return nil
}

type visitor func(ast.Node)

func (v visitor) Visit(n ast.Node) ast.Visitor {
	v(n)
	return v
}

func yamlError(err error) error {
	text, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
	return model.Invalidf("", "", "not readable as YAML: %s", text)
}

func records(entries []entry, o Options) []Record {
	out := make([]Record, len(entries))
	for i, e := range entries {
		out[i] = Record{Path: e.path, Full: true}
		out[i].Model, out[i].Problems = Decode(e.raw, o.Validator)
	}
	return out
}

// Decode reads one record of our own format and checks it against the schema.
// It returns the record or every problem.
func Decode(raw []byte, v *schema.Validator) (*model.Model, []schema.Problem) {
	if p := v.CheckJSON(raw); p != nil {
		return nil, p
	}
	var m model.Model
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, []schema.Problem{decodeProblem(err)}
	}
	return &m, nil
}

// decodeProblem words what the schema does not check: amounts with too many
// decimals, whole numbers written with a fraction.
func decodeProblem(err error) schema.Problem {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		return schema.Problem{Path: typ.Field, Message: fmt.Sprintf("want %s, got %s", typ.Type, typ.Value)}
	}
	return schema.Problem{Message: strings.TrimPrefix(err.Error(), "json: ")}
}
