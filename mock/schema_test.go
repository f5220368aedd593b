package mock

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// valid reports whether a sample follows its schema.
func valid(t testing.TB, schema, value []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mem://schema", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("mem://schema")
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return err
	}
	return compiled.Validate(instance)
}

func TestSampleFollowsTheSchema(t *testing.T) {
	for _, schema := range []string{
		`{"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["c","f"]}},"required":["city"],"additionalProperties":false}`,
		`{"type":"object","properties":{"steps":{"type":"array","items":{"$ref":"#/$defs/step"},"minItems":3}},"$defs":{"step":{"type":"object","properties":{"n":{"type":"integer","minimum":5,"maximum":6},"note":{"type":["null","string"]}},"required":["n","note"]}}}`,
		`{"anyOf":[{"type":"number","exclusiveMinimum":3},{"type":"null"}]}`,
		`{"type":"object","properties":{"at":{"type":"string","format":"date-time"},"id":{"type":"string","format":"uuid"},"mail":{"type":"string","format":"email"},"day":{"type":"string","format":"date"},"link":{"type":"string","format":"uri"}},"required":["at","id","mail","day","link"]}`,
		`{"type":"string","minLength":40,"maxLength":50}`,
		`{"const":{"a":[1,2]}}`,
		`{"type":"array","items":{"type":"boolean"},"minItems":0,"maxItems":0}`,
		`{"properties":{"x":{"items":{"const":1}}}}`,
		`true`,
	} {
		if err := valid(t, []byte(schema), sample([]byte(schema), `topic "x" \`, rand.New(rand.NewPCG(1, 2)))); err != nil {
			t.Errorf("%s: %v", schema, err)
		}
	}
}

// genSchema makes schemas of the keywords that structured output uses.
func genSchema(depth int) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		kinds := []string{"string", "integer", "number", "boolean", "null", "enum"}
		if depth > 0 {
			kinds = append(kinds, "object", "array", "anyOf")
		}
		switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
		case "integer", "number":
			low := rapid.IntRange(-100, 100).Draw(t, "minimum")
			return map[string]any{"type": kind, "minimum": low, "maximum": low + rapid.IntRange(1, 50).Draw(t, "width")}
		case "enum":
			return map[string]any{"enum": rapid.SliceOfN(rapid.String(), 1, 4).Draw(t, "enum")}
		case "object":
			properties, required := map[string]any{}, []string{}
			for range rapid.IntRange(0, 4).Draw(t, "properties") {
				name := rapid.String().Draw(t, "name")
				properties[name] = genSchema(depth-1).Draw(t, "property")
			}
			for name := range properties {
				required = append(required, name)
			}
			return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
		case "array":
			return map[string]any{"type": "array", "items": genSchema(depth-1).Draw(t, "items"), "minItems": rapid.IntRange(0, 3).Draw(t, "minItems")}
		case "anyOf":
			return map[string]any{"anyOf": []any{genSchema(depth-1).Draw(t, "first"), genSchema(depth-1).Draw(t, "second")}}
		default:
			return map[string]any{"type": kind}
		}
	})
}

func TestSampleFollowsAnySchema(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		schema, err := json.Marshal(genSchema(3).Draw(rt, "schema"))
		if err != nil {
			rt.Fatal(err)
		}
		topic := rapid.String().Draw(rt, "topic")
		got := sample(schema, topic, rand.New(rand.NewPCG(1, rapid.Uint64().Draw(rt, "seed"))))
		if err := valid(t, schema, got); err != nil {
			rt.Fatalf("%s\n%s: %v", schema, got, err)
		}
	})
}

// A schema that multiplies ends within bounds.
func TestSampleIsBounded(t *testing.T) {
	schema := []byte(`{"$ref":"#/$defs/a","$defs":{"a":{"type":"array","minItems":32,"items":{"$ref":"#/$defs/a"}}}}`)
	got := sample(schema, "x", rand.New(rand.NewPCG(1, 2)))
	if len(got) > 100_000 || !json.Valid(got) {
		t.Errorf("a sample of %d bytes", len(got))
	}
}

func TestAppendStringIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		var got, want string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(s)
		_ = json.Unmarshal(b, &want) // encoding/json's own
		if got != want {
			t.Fatalf("%q became %q, want %q", s, got, want)
		}
	})
}
