package gateway

import (
	"math"
	"math/bits"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
)

// The headers in which OpenAI tells a caller what is left.
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
// the answer, it is as long as answers are, and at most what a whole limit
// holds: such a call has to wait until nothing else is left in the window, but
// is never one that cannot fit. So is one with a file, of whose tokens nobody
// knows: it is taken as text of that size.
func (g *Gateway) reservation(call *model.Call) limit.Tokens {
	prompt := call.PromptTokens.Or((call.PromptBytes + bytesPerToken - 1) / bytesPerToken)
	if n := call.Criteria.InputTokens; n != nil { // a caller may only add to what we see
		prompt = max(prompt, *n)
	}
	t := limit.Tokens{Least: prompt, Most: plus(prompt, call.Attached/bytesPerToken)}
	answers := max(call.Choices, 1)
	switch {
	case call.MaxOutput.Known:
		answer := times(call.MaxOutput.N, answers)
		t.Least, t.Most = plus(t.Least, answer), plus(t.Most, answer)
	case call.Surface != model.SurfaceEmbeddings:
		t.Most = plus(t.Most, times(g.answers.length(), answers))
	}
	return t
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

// limits are those that a request was counted against.
type limits struct {
	own      limit.Limit // of the key itself
	subject  limit.Subject
	hold     limit.Hold
	standing limit.Standing
}

// takeLimits counts the request, for an end user if it names one, against the
// limits that it falls under. A nil return needs one giveLimits.
func (x *exchange) takeLimits(user string, ask limit.Tokens) *model.Error {
	l, who := x.who.Limits, &x.who.Caller
	if l == (key.Limits{}) && !x.g.cfg.Limiter.OfCallers() {
		return nil
	}
	m := &limits{subject: limit.Subject{Key: string(who.Key), User: who.User, Team: who.Team, Project: who.Project, Tags: who.Tags}}
	fill(&m.subject.User, user)
	var own *limit.Limit
	if l != (key.Limits{}) {
		m.own = limit.Limit{
			Name: limit.KeyLimit, Window: limit.DefaultWindow, Requests: l.Requests, Tokens: l.Tokens, Concurrency: l.Concurrency,
		}
		own = &m.own
	}
	x.limits = m
	standing, err := x.g.cfg.Limiter.Acquire(x.r.Context(), &m.subject, own, ask, &m.hold)
	m.standing = standing
	if err != nil && err.Kind == model.KindRateLimited {
		x.g.metrics.refused("rate_limit")
		if err.RetryAfter == 0 { // it will never fit; clients try any other 429 again
			x.w.Header()[headerShouldRetry] = []string{"false"}
			err.Param = "max_tokens"
		}
	}
	return err
}

// giveLimits replaces what was reserved by what was used.
func (x *exchange) giveLimits() {
	if x.limits != nil {
		x.limits.hold.Release(x.spent)
	}
}

// limitHeaders tells a caller what is left of the limits that it falls under, and
// no caller with a key of its own what an upstream has left for all of us.
func (x *exchange) limitHeaders(h http.Header) {
	var left limit.Standing
	switch {
	case x.limits != nil:
		left = x.limits.standing
	case x.who == nil || x.who.Caller.Key == "":
		return
	}
	gauge(h, left.Requests, headerLimitRequests, headerRemainingRequests, headerResetRequests)
	gauge(h, left.Tokens, headerLimitTokens, headerRemainingTokens, headerResetTokens)
}

func gauge(h http.Header, g limit.Gauge, limit, remaining, reset string) {
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
