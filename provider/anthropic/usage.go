package anthropic

import (
	"strconv"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/upstream"
)

// counts are the tokens of an answer as the API reports them.
type counts struct {
	input, cacheRead, cacheWrite, output, thinking model.Count
}

// read takes the counts of a usage object. A report in a stream is cumulative:
// what it names replaces what was known.
func (c *counts) read(raw []byte) {
	jsonscan.Each(raw, func(key, value []byte) bool {
		switch string(key) {
		case `"input_tokens"`:
			set(&c.input, value)
		case `"cache_read_input_tokens"`:
			set(&c.cacheRead, value)
		case `"cache_creation_input_tokens"`:
			set(&c.cacheWrite, value)
		case `"output_tokens"`:
			set(&c.output, value)
		case `"output_tokens_details"`:
			if v := member(value, "thinking_tokens"); v != nil {
				set(&c.thinking, v)
			}
		}
		return true
	})
}

// set takes what a report says. A null says nothing; what cannot be a count
// makes it unknown, because an earlier report is too low.
func set(c *model.Count, value []byte) {
	if string(value) != "null" {
		*c = upstream.Count(value)
	}
}

// usage brings the counts to the convention of model.Usage.
func (c *counts) usage() model.Usage {
	if !c.input.Known && !c.output.Known {
		return model.Usage{}
	}
	u := model.Usage{CachedRead: c.cacheRead, CacheWrite: c.cacheWrite, Output: c.output, Reasoning: c.thinking, Source: model.UsageUpstream}
	if c.input.Known {
		u.Input = model.Known(c.input.N + c.cacheRead.Or(0) + c.cacheWrite.Or(0))
	}
	return u
}

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
	if u.Reasoning.Known {
		num(`,"completion_tokens_details":{"reasoning_tokens"`, u.Reasoning.N)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
