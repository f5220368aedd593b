package anthropic

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
)

// TestRequests turns the calls of testdata/requests into requests. -update
// writes the expected requests.
func TestRequests(t *testing.T) {
	files, err := filepath.Glob("testdata/requests/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, rest, ok1 := strings.Cut(string(raw), "-- call --\n")
			call, want, _ := strings.Cut(rest, "-- request --\n")
			_, name, ok2 := strings.Cut(strings.TrimSpace(head), "model: ")
			if !ok1 || !ok2 {
				t.Fatalf("%s is not of the form: comment, model, call", file)
			}
			got := translated(t, name, call)
			if flag.Lookup("update").Value.String() == "true" {
				if err := os.WriteFile(file, []byte(head+"-- call --\n"+call+"-- request --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if refused := strings.HasPrefix(got, "refused"); refused != strings.Contains(file, "refused_") {
				t.Errorf("refused %v", refused)
			}
		})
	}
}

func translated(t *testing.T, name, call string) string {
	body, err := jsonscan.Parse([]byte(call))
	if err != nil {
		t.Fatal(err)
	}
	r, err := translate(DefaultMaxTokens, name, &model.Call{Surface: model.SurfaceChat, Body: body})
	if err != nil {
		e := model.AsError(err)
		return fmt.Sprintf("refused %s\n%s: %s\n", e.Kind, e.Param, e.Message)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, r.body(), "", "  "); err != nil {
		t.Fatalf("no JSON: %v: %s", err, r.body())
	}
	return out.String() + "\n"
}

func TestPrompt(t *testing.T) {
	for body, ok := range map[string]bool{
		`{"prompt":"a"}`: true, `{"prompt":["a"]}`: true, `{"prompt":["a","b"]}`: false, `{"prompt":[1,2]}`: false,
		`{"prompt":""}`: false, `{"prompt":null}`: false, `{}`: false, `{"prompt":"a","echo":true}`: false,
		`{"prompt":"a","suffix":"b"}`: false, `{"prompt":"a","best_of":2}`: false, `{"prompt":"a","echo":false,"best_of":1,"n":1}`: true,
	} {
		obj, err := jsonscan.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		_, err = translate(1, "m", &model.Call{Surface: model.SurfaceCompletions, Body: obj})
		if ok != (err == nil) || (!ok && model.KindOf(err) != model.KindInvalid) {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, err := translate(1, "m", &model.Call{Surface: model.SurfaceEmbeddings}); model.KindOf(err) != model.KindInvalid {
		t.Errorf("embeddings: %v", err)
	}
}

func TestTraits(t *testing.T) {
	for name, want := range map[string]int{
		"claude-3-haiku-20240307": 300, "claude-3-7-sonnet-20250219": 307, "claude-3-5-sonnet-latest": 305, "claude-sonnet-4-20250514": 400,
		"claude-opus-4-1-20250805": 401, "claude-sonnet-4-5@20250929": 405, "us.anthropic.claude-haiku-4-5-20251001-v1:0": 405,
		"anthropic.claude-opus-4-v1:0": 400, "anthropic/claude-opus-4.7": 407, "claude-opus-5": 500, "claude-haiku-5-5": 505,
		"claude-2.1": 201, "claude-instant-1.2": 102, "claude-mythos-preview": 9900, "claude-opus-latest": 9900,
	} {
		_, rest, _ := strings.Cut(name, "claude")
		if got := version(rest); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	if got := traitsOf("MiniMax-M2"); got != (traits{budget: true, sampling: true}) {
		t.Errorf("another vendor's model: %+v", got)
	}
}

func TestTrimRight(t *testing.T) {
	for in, want := range map[string]string{
		"a": "a", "a ": "a", "a \n\t ": "a", " ": "", "": "", `a\`: `a\`, `a\n`: `a\n`, "a\\ ": "a\\", "é \r\n": "é",
	} {
		raw, _ := json.Marshal(in)
		got, err := jsonscan.Unquote(trimRight(raw))
		if err != nil || got != want {
			t.Errorf("%q became %q, %v; want %q", in, got, err, want)
		}
	}
}

// FuzzTranslate: any call becomes a refusal or a request that is JSON with
// turns that alternate, and never panics.
func FuzzTranslate(f *testing.F) {
	files, _ := filepath.Glob("testdata/requests/*.txt")
	for _, file := range files {
		raw, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(raw), "-- call --\n")
		call, _, _ := strings.Cut(rest, "-- request --\n")
		f.Add("claude-sonnet-4-5", []byte(call))
		f.Add("claude-3-haiku", []byte(call))
	}
	f.Fuzz(func(t *testing.T, name string, call []byte) {
		body, err := jsonscan.Parse(call)
		if err != nil {
			return
		}
		r, err := translate(DefaultMaxTokens, name, &model.Call{Surface: model.SurfaceChat, Body: body})
		if err != nil {
			if model.KindOf(err) != model.KindInvalid {
				t.Fatal(err)
			}
			return
		}
		var out struct {
			Model     string
			MaxTokens int64 `json:"max_tokens"`
			Messages  []struct {
				Role    string
				Content []json.RawMessage
			}
		}
		if err := json.Unmarshal(r.body(), &out); err != nil {
			t.Fatalf("%s: %v", r.body(), err)
		}
		if out.MaxTokens < 1 || len(out.Messages) == 0 {
			t.Fatalf("%+v", out)
		}
		for i, m := range out.Messages {
			if len(m.Content) == 0 || (i > 0 && m.Role == out.Messages[i-1].Role) {
				t.Fatalf("turn %d of %+v", i, out.Messages)
			}
		}
	})
}
