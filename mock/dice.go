package mock

import (
	"math"
	"math/rand/v2"
	"time"
)

// hashString is FNV-1a.
func hashString(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// failure is what goes wrong with a request.
type failure uint8

const (
	failNot failure = iota
	failError
	failRate
	failHang
	failCut
	failStall
	failStream
)

// dice are the random numbers of one request: the same for the same seed,
// model and number of the request.
type dice struct{ *rand.Rand }

func (m *llm) dice(request uint64) dice {
	return dice{rand.New(rand.NewPCG(m.salt, request))}
}

// failure draws what goes wrong.
func (d dice) failure(p *Profile) failure {
	u := d.Float64()
	for _, f := range [...]struct {
		rate float64
		what failure
	}{
		{p.ErrorRate, failError}, {p.RateLimitRate, failRate}, {p.HangRate, failHang},
		{p.CutRate, failCut}, {p.StallRate, failStall}, {p.StreamErrorRate, failStream},
	} {
		if u < f.rate {
			return f.what
		}
		u -= f.rate
	}
	return failNot
}

// jitter spreads a duration evenly over ±share of it.
func (d dice) jitter(t time.Duration, share float64) time.Duration {
	if share == 0 || t == 0 {
		return t
	}
	return time.Duration(float64(t) * (1 + share*(2*d.Float64()-1)))
}

// length draws the length of an answer in tokens. It depends on the prompt
// only, so that the same prompt gets the same answer.
func (p *Profile) length(rng *rand.Rand) int {
	n := float64(p.AnswerTokens) * math.Exp(p.AnswerSpread*rng.NormFloat64())
	return int(max(1, min(n, maxAnswerTokens)))
}
