package usage

import (
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
)

// OpenAI reads the usage object of an OpenAI-compatible server from valid
// JSON. Source is "" if it tells neither the input nor the output.
func OpenAI(raw []byte) model.Usage {
	var u model.Usage
	var total, read, write model.Count // read and write: names that details override
	jsonscan.Each(raw, func(key, value []byte) bool {
		switch string(key) {
		case `"prompt_tokens"`:
			set(&u.Input, value)
		case `"completion_tokens"`:
			set(&u.Output, value)
		case `"total_tokens"`:
			set(&total, value)
		case `"prompt_cache_hit_tokens"`, `"cached_tokens"`, `"cache_read_input_tokens"`:
			setFirst(&read, value)
		case `"cache_creation_input_tokens"`:
			setFirst(&write, value)
		case `"cache_creation"`:
			u.CacheWriteLong = longLived(value)
		case `"prompt_tokens_details"`:
			promptDetails(&u, value)
		case `"completion_tokens_details"`:
			answerDetails(&u, value)
		}
		return true
	})
	if !u.Input.Known && !u.Output.Known {
		return model.Usage{}
	}
	u.Source = model.UsageUpstream
	u.CachedRead, u.CacheWrite = either(u.CachedRead, read), either(u.CacheWrite, write)
	if u.Reasoning.Known && u.Output.Known && u.Reasoning.N > u.Output.N {
		u.Output.N += u.Reasoning.N
	}
	if apart := u.CachedRead.Or(0) + u.CacheWrite.Or(0); u.Input.Known && (apart > u.Input.N || fillsUp(&u, total, apart)) {
		u.Input.N += apart
	}
	if u.Input.Known && u.Output.Known && total.Known {
		u.Output.N = max(u.Output.N, total.N-u.Input.N)
	}
	return u
}

// fillsUp reports whether a total is what prompt and answer make together with
// the cached tokens, so that the prompt does not hold these. Reasoning may be
// apart in the same total.
func fillsUp(u *model.Usage, total model.Count, cached int64) bool {
	if !u.Output.Known || !total.Known || cached == 0 {
		return false
	}
	rest := total.N - u.Input.N - u.Output.N
	return rest == cached || u.Reasoning.Known && rest == cached+u.Reasoning.N
}

func promptDetails(u *model.Usage, raw []byte) {
	jsonscan.Each(raw, func(key, value []byte) bool {
		switch string(key) {
		case `"cached_tokens"`:
			set(&u.CachedRead, value)
		case `"cache_write_tokens"`, `"cache_creation_tokens"`:
			set(&u.CacheWrite, value)
		case `"audio_tokens"`:
			set(&u.AudioInput, value)
		case `"image_tokens"`:
			set(&u.ImageInput, value)
		}
		return true
	})
}

func answerDetails(u *model.Usage, raw []byte) {
	jsonscan.Each(raw, func(key, value []byte) bool {
		switch string(key) {
		case `"reasoning_tokens"`:
			set(&u.Reasoning, value)
		case `"audio_tokens"`:
			set(&u.AudioOutput, value)
		case `"image_tokens"`:
			set(&u.ImageOutput, value)
		}
		return true
	})
}
