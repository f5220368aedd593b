package anthropic

import (
	"strconv"

	"github.com/cartrita/cartrita/model"
)

// appendUsage writes a usage object in OpenAI's shape.
func appendUsage(dst []byte, u model.Usage) []byte {
	num := func(key string, n int64) {
		dst = append(append(dst, key...), ':')
		dst = strconv.AppendInt(dst, n, 10)
	}
	num(`{"prompt_tokens"`, u.Input.Or(0))
	num(`,"completion_tokens"`, u.Output.Or(0))
	num(`,"total_tokens"`, u.Input.Or(0)+u.Output.Or(0))
	if u.CachedRead.Known || u.CacheWrite.Known {
		num(`,"prompt_tokens_details":{"cached_tokens"`, u.CachedRead.Or(0))
		num(`,"cache_write_tokens"`, u.CacheWrite.Or(0))
		dst = append(dst, '}')
	}
	if u.CacheWriteLong.Or(0) > 0 { // as Anthropic says it, for whoever prices by it
		num(`,"cache_creation":{"ephemeral_5m_input_tokens"`, max(u.CacheWrite.Or(0)-u.CacheWriteLong.N, 0))
		num(`,"ephemeral_1h_input_tokens"`, u.CacheWriteLong.N)
		dst = append(dst, '}')
	}
	if u.Reasoning.Known {
		num(`,"completion_tokens_details":{"reasoning_tokens"`, u.Reasoning.N)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
