package config

import (
	"strings"
	"testing"
)

func TestEmbeddings(t *testing.T) {
	for file, want := range map[string]string{
		"embeddings: {model: m, prompts: {sample: 0.1, keep: 90d}}": "",
		"embeddings: {model: m, prompts: {sample: 1}}":              "",
		"embeddings: {prompts: {keep: 1h}}":                         "", // of those that were kept before
		"embeddings: {model: m, prompts: {sample: 1.5}}":            "embeddings.prompts.sample: 1.5: want a number from 0 to 1",
		"embeddings: {prompts: {sample: 0.1}}":                      "embeddings.model: is missing",
		"embeddings: {model: m, prompts: {keep: 59m}}":              "embeddings.prompts.keep: 59m: want 1h or more",
		"embeddings: {model: m, prompts: {rate: 1}}":                "embeddings.prompts.rate",
	} {
		_, err := Parse("file", []byte(file))
		var text []string
		for _, p := range Problems(err) {
			text = append(text, p.String())
		}
		if got := strings.Join(text, "\n"); err == nil != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s\ngot %q, want %q", file, got, want)
		}
	}
}
