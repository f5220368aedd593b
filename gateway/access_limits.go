package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// The headers in which OpenAI tells a caller what its key has left.
const (
	headerLimitRequests     = "X-Ratelimit-Limit-Requests"
	headerRemainingRequests = "X-Ratelimit-Remaining-Requests"
	headerResetRequests     = "X-Ratelimit-Reset-Requests"
	headerLimitTokens       = "X-Ratelimit-Limit-Tokens"     //nolint:gosec // tokens of text, no credentials
	headerRemainingTokens   = "X-Ratelimit-Remaining-Tokens" //nolint:gosec // tokens of text, no credentials
	headerResetTokens       = "X-Ratelimit-Reset-Tokens"     //nolint:gosec // tokens of text, no credentials
)

// bytesPerToken turns bytes of a prompt into tokens before anything is counted.
const bytesPerToken = 4

// reservation is the tokens that a call may take: its prompt, and the answer
// that it allows. What it took replaces them at its end.
func reservation(call *model.Call) int64 {
	prompt := (call.PromptBytes + bytesPerToken - 1) / bytesPerToken
	if n := call.Criteria.InputTokens; n != nil { // a caller may only add to what we see
		prompt = max(prompt, *n)
	}
	return prompt + call.MaxOutput.Or(0)*max(call.Choices, 1)
}

// used is the tokens that a call took, all attempts included.
func used(rec *model.Record) int64 {
	total := rec.Usage.Input.Or(0) + rec.Usage.Output.Or(0)
	failed := int64(0)
	for i := range rec.Attempts {
		failed += rec.Attempts[i].Usage.Input.Or(0) + rec.Attempts[i].Usage.Output.Or(0)
	}
	return max(total, failed)
}

// takeLimits counts the request against the limits of its key. A nil return
// needs one giveLimits.
func (x *exchange) takeLimits(tokens int64) (err *model.Error) {
	l := x.who.Limits
	if l == (key.Limits{}) {
		return nil
	}
	x.limited, x.taken = true, tokens
	if x.standing, err = x.g.limiter.Acquire(x.r.Context(), x.who.Caller.Key, l, tokens); err != nil {
		x.g.metrics.refused("key_limit")
	}
	return err
}

// giveLimits replaces what was reserved by what was used.
func (x *exchange) giveLimits() {
	if x.limited {
		x.g.limiter.Release(x.who.Caller.Key, x.who.Limits, x.taken, x.spent)
	}
}

// limitHeaders tells a caller whose key has limits what is left of them, and
// nothing of what an upstream has left for us.
func (x *exchange) limitHeaders(h http.Header) {
	if !x.limited {
		return
	}
	gauge(h, x.standing.Requests, headerLimitRequests, headerRemainingRequests, headerResetRequests)
	gauge(h, x.standing.Tokens, headerLimitTokens, headerRemainingTokens, headerResetTokens)
}

func gauge(h http.Header, g key.Gauge, limit, remaining, reset string) {
	if g.Limit == 0 {
		delete(h, limit)
		delete(h, remaining)
		delete(h, reset)
		return
	}
	h[limit] = []string{strconv.FormatInt(g.Limit, 10)}
	h[remaining] = []string{strconv.FormatInt(g.Remaining, 10)}
	h[reset] = []string{g.Reset.Round(time.Millisecond).String()}
}
