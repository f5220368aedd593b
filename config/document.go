package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a document: a configuration is written by hand, so what passes
// them is a mistake or an attack by aliases of aliases.
const (
	maxDepth = 64
	maxNodes = 200_000
	maxBytes = 16 << 20
)

type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindInt
	kindFloat
	kindString
	kindSequence
	kindMapping
)

var kindNames = [...]string{"nothing", "true or false", "a whole number", "a number", "text", "a list", "a mapping"}

// node is one value of a document: YAML without its notation. Anchors, aliases
// and merge keys are resolved.
type node struct {
	kind   kind
	text   string // of a scalar: as written, or the decoded text of a string
	items  []*node
	fields []field // in the order of the document, without duplicates
	line   int
	column int
}

type field struct {
	name         string
	line, column int
	value        *node
}

// parseDocument reads one YAML document. An empty one is an empty mapping.
func parseDocument(source string, data []byte) (root *node, problems []Problem) {
	defer func() {
		if r := recover(); r != nil { // the parser is a third party's, the input anybody's
			root, problems = nil, []Problem{{Source: source, Message: "not readable as YAML"}}
		}
	}()
	if len(data) > maxBytes {
		return nil, []Problem{{Source: source, Message: fmt.Sprintf("is larger than %s", Size(maxBytes))}}
	}
	if !utf8.Valid(data) {
		return nil, []Problem{{Source: source, Message: "is not UTF-8 text"}}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, []Problem{syntaxProblem(source, err)}
	}
	t := &tree{source: source, anchors: map[string]*node{}}
	root = &node{kind: kindMapping, line: 1, column: 1}
	bodies := 0
	for _, d := range file.Docs {
		if d == nil || d.Body == nil {
			continue
		}
		if _, directive := d.Body.(*ast.DirectiveNode); directive {
			continue
		}
		n := t.build(d.Body, "", 0)
		if n == nil || n.kind == kindNull {
			continue
		}
		if bodies++; bodies > 1 {
			t.problems = append(t.problems, Problem{
				Source: source, Line: n.line, Column: n.column, Message: "a second document starts here; want one",
			})
			break
		}
		root = n
	}
	return root, t.problems
}

func syntaxProblem(source string, err error) Problem {
	p := Problem{Source: source, Message: "is not YAML"}
	var e yaml.Error
	if errors.As(err, &e) {
		p.Message = e.GetMessage()
		if tk := e.GetToken(); tk != nil && tk.Position != nil {
			p.Line, p.Column = tk.Position.Line, tk.Position.Column
		}
	}
	return p
}

// tree turns the parser's nodes into ours.
type tree struct {
	source   string
	anchors  map[string]*node
	nodes    int
	problems []Problem
}

func (t *tree) problem(tk *token.Token, path, format string, args ...any) {
	p := Problem{Source: t.source, Path: path, Message: fmt.Sprintf(format, args...)}
	p.Line, p.Column = position(tk)
	t.problems = append(t.problems, p)
}

func position(tk *token.Token) (line, column int) {
	if tk == nil || tk.Position == nil {
		return 1, 1
	}
	return max(tk.Position.Line, 1), max(tk.Position.Column, 1)
}

// build returns nil after it reported a problem that leaves nothing to go on with.
func (t *tree) build(a ast.Node, path string, depth int) *node {
	if a == nil {
		return &node{kind: kindNull, line: 1, column: 1}
	}
	tk := a.GetToken()
	if t.nodes++; t.nodes > maxNodes || depth > maxDepth {
		if t.nodes <= maxNodes+1 {
			t.nodes = maxNodes + 1
			t.problem(tk, path, "is nested too deep or too large: at most %d levels and %d values", maxDepth, maxNodes)
		}
		return nil
	}
	n := &node{}
	n.line, n.column = position(tk)
	switch a := a.(type) {
	case *ast.NullNode:
	case *ast.BoolNode:
		n.kind, n.text = kindBool, strconv.FormatBool(a.Value)
	case *ast.IntegerNode:
		n.kind, n.text = kindInt, fmt.Sprint(a.Value)
	case *ast.FloatNode:
		n.kind, n.text = kindFloat, a.Token.Value
	case *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text = kindFloat, tk.Value
	case *ast.StringNode:
		n.kind, n.text = kindString, a.Value
	case *ast.LiteralNode:
		n.kind, n.text = kindString, a.Value.Value
	case *ast.SequenceNode:
		n.kind = kindSequence
		t.sequence(n, a, path, depth)
	case *ast.MappingNode:
		n.kind = kindMapping
		t.mapping(n, a.Values, path, depth)
		if len(a.Values) > 0 && a.Values[0].Key != nil {
			n.line, n.column = position(a.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		n.kind = kindMapping
		t.mapping(n, []*ast.MappingValueNode{a}, path, depth)
		if a.Key != nil {
			n.line, n.column = position(a.Key.GetToken())
		}
	case *ast.AnchorNode:
		built := t.build(a.Value, path, depth+1)
		if built != nil && a.Name != nil {
			t.anchors[a.Name.GetToken().Value] = built
		}
		return built
	case *ast.AliasNode:
		return t.alias(a, path)
	case *ast.TagNode:
		return t.tagged(a, path, depth)
	default:
		t.problem(tk, path, "want a plain value, a list or a mapping")
		return nil
	}
	return n
}

func (t *tree) sequence(n *node, a *ast.SequenceNode, path string, depth int) {
	for i, v := range a.Values {
		if item := t.build(v, path+"["+strconv.Itoa(i)+"]", depth+1); item != nil {
			n.items = append(n.items, item)
		}
	}
}

func (t *tree) mapping(n *node, values []*ast.MappingValueNode, path string, depth int) {
	seen := make(map[string]int, len(values))
	var merged []*node
	for _, v := range values {
		if v == nil || v.Key == nil {
			continue
		}
		tk := v.Key.GetToken()
		if v.Key.IsMergeKey() {
			merged = append(merged, t.merge(v.Value, path, depth)...)
			continue
		}
		name, ok := keyText(v.Key)
		if !ok {
			t.problem(tk, path, "want a plain name as key")
			continue
		}
		at := join(path, name)
		if i, dup := seen[name]; dup {
			t.problem(tk, at, "is set twice; first on line %d", n.fields[i].line)
			continue
		}
		value := t.build(v.Value, at, depth+1)
		if value == nil {
			continue
		}
		seen[name] = len(n.fields)
		f := field{name: name, value: value}
		f.line, f.column = position(tk)
		n.fields = append(n.fields, f)
	}
	for _, m := range merged { // fields of its own win, then earlier merges
		for _, f := range m.fields {
			if _, dup := seen[f.name]; !dup {
				seen[f.name] = len(n.fields)
				n.fields = append(n.fields, f)
			}
		}
	}
}

// merge returns the mappings behind a merge key.
func (t *tree) merge(a ast.Node, path string, depth int) []*node {
	n := t.build(a, path, depth+1)
	if n == nil {
		return nil
	}
	list := []*node{n}
	if n.kind == kindSequence {
		list = n.items
	}
	for _, m := range list {
		if m.kind != kindMapping {
			t.problem(a.GetToken(), path, "want an alias of a mapping after <<")
			return nil
		}
	}
	return list
}

func (t *tree) alias(a *ast.AliasNode, path string) *node {
	name := ""
	if a.Value != nil {
		name = a.Value.GetToken().Value
	}
	n, ok := t.anchors[name]
	if !ok {
		t.problem(a.GetToken(), path, "no anchor &%s stands before this alias", name)
		return nil
	}
	if t.nodes += n.count(maxNodes); t.nodes > maxNodes {
		t.problem(a.GetToken(), path, "aliases expand to more than %d values", maxNodes)
		return nil
	}
	return n
}

// tagged reads "!!str 8080" as text and refuses every other tag.
func (t *tree) tagged(a *ast.TagNode, path string, depth int) *node {
	n := t.build(a.Value, path, depth+1)
	if n == nil {
		return nil
	}
	if a.Start.Value != "!!str" || n.kind > kindString {
		t.problem(a.GetToken(), path, "the tag %s is not understood", a.Start.Value)
		return nil
	}
	n.kind = kindString
	return n
}

func keyText(k ast.MapKeyNode) (string, bool) {
	switch k := k.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.MappingKeyNode:
		if inner, ok := k.Value.(ast.MapKeyNode); ok {
			return keyText(inner)
		}
		return "", false
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return k.GetToken().Value, true
	}
	return "", false
}

// count returns the number of values in n, at most limit.
func (n *node) count(limit int) int {
	c := 1
	for _, i := range n.items {
		if c += i.count(limit); c > limit {
			return limit + 1
		}
	}
	for _, f := range n.fields {
		if c += f.value.count(limit); c > limit {
			return limit + 1
		}
	}
	return c
}

// json returns the value as JSON; a number that JSON cannot hold becomes text.
func (n *node) json() []byte {
	switch n.kind {
	case kindNull:
		return []byte("null")
	case kindBool:
		return []byte(n.text)
	case kindInt, kindFloat:
		if f, err := strconv.ParseFloat(n.text, 64); err == nil {
			if b, err := json.Marshal(f); err == nil && n.kind == kindFloat {
				return b
			}
		}
		if n.kind == kindInt {
			return []byte(n.text)
		}
	case kindSequence:
		b := []byte{'['}
		for i, v := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, v.json()...)
		}
		return append(b, ']')
	case kindMapping:
		b := []byte{'{'}
		for i, f := range n.fields {
			if i > 0 {
				b = append(b, ',')
			}
			k, _ := json.Marshal(f.name)
			b = append(append(append(b, k...), ':'), f.value.json()...)
		}
		return append(b, '}')
	}
	b, _ := json.Marshal(n.text)
	return b
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
