package usage

import (
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
)

// Bedrock reads the usage object of Amazon Bedrock's Converse from valid JSON;
// of ConverseStream it is the one in the metadata event. inputTokens counts
// neither cache reads nor writes.
func Bedrock(raw []byte) model.Usage {
	var u model.Usage
	jsonscan.Each(raw, func(key, value []byte) bool {
		switch string(key) {
		case `"inputTokens"`:
			set(&u.Input, value)
		case `"outputTokens"`:
			set(&u.Output, value)
		case `"cacheReadInputTokens"`, `"cacheReadInputTokenCount"`:
			setFirst(&u.CachedRead, value)
		case `"cacheWriteInputTokens"`, `"cacheWriteInputTokenCount"`:
			setFirst(&u.CacheWrite, value)
		case `"cacheDetails"`:
			u.CacheWriteLong = hourLong(value)
		}
		return true
	})
	if !u.Input.Known && !u.Output.Known {
		return model.Usage{}
	}
	u.Source = model.UsageUpstream
	if u.Input.Known {
		u.Input.N += u.CachedRead.Or(0) + u.CacheWrite.Or(0)
	}
	return u
}

// hourLong reads the writes that live an hour from a list by lifetime.
func hourLong(raw []byte) (long model.Count) {
	jsonscan.Each(raw, func(_, item []byte) bool {
		var n model.Count
		hour := false
		jsonscan.Each(item, func(key, value []byte) bool {
			switch string(key) {
			case `"ttl"`:
				hour = string(value) == `"1h"`
			case `"inputTokens"`:
				set(&n, value)
			}
			return true
		})
		if hour {
			long = n
		}
		return true
	})
	return long
}
