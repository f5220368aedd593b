package gateway

import (
	"math"
	"math/bits"
	"net/http"
	"strconv"
	"sync/atomic"
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
	headerShouldRetry       = "X-Should-Retry"               // read by OpenAI's and Anthropic's clients
)

// bytesPerToken turns bytes of a prompt into tokens before anything is counted.
const bytesPerToken = 4

// reservation is the tokens that a call may take: its prompt, and the answer
// that it allows. What it took replaces them at its end. Where nothing bounds
// the answer, it is as long as answers are, and at most what the whole limit
// holds: such a call has to wait until nothing else is left in the minute, but
// is never one that cannot fit.
func (g *Gateway) reservation(call *model.Call, limit int64) int64 {
	prompt := call.PromptTokens.Or((call.PromptBytes + bytesPerToken - 1) / bytesPerToken)
	if n := call.Criteria.InputTokens; n != nil { // a caller may only add to what we see
		prompt = max(prompt, *n)
	}
	if call.Attached > 0 { // nobody knows how many tokens a file has: as text would have, within the limit
		prompt = max(prompt, min(plus(prompt, call.Attached/bytesPerToken), limit))
	}
	answers := max(call.Choices, 1)
	if call.MaxOutput.Known {
		return plus(prompt, times(call.MaxOutput.N, answers))
	}
	if call.Surface == model.SurfaceEmbeddings {
		return prompt
	}
	return max(prompt, min(plus(prompt, times(g.answers.length(), answers)), limit))
}

// plus and times saturate. Neither operand is negative.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func times(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi > 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

// answers is how long answers are that nothing bounds: a mean over the last
// few dozen.
type answers struct {
	mean atomic.Int64 // tokens; 0 before the first
}

// firstAnswer is taken before any answer was seen.
const firstAnswer = 1024

func (a *answers) length() int64 {
	if n := a.mean.Load(); n > 0 {
		return n
	}
	return firstAnswer
}

// saw takes note of one answer. Of two at once one may be lost: it is a mean.
func (a *answers) saw(tokens int64) {
	const window = 32
	n := a.length()
	a.mean.Store(max(n+(tokens-n)/window, 1))
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
		if err.RetryAfter == 0 { // it will never fit; clients try any other 429 again
			x.w.Header()[headerShouldRetry] = []string{"false"}
			err.Param = "max_tokens"
		}
	}
	return err
}

// giveLimits replaces what was reserved by what was used.
func (x *exchange) giveLimits() {
	if x.limited {
		x.limited = false
		x.g.limiter.Release(x.who.Caller.Key, x.who.Limits, x.taken, x.spent)
	}
}

// limitHeaders tells a caller whose key has limits what is left of them, and no
// caller with a key of its own what an upstream has left for all of us.
func (x *exchange) limitHeaders(h http.Header) {
	if x.who == nil || x.who.Caller.Key == "" {
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
