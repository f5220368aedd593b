package usage

import (
	"testing"

	"github.com/cartrita/cartrita/model"
)

func TestAnthropic(t *testing.T) {
	k := model.Known
	for name, tt := range map[string]struct {
		reports []string
		want    model.Usage
	}{
		"cache apart": {[]string{`{"input_tokens":3,"cache_read_input_tokens":5,"cache_creation_input_tokens":7,"output_tokens":2}`},
			model.Usage{Input: k(15), CachedRead: k(5), CacheWrite: k(7), Output: k(2)}},
		"later replaces earlier": {[]string{`{"input_tokens":3,"output_tokens":1}`, `{"output_tokens":9}`}, model.Usage{Input: k(3), Output: k(9)}},
		"null tells nothing":     {[]string{`{"input_tokens":3,"output_tokens":1}`, `{"input_tokens":null,"output_tokens":9}`}, model.Usage{Input: k(3), Output: k(9)}},
		"absurd is unknown": {[]string{`{"input_tokens":3,"cache_read_input_tokens":9223372036854775807,"output_tokens":1000000000001}`},
			model.Usage{Input: k(3)}},
		"the most there can be": {[]string{`{"input_tokens":1000000000,"output_tokens":-1}`}, model.Usage{Input: k(1e9)}},
		"absurd in the end":     {[]string{`{"input_tokens":3,"output_tokens":1}`, `{"output_tokens":9223372036854775807}`}, model.Usage{Input: k(3)}},
		"by lifetime": {[]string{`{"input_tokens":3,"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":7},"output_tokens":1,"service_tier":"priority"}`},
			model.Usage{Input: k(12), CacheWrite: k(9), CacheWriteLong: k(7), Output: k(1), ServiceTier: "priority"}},
		"lifetimes alone": {[]string{`{"input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":7},"output_tokens":1,"service_tier":"standard"}`},
			model.Usage{Input: k(12), CacheWrite: k(9), CacheWriteLong: k(7), Output: k(1)}},
		"none": {[]string{`{}`}, model.Usage{}},
	} {
		var c Anthropic
		for _, r := range tt.reports {
			c.Read([]byte(r))
		}
		if tt.want != (model.Usage{}) {
			tt.want.Source = model.UsageUpstream
		}
		if got := c.Usage(); got != tt.want {
			t.Errorf("%s: %+v\nwant %+v", name, got, tt.want)
		}
	}
}
