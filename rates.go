package cartrita

import (
	"context"

	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
)

// takeRates counts the attempt against the rate limits by model and provider. One
// that refuses leaves the attempt unsent, like a budget that does not pay for it,
// and says nothing about the endpoint.
func (r *run) takeRates(ctx context.Context, cand *model.Candidate) *model.Error {
	if r.limiter == nil || !r.limiter.OfTargets() {
		return nil
	}
	s, to := &r.subject, &r.view.snap.Served[cand.Index]
	subject := limit.Subject{
		Key: string(s.Key), User: s.User, Team: s.Team, Project: s.Project, Tags: s.Tags,
		Model: string(cand.Model), Provider: to.Provider,
	}
	ask := r.mayTake(cand)
	r.took, r.rated = 0, ask.Least
	_, failure := r.limiter.Acquire(ctx, &subject, nil, ask, &r.rates)
	return failure
}

// mayTake is the tokens of an attempt: at least its prompt and the answer that the
// call allows; where it allows any, an answer as long as is expected.
func (r *run) mayTake(cand *model.Candidate) limit.Tokens {
	in, answers := cand.Estimate.InputTokens, max(r.call.Choices, 1)
	if n := r.call.MaxOutput; n.Known {
		whole := in + min(n.N, maxTokens)*min(answers, maxTokens)
		return limit.Tokens{Least: whole, Most: whole}
	}
	return limit.Tokens{Least: in, Most: in + cand.Estimate.OutputTokens*min(answers, maxTokens)}
}

// maxTokens keeps products of what callers may claim within 64 bits.
const maxTokens = 1 << 30
