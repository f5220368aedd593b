package mock

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita/internal/jsonscan"
)

// Bounds of a sample, against schemas that recurse or multiply.
const (
	maxSchemaDepth  = 8
	maxSchemaValues = 2000
)

// sample writes a JSON value that follows a JSON schema: the keywords of
// structured output (type, properties, required, items, enum, const, $ref,
// anyOf, oneOf, allOf, format, bounds). Where it can't, it writes null.
func sample(schema []byte, topic string, rng *rand.Rand) []byte {
	s := sampler{root: schema, topic: plainTopic(topic), rng: rng}
	return s.value(nil, schema, "answer", 0)
}

type sampler struct {
	root   []byte
	topic  string
	rng    *rand.Rand
	values int // written so far
}

// member returns a member of an object schema, nil if it is absent.
func member(schema []byte, key string) (value []byte) {
	jsonscan.Each(schema, func(k, v []byte) bool {
		if len(k) == len(key)+2 && string(k[1:len(k)-1]) == key {
			value = v
		}
		return value == nil
	})
	return value
}

func (s *sampler) value(dst, schema []byte, name string, depth int) []byte {
	s.values++
	if s.values > maxSchemaValues || depth > maxSchemaDepth || len(schema) == 0 || schema[0] != '{' {
		return append(dst, "null"...)
	}
	if v := member(schema, "const"); v != nil {
		return append(dst, v...)
	}
	if v := elements(member(schema, "enum")); len(v) > 0 {
		return append(dst, v[s.rng.IntN(len(v))]...)
	}
	if ref := member(schema, "$ref"); ref != nil {
		return s.value(dst, s.resolve(ref), name, depth+1)
	}
	for _, key := range [...]string{"anyOf", "oneOf", "allOf"} {
		if v := elements(member(schema, key)); len(v) > 0 {
			return s.value(dst, v[0], name, depth+1)
		}
	}
	switch typeOf(schema) {
	case "object":
		return s.object(dst, schema, depth)
	case "array":
		return s.array(dst, schema, name, depth)
	case "string":
		return appendString(dst, s.text(schema, name))
	case "integer", "number":
		return strconv.AppendFloat(dst, s.number(schema), 'f', -1, 64)
	case "boolean":
		return strconv.AppendBool(dst, s.rng.IntN(2) == 0)
	}
	return append(dst, "null"...)
}

// typeOf is the type of a schema: the first of several, or what its other
// keywords imply.
func typeOf(schema []byte) string {
	t := member(schema, "type")
	if all := elements(t); len(all) > 0 {
		t = all[0]
	}
	name, err := jsonscan.Unquote(t)
	switch {
	case err == nil:
		return name
	case member(schema, "items") != nil:
		return "array"
	}
	return "object"
}

// elements lists the elements of an array.
func elements(array []byte) (out [][]byte) {
	if len(array) > 0 && array[0] == '[' {
		jsonscan.Each(array, func(_, v []byte) bool { out = append(out, v); return true })
	}
	return out
}

// resolve follows a local reference such as "#/$defs/name".
func (s *sampler) resolve(ref []byte) []byte {
	path, err := jsonscan.Unquote(ref)
	rest, local := strings.CutPrefix(path, "#")
	if err != nil || !local {
		return nil
	}
	at := s.root
	for key := range strings.SplitSeq(strings.TrimPrefix(rest, "/"), "/") {
		if key != "" {
			at = member(at, strings.NewReplacer("~1", "/", "~0", "~").Replace(key))
		}
	}
	return at
}

func (s *sampler) object(dst, schema []byte, depth int) []byte {
	dst = append(dst, '{')
	first := true
	jsonscan.Each(member(schema, "properties"), func(k, v []byte) bool {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(dst, k...), ':')
		dst = s.value(dst, v, string(k[1:len(k)-1]), depth+1)
		return true
	})
	return append(dst, '}')
}

func (s *sampler) array(dst, schema []byte, name string, depth int) []byte {
	low := int(numeric(member(schema, "minItems"), 1))
	high := int(numeric(member(schema, "maxItems"), float64(max(low, 2))))
	n := max(0, min(low, high, 32))
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s.value(dst, member(schema, "items"), name, depth+1)
	}
	return append(dst, ']')
}

func numeric(raw []byte, def float64) float64 {
	if v, err := strconv.ParseFloat(string(raw), 64); err == nil {
		return v
	}
	return def
}

// number picks a whole number within the bounds of the schema.
func (s *sampler) number(schema []byte) float64 {
	low := math.Ceil(numeric(member(schema, "minimum"), numeric(member(schema, "exclusiveMinimum"), 0)+1))
	high := math.Floor(numeric(member(schema, "maximum"), numeric(member(schema, "exclusiveMaximum"), low+100)-1))
	if high <= low {
		return low
	}
	return low + float64(s.rng.IntN(int(min(high-low, 1000))+1))
}

// text writes a string of the demanded format and length.
func (s *sampler) text(schema []byte, name string) string {
	format, _ := jsonscan.Unquote(member(schema, "format")) // none or no string: plain text
	var text string
	switch format {
	case "date":
		text = "2026-03-14"
	case "date-time":
		text = "2026-03-14T09:26:53Z"
	case "time":
		text = "09:26:53Z"
	case "email":
		text = "demo@example.com"
	case "uri", "url":
		text = "https://example.com/demo"
	case "uuid":
		text = "01890a5d-ac96-774b-bcce-b302099a8057"
	case "ipv4":
		text = "192.0.2.1"
	default:
		text = strings.TrimSpace(strings.ReplaceAll(name, "_", " ") + " for " + s.topic)
	}
	if low := int(numeric(member(schema, "minLength"), 0)); len(text) < low {
		text += strings.Repeat(".", min(low, 4096)-len(text))
	}
	if high := numeric(member(schema, "maxLength"), -1); high >= 0 {
		runes := []rune(text)
		text = string(runes[:min(len(runes), int(high))])
	}
	return text
}
