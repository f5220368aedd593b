package providertest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"

	"github.com/cartrita/cartrita/provider/providertest"
)

// section returns what follows "-- name --" in a file, up to the next section.
func section(t *testing.T, file, name string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "-- "+name+" --\n")
	text, _, _ := strings.Cut(rest, "\n-- ")
	return text
}

func glob(t *testing.T, pattern string) []string {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files, %v", pattern, err)
	}
	return files
}

// TestOfficialClientReadsStreams: what callers get of recorded streams is what
// OpenAI's own client makes a whole answer of.
func TestOfficialClientReadsStreams(t *testing.T) {
	for _, name := range []string{"stream", "stream_cached", "stream_reasoning", "stream_tools"} {
		for _, file := range glob(t, "../*/testdata/conformance/"+name+".txt") {
			t.Run(file, func(t *testing.T) {
				var acc openai.ChatCompletionAccumulator
				for line := range strings.Lines(section(t, file, "answer")) {
					data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
					if !ok || data == "[DONE]" {
						continue
					}
					var chunk openai.ChatCompletionChunk
					if err := json.Unmarshal([]byte(data), &chunk); err != nil {
						t.Fatal(err)
					}
					if !acc.AddChunk(chunk) {
						t.Fatalf("the client refuses %s", data)
					}
				}
				if len(acc.Choices) != 1 || acc.Usage.TotalTokens == 0 {
					t.Fatalf("%d choices, usage %+v", len(acc.Choices), acc.Usage)
				}
				got := acc.Choices[0].Message
				if name == "stream_tools" {
					if len(got.ToolCalls) != 2 || got.ToolCalls[1].Function.Arguments != `{"city":"Lyon"}` {
						t.Errorf("tool calls %+v", got.ToolCalls)
					}
				} else if got.Content != providertest.Text {
					t.Errorf("text %q", got.Content)
				}
			})
		}
	}
}

// TestOfficialClientReadsAnswers does the same for answers in one piece.
func TestOfficialClientReadsAnswers(t *testing.T) {
	for _, name := range []string{"plain", "cached", "reasoning", "tools", "length"} {
		for _, file := range glob(t, "../*/testdata/conformance/"+name+".txt") {
			_, body, _ := strings.Cut(section(t, file, "answer"), "\n{")
			var got openai.ChatCompletion
			if err := json.Unmarshal([]byte("{"+body), &got); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if len(got.Choices) != 1 || got.Usage.TotalTokens != got.Usage.PromptTokens+got.Usage.CompletionTokens ||
				got.Choices[0].Message.Content == "" && len(got.Choices[0].Message.ToolCalls) != 2 {
				t.Errorf("%s: the client reads %+v", file, got)
			}
		}
	}
}

// TestRequestsAreAnthropics: every member of every request that we send is one
// that Anthropic's own client knows, in the form in which it would send it.
func TestRequestsAreAnthropics(t *testing.T) {
	files := append(glob(t, "../anthropic/testdata/conformance/*.txt"), glob(t, "../anthropic/testdata/requests/*.txt")...)
	for _, file := range files {
		text := section(t, file, "request")
		if strings.HasPrefix(text, "refused") {
			continue
		}
		raw := []byte(text[strings.Index(text, "{"):])
		var params anthropic.MessageNewParams
		if err := json.Unmarshal(raw, &params); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		again, err := json.Marshal(params)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var want, got map[string]any
		if json.Unmarshal(raw, &want) != nil || json.Unmarshal(again, &got) != nil {
			t.Fatalf("%s: no JSON", file)
		}
		delete(want, "stream") // which the client adds by itself
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (-client +ours):\n%s", file, diff)
		}
	}
}
