package usage

import (
	"strings"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/upstream"
)

// set takes what a report says; the package comment has the rules.
func set(c *model.Count, value []byte) {
	if string(value) != "null" {
		*c = upstream.Count(value)
	}
}

// setFirst is set for a class that goes by several names: the first one counts.
func setFirst(c *model.Count, value []byte) {
	if !c.Known {
		set(c, value)
	}
}

func either(a, b model.Count) model.Count {
	if a.Known {
		return a
	}
	return b
}

// longLived reads the long-lived writes of Anthropic's cache_creation object,
// which servers that front it pass on.
func longLived(raw []byte) (long model.Count) {
	jsonscan.Each(raw, func(key, value []byte) bool {
		if string(key) == `"ephemeral_1h_input_tokens"` {
			set(&long, value)
		}
		return true
	})
	return long
}

// maxTier is the longest name of a service tier that is kept.
const maxTier = 40

// Tier reads the name of a service tier as an upstream reports it; "" for the
// usual one, for null, and for what is no name.
func Tier(raw []byte) string {
	switch string(raw) {
	case `"default"`, `"standard"`, `"auto"`, `"on_demand"`:
		return ""
	case `"priority"`:
		return "priority"
	case `"flex"`:
		return "flex"
	case `"batch"`:
		return "batch"
	}
	if len(raw) < 2 || len(raw) > maxTier || raw[0] != '"' {
		return ""
	}
	name := string(raw[1 : len(raw)-1])
	if strings.ContainsFunc(name, func(r rune) bool { return r < 'a' && r != '-' && (r < '0' || r > '9') && r != '_' || r > 'z' }) {
		return ""
	}
	return name
}
