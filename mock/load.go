package mock

import (
	"errors"
	"fmt"
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

// maxFile is the largest profile file, in bytes.
const maxFile = 1 << 20

// Load reads profiles from YAML: a member "models" with a list of profiles.
// name is the file's, for messages. Unknown members are refused, and so are
// anchors, aliases and tags. Errors are KindInvalid, and say the line and
// column where the text is at fault.
func Load(name string, data []byte) ([]Profile, error) {
	const op = "mock.Load"
	f, err := readFile(data)
	if err != nil {
		return nil, &model.Error{Op: op, Kind: model.KindInvalid, Param: name, Message: err.Error()}
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

// readFile reads the file's text. Its errors are messages with a place.
func readFile(data []byte) (f file, err error) {
	defer func() {
		if recover() != nil { // the parser is a third party's, the input anybody's
			err = errors.New("could not be read as YAML")
		}
	}()
	if len(data) > maxFile {
		return f, fmt.Errorf("is larger than %d bytes", maxFile)
	}
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		return f, errors.New(firstLine(err))
	}
	if len(parsed.Docs) > 1 {
		return f, errors.New("holds several documents: want one")
	}
	if len(parsed.Docs) == 0 || parsed.Docs[0].Body == nil {
		return f, nil
	}
	body := parsed.Docs[0].Body
	var plain plainness
	ast.Walk(&plain, body)
	if plain.bad != nil {
		return f, errors.New(placed(plain.bad, "anchors, aliases, merges and tags are not taken here"))
	}
	if err := yaml.NodeToValue(body, &f, yaml.Strict()); err != nil {
		return f, errors.New(place(body, err))
	}
	return f, nil
}

// plainness looks for notation that is not taken.
type plainness struct{ bad ast.Node }

// Visit implements ast.Visitor.
func (p *plainness) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		p.bad = n
	}
	if p.bad != nil {
		return nil
	}
	return p
}

// placed puts the place of a node before a message: "[3:5] message".
func placed(n ast.Node, message string) string {
	pos := n.GetToken().Position
	return fmt.Sprintf("[%d:%d] %s", pos.Line, pos.Column, message)
}

// firstLine is the message of a YAML error without the text it shows.
func firstLine(err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(yaml.FormatError(err, false, false)), "\n")
	return line
}

// place words a decoding error on one line, its place first. Errors of the
// values themselves, such as durations, come without a place; it is found by
// decoding part by part.
func place(body ast.Node, err error) string {
	line := firstLine(err)
	if strings.HasPrefix(line, "[") {
		return line
	}
	if at := culprit(body, reflect.TypeFor[file]()); at != nil {
		return placed(at, line)
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
