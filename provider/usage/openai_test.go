package usage

import (
	"testing"

	"github.com/cartrita/cartrita/model"
)

func TestOpenAI(t *testing.T) {
	k := model.Known
	tests := map[string]struct {
		in   string
		want model.Usage
	}{
		"OpenAI": {`{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":80},"completion_tokens_details":{"reasoning_tokens":30}}`,
			model.Usage{Input: k(100), CachedRead: k(80), Output: k(50), Reasoning: k(30)}},
		"DeepSeek":                   {`{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}`, model.Usage{Input: k(100), CachedRead: k(64), Output: k(5)}},
		"Moonshot":                   {`{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"cached_tokens":64}`, model.Usage{Input: k(100), CachedRead: k(64), Output: k(5)}},
		"OpenRouter, cache write":    {`{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":60}}`, model.Usage{Input: k(100), CachedRead: k(10), CacheWrite: k(60), Output: k(5)}},
		"xAI, reasoning apart":       {`{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}`, model.Usage{Input: k(32), Output: k(103), Reasoning: k(94)}},
		"Google, thoughts in total":  {`{"prompt_tokens":35,"completion_tokens":90,"total_tokens":457}`, model.Usage{Input: k(35), Output: k(422)}},
		"cache counted apart":        {`{"prompt_tokens":24,"completion_tokens":5,"total_tokens":29,"cache_read_input_tokens":1000,"cache_creation_input_tokens":16}`, model.Usage{Input: k(1040), CachedRead: k(1000), CacheWrite: k(16), Output: k(5)}},
		"cache apart, in total":      {`{"prompt_tokens":1000,"completion_tokens":5,"total_tokens":1905,"cache_read_input_tokens":900}`, model.Usage{Input: k(1900), CachedRead: k(900), Output: k(5)}},
		"details apart, in total":    {`{"prompt_tokens":1000,"completion_tokens":5,"total_tokens":2005,"prompt_tokens_details":{"cached_tokens":900,"cache_write_tokens":100}}`, model.Usage{Input: k(2000), CachedRead: k(900), CacheWrite: k(100), Output: k(5)}},
		"all apart, in total":        {`{"prompt_tokens":1000,"completion_tokens":50,"total_tokens":1980,"cached_tokens":900,"completion_tokens_details":{"reasoning_tokens":30}}`, model.Usage{Input: k(1900), CachedRead: k(900), Output: k(80), Reasoning: k(30)}},
		"reasoning alone in total":   {`{"prompt_tokens":1000,"completion_tokens":9,"total_tokens":1103,"prompt_tokens_details":{"cached_tokens":94},"completion_tokens_details":{"reasoning_tokens":94}}`, model.Usage{Input: k(1000), CachedRead: k(94), Output: k(103), Reasoning: k(94)}},
		"xAI without a total":        {`{"prompt_tokens":32,"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":94}}`, model.Usage{Input: k(32), Output: k(103), Reasoning: k(94)}},
		"zeros are facts":            {`{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`, model.Usage{Input: k(0), Output: k(0)}},
		"null is unknown":            {`{"prompt_tokens":5,"completion_tokens":null}`, model.Usage{Input: k(5)}},
		"details null":               {`{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":null}`, model.Usage{Input: k(5), Output: k(1)}},
		"neither negative nor float": {`{"prompt_tokens":-5,"completion_tokens":1.5}`, model.Usage{}},
		"absurd is unknown":          {`{"prompt_tokens":9223372036854775807,"completion_tokens":1000000000,"total_tokens":9223372036854775807,"prompt_tokens_details":{"cached_tokens":1000000001}}`, model.Usage{Output: k(1e9)}},
		"beyond all numbers":         {`{"prompt_tokens":1,"completion_tokens":99999999999999999999}`, model.Usage{Input: k(1)}},
		"null takes nothing back":    {`{"prompt_tokens":100,"completion_tokens":5,"cached_tokens":64,"prompt_tokens_details":{"cached_tokens":null}}`, model.Usage{Input: k(100), CachedRead: k(64), Output: k(5)}},
		"zero is said":               {`{"prompt_tokens":100,"completion_tokens":5,"cached_tokens":64,"prompt_tokens_details":{"cached_tokens":0}}`, model.Usage{Input: k(100), CachedRead: k(0), Output: k(5)}},
		"audio, images, predictions": {`{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"audio_tokens":7,"image_tokens":20},"completion_tokens_details":{"audio_tokens":30,"image_tokens":2,"accepted_prediction_tokens":9,"rejected_prediction_tokens":4}}`,
			model.Usage{Input: k(100), AudioInput: k(7), ImageInput: k(20), Output: k(50), AudioOutput: k(30), ImageOutput: k(2)}},
		"an Anthropic model behind a proxy": {`{"prompt_tokens":1000,"completion_tokens":5,"cache_creation_input_tokens":900,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":900}}`,
			model.Usage{Input: k(1000), CacheWrite: k(900), CacheWriteLong: k(900), Output: k(5)}},
		"empty":     {`{}`, model.Usage{}},
		"no object": {`[1]`, model.Usage{}},
	}
	for name, tt := range tests {
		if tt.want != (model.Usage{}) {
			tt.want.Source = model.UsageUpstream
		}
		if got := OpenAI([]byte(tt.in)); got != tt.want {
			t.Errorf("%s: %+v\nwant %+v", name, got, tt.want)
		}
	}
}
