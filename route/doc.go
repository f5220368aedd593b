// Package route answers which endpoints may serve a call, in what order, and
// why. It is pure: Decide and Next take values and return values, read no clock
// and hold no lock, and the same Input always gives the same answer, in
// whatever order the endpoints are listed.
//
// # Filters
//
// Every endpoint passes the filters of model.Filter in their order; the first
// that fails is its exclusion, with the figures behind it. A filtered endpoint
// is never chosen, not as a fallback either. Where the caller and the strategy
// both limit something the stricter holds, and an unknown figure never meets a
// limit on it. A call that names a model looks at that model's endpoints and at
// its chain only; the rest of the registry is not even excluded. In detail:
//
//   - status: retired models serve nobody; testing and deprecated ones only
//     calls that name them.
//   - features: a known inability excludes. A feature that the request uses and
//     nobody knows about excludes too, unless the call names the model (it is
//     honoured then) or the feature is streaming, which every kind of provider has.
//     A feature that the caller requires must be known.
//   - context_length: input tokens plus the room for the answer (what the caller
//     allows; else the expected answer, or one token if the call names the
//     model) must fit. An unknown context length is taken for 4,096 tokens,
//     and not judged if the call names the model. Nor is, then, an answer limit
//     below what the caller allows; else it excludes.
//   - risk_level: safety_required allows at most medium.
//   - max_cost: of the call, against the upper end of the estimate; per 1,000
//     tokens, the expected cost over the expected tokens, input and output.
//   - max_latency_ms: the expected time to the first token, see below; it must
//     be known.
//   - deadline_ms: the expected time of the whole answer (first token, then the
//     output tokens at the measured speed, or the measured latency of whole
//     answers if longer) must fit in what is left to the deadline. An endpoint of
//     which nothing is known may try: it is cut off at the deadline anyway.
//   - circuit: open, or asked to be left alone until later. A half-open endpoint
//     takes part; its health handle lets one call through at a time.
//
// # Scores
//
// The composite is Σ weight × score over five terms. Scores are absolute: they
// depend on the endpoint and the call, not on the other candidates, so adding
// an endpoint never reorders the rest. Three of them have the form h/(h+x), one
// half at x = h and strictly falling, without ends beyond which all are equal:
//
//   - quality: the composite quality of the model, in [0,1].
//   - cost: 1/(1+√(c/$1)) for c, the expected dollars per million tokens of this
//     call (its expected cost over its input and output tokens, at least 1,000,
//     below which calls hardly differ). The root spreads the prices of the
//     market, four decades, over the scale: free 1, $0.1 0.76, $1 0.5, $15 0.21.
//   - latency: 1/(1+t/1 s) for t, the expected time to the first token.
//   - safety: by risk level: low 1, medium 0.7, high 0.3, critical 0.
//   - availability: 1/(1+e/5 %) for e, the expected share of failures.
//
// Measured figures are shrunk towards what was known before them, so that one
// lucky call decides nothing; n is the decayed number of samples:
//
//   - t = (n·measured + base)/(n+1), where base is the registry's average latency
//     or the prior, n counts successes, plus the wait for a place. Where only whole
//     answers were measured they bound t from above.
//   - wait: 0 while the endpoint has a free place (of model.Endpoint.MaxConcurrency;
//     none known, no wait); else calls ahead × latency of a whole answer / places.
//     Calls of priority high and critical pass the queue, so only calls in flight
//     are ahead of them; calls of low priority leave a fifth of the places free.
//   - e = (n·measured + 10·2 %)/(n+10).
//
// # The unknown
//
// An unknown figure is scored by a prior that is worse than the typical known
// one, never by 0: quality 0.4; cost as $10 per million tokens; latency 2 s; risk
// 0.4, between medium and high; failures 2 % (part of the formula above).
//
// Confidence says how much the choice rests on knowledge, in [0,1]: coverage ×
// decisiveness. Coverage is Σ weight × k over the terms of the choice, k = 1 for
// known figures and ¼ for priors (availability and a measured latency are known
// from one sample on). Decisiveness is ½ + ½·min(1, lead/0.1), where lead is
// the score of the choice less that of the best candidate of another model, at
// least 0; it is 1 when no other model competes.
//
// # Order
//
// The first attempt is the best score, after spreading: candidates within 0.02
// of the best are near equals, and load decides between them. Two of them are
// picked by hashing Seed with their ids, and the less loaded of the two goes
// first if its load is below that of the best. Calls of priority high and
// critical look at all near equals. Load is calls in flight and queued ×
// seconds per answer (4 when unknown) / places (16 when unknown). An idle
// machine therefore always takes the best.
//
// Fallbacks follow, as far as the strategy's scope allows: other endpoints of the
// same model (equal Canonical), the chain of the model in its order, and the
// next best by score; within each by score, then by id. A call that names a
// model is served by that model's endpoints and its chain only; the chain comes
// first when none of them is eligible. NoLessSafe drops fallbacks that are
// riskier than the choice (or than the named model); an unknown risk counts as
// riskier than critical.
//
// Next is the other half: what to do after a failed attempt, given its error.
//
// # Traces
//
// A Trace holds what one decision was made from, at about 70 bytes for each
// endpoint that could have served, and what came of it. Over the same endpoints
// the decision made again from it is the same, endpoint by endpoint and to the
// last digit of the score; with other rules it says what would have been chosen.
// Of more than 48 such endpoints the trace keeps those on which the decision
// rests and the best and cheapest of the rest, and is marked as partial.
//
// # What it does not do
//
// It estimates no tokens and no prices, measures nothing, resolves no names and
// sends nothing: estimates, health and positions come in with the Input.
//
// # Cost
//
// A decision is bound by memory, so a Table, made once per snapshot, holds what
// it reads of every endpoint in one cache line each, and a Scratch saves the
// lists it works in. It scores every endpoint and sorts only those that the plan
// lists (Input.Keep); a call that names a model costs the same in any registry.
//
// Everything is safe for concurrent use as long as nobody writes the Input, whose
// Scratch belongs to one decision at a time.
package route
