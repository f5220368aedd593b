package usage

import (
	"encoding/json"
	"testing"

	"github.com/cartrita/cartrita/model"
)

func TestGeminiAndBedrock(t *testing.T) {
	k := model.Known
	for name, tt := range map[string]struct {
		read func([]byte) model.Usage
		in   string
		want model.Usage
	}{
		"Gemini, cached tokens in the prompt, thoughts beside the candidates": {Gemini,
			`{"promptTokenCount":1000,"cachedContentTokenCount":800,"candidatesTokenCount":50,"thoughtsTokenCount":200,"totalTokenCount":1250}`,
			model.Usage{Input: k(1000), CachedRead: k(800), Output: k(250), Reasoning: k(200)}},
		"Gemini, tools beside the prompt": {Gemini, `{"promptTokenCount":100,"toolUsePromptTokenCount":40,"candidatesTokenCount":5}`, model.Usage{Input: k(140), Output: k(5)}},
		"Gemini, thoughts only":           {Gemini, `{"promptTokenCount":100,"thoughtsTokenCount":30}`, model.Usage{Input: k(100), Output: k(30), Reasoning: k(30)}},
		"Gemini, by modality": {Gemini,
			`{"promptTokenCount":100,"candidatesTokenCount":5,"promptTokensDetails":[{"modality":"TEXT","tokenCount":30},{"modality":"AUDIO","tokenCount":50},{"tokenCount":20,"modality":"IMAGE"}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":4}]}`,
			model.Usage{Input: k(100), AudioInput: k(50), ImageInput: k(20), Output: k(5), ImageOutput: k(4)}},
		"Gemini, null and zero": {Gemini, `{"promptTokenCount":0,"candidatesTokenCount":null,"cachedContentTokenCount":null}`, model.Usage{Input: k(0)}},
		"Gemini, nothing":       {Gemini, `{"totalTokenCount":5}`, model.Usage{}},
		"Bedrock, cache apart": {Bedrock, `{"inputTokens":10,"outputTokens":5,"totalTokens":1715,"cacheReadInputTokens":1000,"cacheWriteInputTokens":700}`,
			model.Usage{Input: k(1710), CachedRead: k(1000), CacheWrite: k(700), Output: k(5)}},
		"Bedrock, an hour": {Bedrock, `{"inputTokens":10,"outputTokens":5,"cacheWriteInputTokens":700,"cacheDetails":[{"ttl":"5m","inputTokens":300},{"ttl":"1h","inputTokens":400}]}`,
			model.Usage{Input: k(710), CacheWrite: k(700), CacheWriteLong: k(400), Output: k(5)}},
		"Bedrock, zero is said":      {Bedrock, `{"inputTokens":0,"outputTokens":0,"cacheReadInputTokens":0}`, model.Usage{Input: k(0), CachedRead: k(0), Output: k(0)}},
		"Bedrock, negative and null": {Bedrock, `{"inputTokens":-1,"outputTokens":null}`, model.Usage{}},
	} {
		if tt.want != (model.Usage{}) {
			tt.want.Source = model.UsageUpstream
		}
		if got := tt.read([]byte(tt.in)); got != tt.want {
			t.Errorf("%s: %+v\nwant %+v", name, got, tt.want)
		}
	}
}

func TestTier(t *testing.T) {
	for in, want := range map[string]string{
		`"priority"`: "priority", `"standard"`: "", `"default"`: "", `null`: "", `""`: "", `7`: "", `"scale"`: "scale",
		`"Ü"`: "", `"a\u0062"`: "", `"a name that is longer than any service tier has"`: "", `"`: "",
	} {
		if got := Tier([]byte(in)); got != want {
			t.Errorf("Tier(%s) = %q, want %q", in, got, want)
		}
	}
}

// FuzzUsage: whatever valid JSON an upstream sends as usage, every reader
// answers with counts that can be billed.
func FuzzUsage(f *testing.F) {
	f.Add([]byte(`{"prompt_tokens":5,"completion_tokens":null,"prompt_tokens_details":{"cached_tokens":1000000000}}`))
	f.Add([]byte(`{"input_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":7},"service_tier":"batch"}`))
	f.Add([]byte(`{"promptTokenCount":1,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":1e9},[],null]}`))
	f.Add([]byte(`{"inputTokens":1,"cacheDetails":[{"ttl":"1h","inputTokens":-4}]}`))
	anthropic := func(raw []byte) model.Usage {
		var a Anthropic
		a.Read(raw)
		once := a.Usage()
		if a.Read(raw); a.Usage() != once {
			panic("a report read twice gives another usage")
		}
		return once
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		for i, read := range []func([]byte) model.Usage{OpenAI, anthropic, Gemini, Bedrock} {
			u := read(raw)
			if (u.Source == "") != (u == model.Usage{}) {
				t.Fatalf("reader %d: source %q of %+v", i, u.Source, u)
			}
			for _, c := range []model.Count{u.Input, u.CachedRead, u.CacheWrite, u.CacheWriteLong, u.Output, u.Reasoning, u.AudioInput, u.AudioOutput, u.ImageInput, u.ImageOutput} {
				if c.N < 0 || !c.Known && c.N != 0 {
					t.Fatalf("reader %d: count %+v in %+v", i, c, u)
				}
			}
			if i != 0 && u.Input.Known && u.Input.N < u.CachedRead.N && i != 2 {
				t.Fatalf("reader %d: more cached than prompt tokens: %+v", i, u)
			}
		}
	})
}
