package upstream

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait bounds what an upstream may ask us to wait.
const maxWait = 24 * time.Hour

// RetryAfter reads how long the upstream asks to wait; 0 if it does not say.
// It understands Retry-After in seconds or as a date, and retry-after-ms
// (OpenAI, Azure).
func RetryAfter(h http.Header, now func() time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil {
		return wait(ms / 1000)
	}
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		return wait(s)
	}
	if at, err := http.ParseTime(v); err == nil {
		return wait(at.Sub(now()).Seconds())
	}
	return 0
}

// wait makes a bounded duration of seconds.
func wait(s float64) time.Duration {
	if math.IsNaN(s) || s <= 0 {
		return 0
	}
	return time.Duration(min(s, maxWait.Seconds()) * float64(time.Second))
}

// keepAllowed removes every header that is not for callers: cookies, server
// details, headers of the connection.
func keepAllowed(h http.Header) {
	for name := range h {
		if !allowed(name) {
			delete(h, name)
		}
	}
}

func allowed(name string) bool {
	switch name {
	case "Content-Type", "X-Request-Id", "Request-Id", "Retry-After",
		"Openai-Processing-Ms", "Openai-Version", "X-Inference-Provider":
		return true
	}
	return strings.HasPrefix(name, "X-Ratelimit-") || strings.HasPrefix(name, "Anthropic-Ratelimit-")
}
