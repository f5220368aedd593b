package main

import (
	"strings"
	"testing"
)

func TestForTerminal(t *testing.T) {
	for message, want := range map[string]string{
		"several; see GET /api/v1/models?q=gpt-4o":             "several; run `cartrita models search gpt-4o`",
		"see GET /api/v1/models?q=a%2Fb+c, please":             "run `cartrita models search a/b c`, please",
		"no endpoint; see GET /api/v1/models/openai/gpt-4o":    "no endpoint; run `cartrita models show openai/gpt-4o`",
		"GET /api/v1/models lists them":                        "`cartrita models list` lists them",
		"no such path; GET / lists what is served, 100 % sure": "no such path; GET / lists what is served, 100 % sure",
	} {
		if got := forTerminal(message); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// An error names commands, and every problem on a line of its own.
func TestErrorsAreForTheTerminal(t *testing.T) {
	b := newBench(t, "")
	r := b.run("models", "show", "gpt-4o")
	if r.code != exitNotFound || !strings.Contains(r.err, "run `cartrita models search gpt-4o`") || strings.Contains(r.err, "/api/") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	odd := "- {model_id: self/a, provider: self, task_types: [juggling], context_length: -5}\n- {model_id: \"self b\", provider: self}\n"
	r = b.run("models", "add", b.file("odd.yaml", odd))
	if r.code != exitInvalid || strings.Contains(r.err, `{"`) {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	for _, line := range []string{"  [0]: context_length: want ", "  [0]: task_types[0]: want ", "  [1]: model_id: want "} {
		if !strings.Contains(r.err, "\n"+line) {
			t.Errorf("lacks %q:\n%s", line, r.err)
		}
	}
}
