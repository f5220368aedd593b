package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/model"
)

func validator(t testing.TB) *Validator {
	t.Helper()
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCheck(t *testing.T) {
	v := validator(t)
	valid := `{"model_id":"a/b","provider":"a","task_types":["embeddings"]}`
	if p := v.CheckJSON([]byte(valid)); p != nil {
		t.Fatalf("a valid record has problems: %v", p)
	}
	for _, c := range []struct {
		name, doc string
		want      []string
	}{
		{"missing", `{}`, []string{"model_id: is required", "provider: is required", "task_types: is required"}},
		{"typo", `{"model_id":"a","provider":"a","task_types":["embeddings"],"contxt_length":1}`,
			[]string{`contxt_length: is not a known field: did you mean "context_length"?`}},
		{"nested typo", `{"model_id":"a","provider":"a","task_types":["embeddings"],"cost_profile":{"input_usd":1}}`,
			[]string{`cost_profile.input_usd: is not a known field: did you mean "input_usd_per_million" or "audio_input_usd_per_million" or "image_input_usd_per_million"?`}},
		{"types", `{"model_id":1,"provider":"a","task_types":"embeddings","context_length":1.5}`,
			[]string{"context_length: want integer, got number", "model_id: want string, got number", "task_types: want array, got string"}},
		{"enum", `{"model_id":"a","provider":"a","task_types":["chat"],"status":"on"}`,
			[]string{`status: want one of "active", "testing", "deprecated", "retired", got "on"`, `task_types[0]: want one of`}},
		{"ranges", `{"model_id":"a","provider":"a","task_types":["embeddings"],"context_length":0,"quality_metrics":{"mmlu":{"value":101}},"cost_profile":{"input_usd_per_million":-1}}`,
			[]string{"context_length: want at least 1, got 0", "cost_profile.input_usd_per_million: want at least 0, got -1", "quality_metrics.mmlu.value: want at most 100, got 101"}},
		{"empty list", `{"model_id":"a","provider":"a","task_types":[]}`, []string{"task_types: want at least 1 items, got 0"}},
		{"spaces", `{"model_id":"a b","provider":"a","task_types":["embeddings"]}`, []string{"model_id: want a name that matches"}},
		{"time", `{"model_id":"a","provider":"a","task_types":["embeddings"],"last_benchmark":"yesterday"}`, []string{"last_benchmark: want a date-time such as"}},
		{"not an object", `[]`, []string{": want object, got array"}},
		{"not JSON", `{`, []string{": want one JSON object"}},
		{"absurd number", `{"model_id":"a","provider":"a","task_types":["embeddings"],"context_length":1e999999999}`, []string{"context_length: want a number of sensible size"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := v.CheckJSON([]byte(c.doc))
			if len(got) != len(c.want) {
				t.Fatalf("got %d problems %v: want %d", len(got), got, len(c.want))
			}
			for i, p := range got {
				if line := p.Path + ": " + p.Message; !strings.HasPrefix(line, c.want[i]) {
					t.Errorf("got %q: want %q", line, c.want[i])
				}
			}
		})
	}
}

// TestSchemaMatchesModel keeps the schema and the Go types from drifting
// apart: the same fields, and the same names in the enumerations.
func TestSchemaMatchesModel(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal(Model(), &doc); err != nil {
		t.Fatal(err)
	}
	defs := doc["$defs"].(map[string]any)
	for _, c := range []struct {
		node  any
		typ   reflect.Type
		extra string
	}{
		{doc, reflect.TypeFor[model.Model](), "$schema"},
		{defs["figure"], reflect.TypeFor[model.Figure](), ""},
		{defs["pricing"], reflect.TypeFor[model.Pricing](), ""},
		{defs["price_tier"], reflect.TypeFor[model.PriceTier](), ""},
	} {
		props := c.node.(map[string]any)["properties"].(map[string]any)
		delete(props, c.extra)
		got, want := slices.Sorted(maps.Keys(props)), []string{}
		for i := range c.typ.NumField() {
			name, _, _ := strings.Cut(c.typ.Field(i).Tag.Get("json"), ",")
			want = append(want, name)
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the schema has %v, the type %v", c.typ, got, want)
		}
	}
	for i := 0; ; i++ { // every task and feature of the vocabulary is allowed
		name, ok := nameOf(func() string { return model.Task(i).String() })
		if !ok {
			break
		}
		if !strings.Contains(fmt.Sprint(defs["task"]), name) {
			t.Errorf("the schema does not know the task %q", name)
		}
	}
	for i := 0; ; i++ {
		name, ok := nameOf(func() string { return model.Feature(i).String() })
		if !ok {
			break
		}
		if !strings.Contains(fmt.Sprint(defs["features"]), name) {
			t.Errorf("the schema does not know the feature %q", name)
		}
	}
}

func nameOf(f func() string) (name string, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return f(), true
}

func FuzzCheckJSON(f *testing.F) {
	v := validator(f)
	f.Add([]byte(`{"model_id":"a/b","provider":"a","task_types":["embeddings"],"cost_profile":{"input_usd_per_million":1e-9}}`))
	f.Add([]byte(`{"model_id":1e400,"quality_metrics":{"x":{"value":-1e300}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if p := v.CheckJSON(doc); p == nil {
			var m model.Model
			if err := json.Unmarshal(doc, &m); err == nil && m.ID == "" {
				t.Errorf("a record without id passed: %s", doc)
			}
		}
	})
}

func BenchmarkCheckJSON(b *testing.B) {
	v := validator(b)
	doc := []byte(`{"model_id":"a/b","provider":"a","task_types":["chat-completions","embeddings"],"context_length":128000,"cost_profile":{"input_usd_per_million":0.05,"output_usd_per_million":0.08},"status":"active"}`)
	for b.Loop() {
		if p := v.CheckJSON(doc); p != nil {
			b.Fatal(p)
		}
	}
}

func ExampleValidator_CheckJSON() {
	v, err := New()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range v.CheckJSON([]byte(`{"model_id":"acme/tiny","provider":"acme","task_types":["chat-completions"],"licence":"mit"}`)) {
		fmt.Println(p.Path, p.Message)
	}
	// Output: licence is not a known field: did you mean "license"?
}
