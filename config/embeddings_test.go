package config

import "testing"

func TestEmbeddings(t *testing.T) {
	checkFiles(t, map[string]string{
		"embeddings: {model: m, prompts: {sample: 0.1, keep: 90d}}": "",
		"embeddings: {model: m, prompts: {sample: 1}}":              "",
		"embeddings: {prompts: {keep: 1h}}":                         "", // of those that were kept before
		"embeddings: {model: m, prompts: {sample: 1.5}}":            "embeddings.prompts.sample: 1.5: want a number from 0 to 1",
		"embeddings: {prompts: {sample: 0.1}}":                      "embeddings.model: is missing",
		"embeddings: {model: m, prompts: {keep: 59m}}":              "embeddings.prompts.keep: 59m: want 1h or more",
		"embeddings: {model: m, prompts: {rate: 1}}":                "embeddings.prompts.rate",
	})
}
