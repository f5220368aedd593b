package config

import "fmt"

// RateLimit limits what calls take within a short time, and how many run at once.
// What its fields mean together is checked by package limit.
type RateLimit struct {
	// Name; what was counted stays with it when anything but scope and window changes.
	Name string `json:"name"`
	// Calls that count: all that match every value given; "*" makes one counter for each value. [all calls]
	Scope RateLimitScope `json:"scope,omitzero"`
	// Most requests in a window. At least one of requests, tokens and concurrency is needed.
	Requests int64 `json:"requests,omitempty"`
	// Most tokens in a window, prompt and answer together.
	Tokens int64 `json:"tokens,omitempty"`
	// Most calls at once.
	Concurrency int64 `json:"concurrency,omitempty"`
	// Length of the window, which slides: from 1s to 1d. [1m]
	Window Duration `json:"window,omitzero"`
}

// RateLimitScope names the calls that a rate limit counts.
type RateLimitScope struct {
	// Id of a virtual key.
	Key string `json:"key,omitempty"`
	// User: the key's owner, else the one that the call names.
	User string `json:"user,omitempty"`
	// Team of the key.
	Team string `json:"team,omitempty"`
	// Project of the key.
	Project string `json:"project,omitempty"`
	// Model id that an attempt goes to.
	Model string `json:"model,omitempty"`
	// Provider name that an attempt goes to.
	Provider string `json:"provider,omitempty"`
	// Tag of the key.
	Tag string `json:"tag,omitempty"`
}

func (v *validator) rateLimits() {
	seen := map[string]bool{}
	for i := range v.c.RateLimits {
		v.name(fmt.Sprintf("rate_limits[%d].name", i), v.c.RateLimits[i].Name, seen)
	}
}
