package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// decoder fills Go values from document nodes. It reports every problem that
// it meets and goes on.
type decoder struct {
	source   string
	problems []Problem
}

func (d *decoder) problem(n *node, path, format string, args ...any) {
	d.problems = append(d.problems, Problem{
		Source: d.source, Line: n.line, Column: n.column, Path: path, Message: fmt.Sprintf(format, args...),
	})
}

var (
	rawMessageType = reflect.TypeFor[json.RawMessage]()
)

// decode sets v from n. A null leaves v as it is: the default.
func (d *decoder) decode(n *node, v reflect.Value, path string) {
	if n.kind == kindNull {
		return
	}
	if v.Kind() == reflect.Pointer {
		fresh := reflect.New(v.Type().Elem())
		d.decode(n, fresh.Elem(), path)
		v.Set(fresh)
		return
	}
	if v.Type() == rawMessageType {
		if d.want(n, path, kindMapping) {
			v.SetBytes(n.json())
		}
		return
	}
	switch u := v.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		d.text(n, u, path)
		return
	case json.Unmarshaler: // amounts of money
		if n.kind != kindInt && n.kind != kindFloat {
			d.problem(n, path, "want a number, not %s", describe(n))
		} else if err := u.UnmarshalJSON([]byte(n.text)); err != nil {
			d.problem(n, path, "%s", err)
		}
		return
	}
	d.kind(n, v, path)
}

func (d *decoder) kind(n *node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.slice(n, v, path)
	case reflect.String:
		// A number is taken as the text that was written: "model: 4" is a name.
		if n.kind != kindString && n.kind != kindInt && n.kind != kindFloat {
			d.problem(n, path, "want text, not %s", describe(n))
			return
		}
		v.SetString(n.text)
	case reflect.Bool:
		if d.want(n, path, kindBool) {
			v.SetBool(n.text == "true")
		}
	case reflect.Int, reflect.Int64:
		if !d.want(n, path, kindInt) {
			return
		}
		i, err := strconv.ParseInt(n.text, 10, 64)
		if err != nil {
			d.problem(n, path, "%s does not fit 64 bits", n.text)
			return
		}
		v.SetInt(i)
	case reflect.Float64:
		f, err := strconv.ParseFloat(strings.ReplaceAll(n.text, "_", ""), 64)
		if n.kind != kindInt && n.kind != kindFloat || err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			d.problem(n, path, "want a number, not %s", describe(n))
			return
		}
		v.SetFloat(f)
	default:
		panic("config: no rule to read a " + v.Type().String()) // a field of a new type was added without one
	}
}

// want reports a problem unless n is of kind k.
func (d *decoder) want(n *node, path string, k kind) bool {
	if n.kind != k {
		d.problem(n, path, "want %s, not %s", kindNames[k], describe(n))
	}
	return n.kind == k
}

func (d *decoder) text(n *node, u encoding.TextUnmarshaler, path string) {
	if n.kind > kindString {
		d.problem(n, path, "want text, not %s", kindNames[n.kind])
		return
	}
	if err := u.UnmarshalText([]byte(n.text)); err != nil {
		msg := err.Error()
		if strings.HasPrefix(msg, "parsing time") {
			msg = fmt.Sprintf("%q: want a time such as 2026-11-23T18:00:00Z", n.text)
		}
		d.problem(n, path, "%s", msg)
	}
}

func (d *decoder) structure(n *node, v reflect.Value, path string) {
	if !d.want(n, path, kindMapping) {
		return
	}
	names, index := structFields(v.Type())
	for _, f := range n.fields {
		at := join(path, f.name)
		i, ok := index[f.name]
		if !ok {
			unknown := Problem{
				Source: d.source, Line: f.line, Column: f.column, Path: at,
				Message: "unknown field" + suggest(f.name, names),
			}
			if near := nearest(f.name, names); near != "" {
				unknown.meant = join(path, near)
			}
			d.problems = append(d.problems, unknown)
			continue
		}
		d.decode(f.value, v.Field(i), at)
	}
}

func (d *decoder) mapping(n *node, v reflect.Value, path string) {
	if !d.want(n, path, kindMapping) {
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.fields))
	for _, f := range n.fields {
		e := reflect.New(v.Type().Elem()).Elem()
		d.decode(f.value, e, join(path, f.name))
		m.SetMapIndex(reflect.ValueOf(f.name), e)
	}
	v.Set(m)
}

func (d *decoder) slice(n *node, v reflect.Value, path string) {
	if !d.want(n, path, kindSequence) {
		return
	}
	s := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		at := path + "[" + strconv.Itoa(i) + "]"
		if item.kind == kindNull {
			d.problem(item, at, "is empty")
			continue
		}
		d.decode(item, s.Index(i), at)
	}
	v.Set(s)
}

// describe names what stands in the document, for errors. Text is quoted up to
// a length, so that nothing long or secret fills the terminal.
func describe(n *node) string {
	switch {
	case n.kind == kindString && len(n.text) <= 40:
		return "the text " + strconv.Quote(n.text)
	case n.kind == kindInt || n.kind == kindFloat || n.kind == kindBool:
		return n.text
	}
	return kindNames[n.kind]
}

// structFields returns the names of t's fields in their order and their
// indices. The json tag names a field; one without a name is not read.
func structFields(t reflect.Type) (names []string, index map[string]int) {
	index = make(map[string]int, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		names = append(names, name)
		index[name] = i
	}
	return names, index
}
