package openai

import (
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/upstream"
)

// parseUsage reads a usage object of valid JSON; the package comment has the
// rules. Source is "" if it tells neither the input nor the output.
func parseUsage(raw []byte) model.Usage {
	var u model.Usage
	var total model.Count
	jsonscan.Each(raw, func(key, value []byte) bool {
		switch string(key) {
		case `"prompt_tokens"`:
			u.Input = upstream.Count(value)
		case `"completion_tokens"`:
			u.Output = upstream.Count(value)
		case `"total_tokens"`:
			total = upstream.Count(value)
		case `"prompt_cache_hit_tokens"`, `"cached_tokens"`, `"cache_read_input_tokens"`:
			setIfUnknown(&u.CachedRead, value)
		case `"cache_creation_input_tokens"`:
			setIfUnknown(&u.CacheWrite, value)
		case `"prompt_tokens_details"`, `"completion_tokens_details"`:
			jsonscan.Each(value, func(key, value []byte) bool {
				detail(&u, key, value)
				return true
			})
		}
		return true
	})
	if !u.Input.Known && !u.Output.Known {
		return model.Usage{}
	}
	u.Source = model.UsageUpstream
	if apart := u.CachedRead.Or(0) + u.CacheWrite.Or(0); u.Input.Known && apart > u.Input.N {
		u.Input.N += apart
	}
	if u.Input.Known && u.Output.Known && total.Known {
		u.Output.N = max(u.Output.N, total.N-u.Input.N)
	}
	return u
}

func detail(u *model.Usage, key, value []byte) {
	switch string(key) {
	case `"cached_tokens"`:
		u.CachedRead = upstream.Count(value)
	case `"cache_write_tokens"`, `"cache_creation_tokens"`:
		u.CacheWrite = upstream.Count(value)
	case `"reasoning_tokens"`:
		u.Reasoning = upstream.Count(value)
	}
}

func setIfUnknown(c *model.Count, value []byte) {
	if !c.Known {
		*c = upstream.Count(value)
	}
}
