package mock

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// refuse returns the fault with which a model answers, or nil if it will try.
func (m *llm) refuse(d dialect, p *Profile, q *prompt, fail failure, busy int64) *fault {
	if f := p.unable(d.ability(), q); f != nil {
		m.stats.refused.Add(1)
		return f
	}
	switch {
	case fail == failRate || p.MaxConcurrency > 0 && busy > int64(p.MaxConcurrency):
		m.stats.rateLimited.Add(1)
		return &fault{
			status: http.StatusTooManyRequests, kind: faultRate, code: "rate_limit_exceeded", retryAfter: p.RetryAfter,
			message: "Rate limit reached for " + p.Name + ". Try again in " + p.RetryAfter.String() + ".",
		}
	case fail == failError || fail == failStream && !q.stream:
		m.stats.errors.Add(1)
		return p.serverFault()
	}
	return nil
}

// serverFault is what a failing model answers with.
func (p *Profile) serverFault() *fault {
	f := &fault{status: p.ErrorStatus, kind: faultServer, message: "The model " + p.Name + " had an error while processing the request."}
	switch {
	case p.ErrorStatus == http.StatusServiceUnavailable || p.ErrorStatus == 529:
		f.kind, f.retryAfter = faultBusy, p.RetryAfter
	case p.ErrorStatus == http.StatusUnauthorized || p.ErrorStatus == http.StatusForbidden:
		f.kind = faultAuth
	case p.ErrorStatus < 500:
		f.kind = faultRequest
	}
	return f
}

// unable returns why the model can't serve the request, whatever its luck.
func (p *Profile) unable(ability string, q *prompt) *fault {
	if len(p.Unsupported) > 0 {
		for _, need := range [...]struct {
			ability, param string
			used           bool
		}{
			{ability, "model", true}, {"tools", "tools", len(q.tools) > 0}, {"streaming", "stream", q.stream},
			{"json_schema", "response_format", q.schema != nil}, {"vision", "messages", q.images > 0},
		} {
			if need.used && !p.supports(need.ability) {
				f := badField(need.param, "the model %s does not support %s", p.Name, need.ability)
				f.code = "unsupported_parameter"
				return f
			}
		}
	}
	if n := q.tokens(p.BytesPerToken); p.ContextLength > 0 && n+q.maxTokens > p.ContextLength {
		return tooLong(p, n, q.maxTokens)
	}
	if len(p.RefuseWords) > 0 {
		text := bytes.ToLower(q.raw)
		for _, word := range p.RefuseWords {
			if bytes.Contains(text, []byte(strings.ToLower(word))) {
				return &fault{
					status: http.StatusBadRequest, code: "content_policy_violation",
					message:   "The request was rejected by the safety system: it violates the content policy.",
					anthropic: "Output blocked by content filtering policy",
				}
			}
		}
	}
	return nil
}

// tooLong says that a prompt does not fit, in the words by which clients know
// it at either vendor.
func tooLong(p *Profile, n, reserved int64) *fault {
	message := fmt.Sprintf("This model's maximum context length is %d tokens. However, your messages resulted in %d tokens", p.ContextLength, n)
	if reserved > 0 {
		message += fmt.Sprintf(" and %d were requested for the completion", reserved)
	}
	return &fault{
		status: http.StatusBadRequest, code: "context_length_exceeded", param: "messages", message: message + ".",
		anthropic: fmt.Sprintf("prompt is too long: %d tokens > %d maximum", n+reserved, p.ContextLength),
	}
}
