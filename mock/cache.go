package mock

import (
	"hash/maphash"
	"sync"
)

const (
	maxCached       = 4096 // beginnings remembered
	minCachedTokens = 1024 // shorter beginnings are not cached
)

// promptCache remembers the beginnings of prompts, the oldest dropped first.
type promptCache struct {
	seed maphash.Seed

	mu    sync.Mutex
	known map[uint64]struct{}
	order [maxCached]uint64
	next  int
}

// look returns the shares of the prompt that were seen before and that are
// new up to the last marked segment, and remembers what it sees.
func (c *promptCache) look(model string, segments []segment) (read, written float64) {
	var h maphash.Hash
	h.SetSeed(c.seed)
	_, _ = h.WriteString(model)
	total, hit, last := 0, 0, 0
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range segments {
		_, _ = h.Write(s.raw)
		total += len(s.raw)
		if !s.marked {
			continue
		}
		last = total
		if c.remember(h.Sum64()) {
			hit = total
		}
	}
	if total == 0 {
		return 0, 0
	}
	return float64(hit) / float64(total), float64(last-hit) / float64(total)
}

// remember adds a beginning and reports whether it was known.
func (c *promptCache) remember(key uint64) bool {
	if _, ok := c.known[key]; ok {
		return true
	}
	if c.known == nil {
		c.known = make(map[uint64]struct{})
	}
	delete(c.known, c.order[c.next])
	c.order[c.next] = key
	c.next = (c.next + 1) % maxCached
	c.known[key] = struct{}{}
	return false
}

// apply fills in the cached and written tokens of an answer.
func (c *promptCache) apply(a *answer, p *Profile, q *prompt) {
	if !p.PromptCache {
		return
	}
	read, written := c.look(p.Name, q.segments)
	tokens := func(share float64) int64 {
		if n := int64(share * float64(a.inputTokens)); n >= minCachedTokens {
			return n
		}
		return 0
	}
	a.cachedTokens = tokens(read)
	a.writtenTokens = tokens(written)
}
