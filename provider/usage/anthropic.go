package usage

import (
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
)

// Anthropic are the tokens of an answer as the Messages API reports them, in
// one report or in several of a stream. The zero value knows nothing.
type Anthropic struct {
	input, read, write, short, long, output, thinking model.Count
	tier                                              string
}

// Read takes the counts of a usage object of valid JSON. A report in a stream
// is cumulative: what it names replaces what was known.
func (a *Anthropic) Read(raw []byte) {
	jsonscan.Each(raw, func(key, value []byte) bool {
		switch string(key) {
		case `"input_tokens"`:
			set(&a.input, value)
		case `"cache_read_input_tokens"`:
			set(&a.read, value)
		case `"cache_creation_input_tokens"`:
			set(&a.write, value)
		case `"cache_creation"`:
			jsonscan.Each(value, func(key, value []byte) bool {
				switch string(key) {
				case `"ephemeral_5m_input_tokens"`:
					set(&a.short, value)
				case `"ephemeral_1h_input_tokens"`:
					set(&a.long, value)
				}
				return true
			})
		case `"output_tokens"`:
			set(&a.output, value)
		case `"output_tokens_details"`:
			jsonscan.Each(value, func(key, value []byte) bool {
				if string(key) == `"thinking_tokens"` {
					set(&a.thinking, value)
				}
				return true
			})
		case `"service_tier"`:
			a.tier = Tier(value)
		}
		return true
	})
}

// Begun forgets the output: in the first event of a stream it is a beginning,
// not a count of the answer.
func (a *Anthropic) Begun() { a.output = model.Count{} }

// Usage brings the counts to the convention of model.Usage. Source is "" while
// neither input nor output is known.
func (a *Anthropic) Usage() model.Usage {
	if !a.input.Known && !a.output.Known {
		return model.Usage{}
	}
	u := model.Usage{
		CachedRead: a.read, CacheWrite: a.write, CacheWriteLong: a.long, Output: a.output, Reasoning: a.thinking,
		ServiceTier: a.tier, Source: model.UsageUpstream,
	}
	if byLife := a.short.Or(0) + a.long.Or(0); byLife > u.CacheWrite.Or(-1) && (a.short.Known || a.long.Known) {
		u.CacheWrite = model.Known(byLife)
	}
	if a.input.Known {
		u.Input = model.Known(a.input.N + u.CachedRead.Or(0) + u.CacheWrite.Or(0))
	}
	return u
}
