// Package strict decodes JSON into Go values and refuses what it does not
// know: unknown members, duplicate members and values of another type are
// errors that name the path of the field and what was expected.
//
// It exists because encoding/json drops duplicates, accepts members in any
// letter case and reports an unknown member without its path. A Decoder reads
// the `json` tags of structs; types with their own UnmarshalJSON or
// UnmarshalText keep it. A null leaves the field as it was, as if the member
// were absent. Embedded structs and `,string` are not supported.
//
// A Decoder is immutable and safe for concurrent use.
package strict

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
)

// Decoder reads values of one type.
type Decoder[T any] struct {
	op   string
	node *node
}

// For compiles the decoder of T, a struct. op names the operation in errors.
func For[T any](op string) Decoder[T] {
	return Decoder[T]{op: op, node: compile(reflect.TypeFor[T](), map[reflect.Type]*node{})}
}

// Decode reads raw, a whole JSON text, into v. The errors are KindInvalid.
func (d Decoder[T]) Decode(raw []byte, v *T) *model.Error {
	obj, err := jsonscan.Parse(raw)
	if err != nil {
		return ScanError(d.op, err)
	}
	return d.DecodeValue(obj.Raw, "", v)
}

// DecodeValue reads raw, a JSON value that was validated before and stands at
// path, into v.
func (d Decoder[T]) DecodeValue(raw []byte, path string, v *T) *model.Error {
	err := d.node.decode(raw, path, reflect.ValueOf(v).Elem())
	if err != nil {
		err.Op = d.op
	}
	return err
}

// ScanError words an error of jsonscan.Parse for the caller.
func ScanError(op string, err error) *model.Error {
	if dup, ok := err.(*jsonscan.DuplicateError); ok { //nolint:errorlint // Parse returns it bare
		return model.Invalidf(op, dup.Key, "stands twice in the body; want it once")
	}
	return model.Invalidf(op, "", "the body is not a valid JSON object: %v", err)
}

// node is the compiled form of a type.
type node struct {
	kind   nodeKind
	typ    reflect.Type
	want   string           // in words
	elem   *node            // of pointers, slices and maps
	fields map[string]field // of structs
}

type field struct {
	index []int
	node  *node
}

type nodeKind uint8

const (
	kindCustom nodeKind = iota // UnmarshalJSON
	kindText                   // UnmarshalText
	kindRaw
	kindStruct
	kindPointer
	kindSlice
	kindMap
	kindScalar
)

func compile(t reflect.Type, seen map[reflect.Type]*node) *node {
	if n, ok := seen[t]; ok {
		return n
	}
	n := &node{typ: t, want: wantOf(t)}
	seen[t] = n
	p := reflect.PointerTo(t)
	switch {
	case t == reflect.TypeFor[json.RawMessage]():
		n.kind = kindRaw
	case p.Implements(reflect.TypeFor[json.Unmarshaler]()):
		n.kind = kindCustom
	case p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		n.kind, n.want = kindText, "a string"
	case t.Kind() == reflect.Struct:
		n.kind, n.fields = kindStruct, structFields(t, seen)
	case t.Kind() == reflect.Pointer:
		n.kind, n.elem = kindPointer, compile(t.Elem(), seen)
	case t.Kind() == reflect.Slice:
		n.kind, n.elem = kindSlice, compile(t.Elem(), seen)
	case t.Kind() == reflect.Map:
		n.kind, n.elem = kindMap, compile(t.Elem(), seen)
	default:
		n.kind = kindScalar
	}
	return n
}

func structFields(t reflect.Type, seen map[reflect.Type]*node) map[string]field {
	fields := make(map[string]field, t.NumField())
	for _, f := range reflect.VisibleFields(t) { // those of embedded structs included
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		fields[name] = field{f.Index, compile(f.Type, seen)}
	}
	return fields
}

func wantOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "an integer"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}

func (n *node) decode(raw []byte, path string, v reflect.Value) *model.Error {
	if string(raw) == "null" {
		return nil
	}
	switch n.kind {
	case kindRaw:
		v.SetBytes(append([]byte(nil), raw...))
		return nil
	case kindCustom:
		err := v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(raw)
		return n.wrap(err, raw, path)
	case kindText:
		return n.text(raw, path, v)
	case kindStruct:
		return n.object(raw, path, v)
	case kindPointer:
		p := reflect.New(n.typ.Elem())
		if err := n.elem.decode(raw, path, p.Elem()); err != nil {
			return err
		}
		v.Set(p)
		return nil
	case kindSlice:
		return n.slice(raw, path, v)
	case kindMap:
		return n.mapping(raw, path, v)
	}
	return n.scalar(raw, path, v)
}

// Describe says in words what kind of JSON value raw is.
func Describe(raw []byte) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

func (n *node) mismatch(raw []byte, path string) *model.Error {
	return model.Invalidf("", path, "want %s, found %s", n.want, Describe(raw))
}

// wrap words an error that the type of raw makes itself.
func (n *node) wrap(err error, raw []byte, path string) *model.Error {
	if err == nil {
		return nil
	}
	if n.typ == reflect.TypeFor[time.Time]() { // its own words name Go's layout
		return model.Invalidf("", path, "%.40s: want a time such as 2026-11-23T18:00:00Z", raw)
	}
	return model.Invalidf("", path, "%s", err.Error())
}

func (n *node) text(raw []byte, path string, v reflect.Value) *model.Error {
	s, err := jsonscan.Unquote(raw)
	if err != nil {
		return n.mismatch(raw, path)
	}
	return n.wrap(v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)), raw, path)
}

func (n *node) object(raw []byte, path string, v reflect.Value) *model.Error {
	return n.members(raw, path, func(key string, value []byte) *model.Error {
		f, ok := n.fields[key]
		if !ok {
			return n.unknown(key, path)
		}
		return f.node.decode(value, Join(path, key), v.FieldByIndex(f.index))
	})
}

func (n *node) mapping(raw []byte, path string, v reflect.Value) *model.Error {
	m := reflect.MakeMap(n.typ)
	err := n.members(raw, path, func(key string, value []byte) *model.Error {
		e := reflect.New(n.typ.Elem()).Elem()
		err := n.elem.decode(value, Join(path, key), e)
		m.SetMapIndex(reflect.ValueOf(key).Convert(n.typ.Key()), e)
		return err
	})
	v.Set(m)
	return err
}

// members calls f for each member of an object and refuses duplicates.
func (n *node) members(raw []byte, path string, f func(key string, value []byte) *model.Error) *model.Error {
	if raw[0] != '{' {
		return n.mismatch(raw, path)
	}
	var failed *model.Error
	seen := make(map[string]bool, 8)
	jsonscan.Each(raw, func(k, value []byte) bool {
		key, err := jsonscan.Unquote(k)
		switch {
		case err != nil:
			failed = model.Invalidf("", path, "the key %s is not valid: %v", k, err)
		case seen[key]:
			failed = model.Invalidf("", Join(path, key), "stands twice; want it once")
		default:
			seen[key] = true
			failed = f(key, value)
		}
		return failed == nil
	})
	return failed
}

func (n *node) slice(raw []byte, path string, v reflect.Value) *model.Error {
	if raw[0] != '[' {
		return n.mismatch(raw, path)
	}
	var failed *model.Error
	out := reflect.MakeSlice(n.typ, 0, 4)
	jsonscan.Each(raw, func(_, value []byte) bool {
		e := reflect.New(n.typ.Elem()).Elem()
		failed = n.elem.decode(value, path+"["+strconv.Itoa(out.Len())+"]", e)
		out = reflect.Append(out, e)
		return failed == nil
	})
	v.Set(out)
	return failed
}

func (n *node) scalar(raw []byte, path string, v reflect.Value) *model.Error {
	switch k := n.typ.Kind(); {
	case k == reflect.String && raw[0] == '"':
		s, err := jsonscan.Unquote(raw)
		v.SetString(s)
		return n.wrap(err, raw, path)
	case k == reflect.Bool && (raw[0] == 't' || raw[0] == 'f'):
		v.SetBool(raw[0] == 't')
		return nil
	case v.CanInt() && isNumber(raw):
		i, err := strconv.ParseInt(string(raw), 10, n.typ.Bits())
		if err != nil {
			return model.Invalidf("", path, "want an integer of at most %d bits, found %s", n.typ.Bits(), raw)
		}
		v.SetInt(i)
		return nil
	case v.CanFloat() && isNumber(raw):
		f, err := strconv.ParseFloat(string(raw), n.typ.Bits())
		if err != nil {
			return model.Invalidf("", path, "want a number that fits a float, found %s", raw)
		}
		v.SetFloat(f)
		return nil
	}
	return n.mismatch(raw, path)
}

func isNumber(raw []byte) bool { return raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' }

// Join appends a key to a path: "context" + "priority".
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (n *node) unknown(key, path string) *model.Error {
	names := make([]string, 0, len(n.fields))
	for name := range n.fields {
		names = append(names, name)
	}
	hint := Hint(key, names)
	if hint == "" {
		slices.Sort(names)
		hint = "; there are " + strings.Join(names, ", ")
	}
	return model.Invalidf("", Join(path, key), "unknown field%s", hint)
}

// Hint words the nearest of the known names: `; did you mean "x"?`. It is
// empty when none is near.
func Hint(name string, known []string) string {
	best, bestDistance := "", len(name)/2+1
	for _, k := range known {
		if d := distance(name, k, bestDistance); d < bestDistance || d == bestDistance && best != "" && k < best {
			best, bestDistance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is the edit distance of a and b, or more than limit when it passes limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit || len(a) > 64 {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			substitute := diagonal
			if a[i-1] != b[j-1] {
				substitute++
			}
			diagonal = row[j]
			row[j] = min(substitute, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
