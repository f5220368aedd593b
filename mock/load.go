package mock

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/cartrita/cartrita/model"
)

// file is the shape of a profile file.
type file struct {
	Models []Profile `yaml:"models"`
}

// Load reads profiles from YAML: a member "models" with a list of profiles.
// name is the file's, for messages. Unknown members are refused. Errors are
// KindInvalid, and say the line and column where the text is at fault.
func Load(name string, data []byte) ([]Profile, error) {
	const op = "mock.Load"
	var f file
	err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict(), yaml.DisallowUnknownField())
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, &model.Error{Op: op, Kind: model.KindInvalid, Param: name, Message: place(data, err)}
	}
	if len(f.Models) == 0 {
		return nil, model.Invalidf(op, name, "holds no models: want a member \"models\" with a list of profiles")
	}
	seen := make(map[string]bool, len(f.Models))
	for i, p := range f.Models {
		p = p.withDefaults()
		err := p.validate()
		if err == nil && seen[p.Name] {
			err = model.Invalidf(op, "name", "%q stands twice", p.Name)
		}
		if e := model.AsError(err); e != nil {
			return nil, model.Invalidf(op, fmt.Sprintf("%s: models[%d].%s", name, i, e.Param), "%s", e.Message)
		}
		seen[p.Name] = true
	}
	return f.Models, nil
}

// place words a YAML error on one line, its place first: "[3:5] unknown field
// "ttf"".
func place(data []byte, err error) string {
	text := yaml.FormatError(err, false, false)
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if strings.HasPrefix(line, "[") {
		return line
	}
	// Errors of the values themselves, such as durations, come without a place.
	if parsed, e := parser.ParseBytes(data, 0); e == nil && len(parsed.Docs) > 0 {
		if at := culprit(parsed.Docs[0].Body, reflect.TypeFor[file]()); at != nil {
			pos := at.GetToken().Position
			return fmt.Sprintf("[%d:%d] %s", pos.Line, pos.Column, line)
		}
	}
	return line
}

// culprit finds the innermost node below n that does not decode as t.
func culprit(n ast.Node, t reflect.Type) ast.Node {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n == nil || yaml.NodeToValue(n, reflect.New(t).Interface(), yaml.Strict()) == nil {
		return nil
	}
	switch n := n.(type) {
	case *ast.SequenceNode:
		for _, v := range n.Values {
			if t.Kind() != reflect.Slice {
				break
			}
			if at := culprit(v, t.Elem()); at != nil {
				return at
			}
		}
	case *ast.MappingNode:
		for _, v := range n.Values {
			field, ok := fieldOf(t, v.Key.String())
			if at := culprit(v.Value, field); ok && at != nil {
				return at
			}
		}
	}
	return n
}

// fieldOf returns the type of the struct's field with a YAML name.
func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	if t.Kind() != reflect.Struct {
		return reflect.TypeFor[any](), false
	}
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if tag == name {
			return t.Field(i).Type, true
		}
	}
	return reflect.TypeFor[any](), false
}
