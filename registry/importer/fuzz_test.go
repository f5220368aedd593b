package importer

import (
	"encoding/json"
	"testing"
)

// fuzzFormat checks of any input that it is an error or records, and that each
// record is a model, problems or a reason to skip it.
func fuzzFormat(f *testing.F, format Format, samples ...string) {
	o := options(f, "")
	for _, s := range samples {
		seed(f, s)
	}
	f.Add([]byte(`{"a":{"b":{"c":[1e999]}}}`))
	f.Add([]byte("{\"data\":[[],null,1,\"x\",{}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(format, data, o)
		if err != nil {
			if file != nil {
				t.Error("an error and a file")
			}
			return
		}
		for _, r := range file.Records {
			if (r.Model == nil) == (r.Problems == nil && r.Skip == "") {
				t.Errorf("%s: want a model, problems or a skip: %+v", r.Path, r)
			}
			if r.Model != nil {
				if _, err := json.Marshal(r.Model); err != nil {
					t.Errorf("%s: cannot be stored: %v", r.Path, err)
				}
			}
		}
	})
}

// seed adds the entries of a sample one by one: mutating a whole file is slow.
func seed(f *testing.F, file string) {
	data := sample(f, file)
	entries, top, err := entriesOf(data, "data", "models")
	if err != nil || len(entries) < 2 { // not one JSON value: YAML or lines
		f.Add(data)
		return
	}
	for _, e := range entries {
		switch {
		case e.key != "":
			name, _ := json.Marshal(e.key)
			f.Add([]byte("{" + string(name) + ":" + string(e.raw) + "}"))
		case top != "":
			f.Add([]byte(`{"` + top + `":[` + string(e.raw) + "]}"))
		default:
			f.Add([]byte(e.raw))
		}
	}
}

func FuzzLiteLLM(f *testing.F)     { fuzzFormat(f, LiteLLM, "litellm.json") }
func FuzzOpenRouter(f *testing.F)  { fuzzFormat(f, OpenRouter, "openrouter.json") }
func FuzzHuggingFace(f *testing.F) { fuzzFormat(f, HuggingFace, "hub.json") }
func FuzzCartrita(f *testing.F)    { fuzzFormat(f, Cartrita, "models.yaml", "models.jsonl") }
func FuzzAuto(f *testing.F) {
	fuzzFormat(f, Auto, "litellm.json", "openrouter.json", "hub.json", "models.yaml")
}

func BenchmarkLiteLLM(b *testing.B) {
	data, o := sample(b, "litellm.json"), options(b, "")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse(LiteLLM, data, o); err != nil {
			b.Fatal(err)
		}
	}
}
