package importer

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func options(t testing.TB, name string) Options {
	t.Helper()
	v, err := schema.New()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Name: name, Now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Validator: v}
}

// TestParseSamples reads recorded samples in every format and compares what
// comes out with golden files.
func TestParseSamples(t *testing.T) {
	for file, want := range map[string]Format{
		"litellm.json": LiteLLM, "openrouter.json": OpenRouter, "hub.json": HuggingFace, "models.yaml": Cartrita, "models.jsonl": Cartrita,
	} {
		t.Run(file, func(t *testing.T) {
			data := sample(t, file)
			got, err := Parse(Auto, data, options(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if got.Format != want {
				t.Errorf("detected %q: want %q", got.Format, want)
			}
			golden(t, file+".golden", dump(got))
		})
	}
}

func sample(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// dump writes a parsed file for review: a record per block.
func dump(f *File) []byte {
	var b bytes.Buffer
	for _, r := range f.Records {
		fmt.Fprintf(&b, "%s\n", r.Path)
		switch {
		case r.Skip != "":
			fmt.Fprintf(&b, "  skipped: %s\n", r.Skip)
		case r.Problems != nil:
			for _, p := range r.Problems {
				fmt.Fprintf(&b, "  problem: %s: %s\n", p.Path, p.Message)
			}
		default:
			doc, _ := json.MarshalIndent(r.Model, "  ", "  ")
			fmt.Fprintf(&b, "  %s\n", doc)
		}
		if r.Ignored != nil {
			fmt.Fprintf(&b, "  ignored: %s\n", strings.Join(r.Ignored, " "))
		}
	}
	return b.Bytes()
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the result differs from %s (run with -update and review the diff); got:\n%s", path, got)
	}
}

func TestPricesAreExact(t *testing.T) {
	for in, want := range map[string]string{
		`2.5e-06`: "$2.5", `1e-05`: "$10", `"0.0000001"`: "$0.1", `0.00000015`: "$0.15", `3e-08`: "$0.03",
		`1.1e-06`: "$1.1", `1.0000000000000001e-07`: "$0.1", `0`: "$0", `"0"`: "$0", `6.25e-13`: "$0.000000625",
	} {
		var problems []schema.Problem
		f := fieldsOf(json.RawMessage(`{"p":`+in+`}`), &problems)
		got := f.perMillion("p")
		if problems != nil || got == nil || got.String() != want {
			t.Errorf("%s per token = %v per million, %v: want %s", in, got, problems, want)
		}
	}
	for _, in := range []string{`-1`, `"-1"`, `null`, `""`} {
		var problems []schema.Problem
		if got := fieldsOf(json.RawMessage(`{"p":`+in+`}`), &problems).perMillion("p"); got != nil || problems != nil {
			t.Errorf("%s = %v, %v: want unknown", in, got, problems)
		}
	}
	for _, in := range []string{`-2`, `"cheap"`, `1e300`, `{}`, `"NaN"`, `"Inf"`} {
		var problems []schema.Problem
		if got := fieldsOf(json.RawMessage(`{"p":`+in+`}`), &problems).perMillion("p"); got != nil || problems == nil {
			t.Errorf("%s = %v: want a problem", in, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		format Format
		data   string
		want   string
	}{
		{"empty", Auto, " \n", "the file is empty"},
		{"cut JSON", LiteLLM, "{\"a\": {\n  \"mode\": \"ch", "line 2 column"},
		{"wrong JSON", OpenRouter, "{\"data\": [\n  {\"id\" 1}]}", "line 2 column"},
		{"two values", LiteLLM, "{} {}", "want the end of the file"},
		{"a number", LiteLLM, "12", "want a JSON object or array"},
		{"YAML with a tab", Cartrita, "models:\n\t- a", "not readable as YAML: [2:1]"},
		{"YAML with aliases", Cartrita, "a: &x [1]\nb: [*x, *x]\n", "anchors, aliases and merge keys"},
		{"YAML text", Cartrita, "hello", "want a model record"},
		{"unknown format", "csv", "{}", `unknown format "csv"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.format, []byte(c.data), options(t, "f"))
			if model.KindOf(err) != model.KindInvalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v: want a KindInvalid with %q", err, c.want)
			}
		})
	}
	_, err := Parse(Auto, make([]byte, MaxBytes+1), options(t, "f"))
	if model.KindOf(err) != model.KindTooLarge {
		t.Errorf("got %v: want KindTooLarge", err)
	}
}

func TestDuplicateNames(t *testing.T) {
	f, err := Parse(LiteLLM, []byte(`{"a":{"litellm_provider":"x","mode":"chat"},"a":{"litellm_provider":"x","mode":"chat"}}`), options(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Records) != 2 || f.Records[0].Problems != nil || f.Records[1].Problems == nil {
		t.Errorf("want the second of two equal names to be a problem: %+v", f.Records)
	}
}

// TestOneRecord reads a file of one record without a list around it.
func TestOneRecord(t *testing.T) {
	for _, data := range []string{
		`{"model_id":"a/b","provider":"a","task_types":["embeddings"]}`,
		"model_id: a/b\nprovider: a\ntask_types: [embeddings]\n",
		`[{"model_id":"a/b","provider":"a","task_types":["embeddings"]}]`,
		`{"models":[{"model_id":"a/b","provider":"a","task_types":["embeddings"]}]}`,
		"\xef\xbb\xbf{\"model_id\":\"a/b\",\"provider\":\"a\",\"task_types\":[\"embeddings\"]}",
		"---\nmodel_id: a/b\nprovider: a\ntask_types: [embeddings]\n---\nmodel_id: a/c\nprovider: a\ntask_types: [embeddings]\n",
	} {
		f, err := Parse(Auto, []byte(data), options(t, ""))
		if err != nil {
			t.Errorf("%s: %v", data, err)
			continue
		}
		if f.Format != Cartrita || len(f.Records) == 0 || f.Records[0].Model == nil || f.Records[0].Model.ID != "a/b" || !f.Records[0].Full {
			t.Errorf("%s: got %s %+v", data, f.Format, f.Records)
		}
	}
}
