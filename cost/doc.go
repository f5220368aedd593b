// Package cost answers two questions: what will this call cost at that
// endpoint, before it is made, and what did it cost, from the usage that came
// back.
//
// # Prices
//
// A model.Pricing holds up to three parts, and a call costs their sum: prices
// per token, an hourly price of hardware shared by its throughput, and a price
// per request. A part that has no field set is no part of the bill. Within the
// token part a nil price is unknown and a zero price is free, with three
// conventions: cached reads and cache writes without a price of their own cost
// as much as input, and reasoning tokens as much as output.
//
// Usage counts all prompt tokens as Input and all generated ones as Output;
// cached reads, cache writes and reasoning are shares of those. So with prices
// P per million tokens
//
//	input     (Input − CachedRead − CacheWrite) × P.Input / 10⁶     never below 0
//	cached    CachedRead × P.CachedRead / 10⁶
//	write     CacheWrite × P.CacheWrite / 10⁶
//	output    (Output − Reasoning) × P.Output / 10⁶                 never below 0
//	reasoning Reasoning × P.Reasoning / 10⁶
//	hardware  (Input + Output) × rate
//	request   P.Request
//
//	rate = Hourly × Devices × CapacityShare × OverheadFactor × MoEFactor / (TokensPerSecond × 3600)
//
// Products are worked out in 128 bits and every class is rounded once, half
// up, to the nano-dollar; Total is the sum of the rounded classes. The hardware
// rate is a quotient of measured figures and is itself rounded once, to the
// nano-dollar per 10⁹ tokens. Amounts over 9.2 billion dollars saturate. An
// upstream that reports more cached than prompt tokens, or more reasoning than
// output, is billed for what it reports in each class.
//
// A breakdown is Unpriced, and its Total a lower bound, when a class was used
// whose price is unknown, or when the count of a class whose price is not zero
// is unknown. Unknown is never taken for zero.
//
// # Estimates
//
// The tokens of a prompt are predicted as
//
//	base = 8 + bytes/4 + 765 × images
//
// corrected by a factor exp(e) that is learned per canonical model and task
// from returned usage: the mean and variance of e = ln(actual/base), each
// observation weighing a little more than the one before, so that the
// estimate follows change. A caller who knows the prompt's tokens gives them
// and the correction drops out. A prompt of which nothing is known is taken as
// 500 tokens with a wide interval. Output length is learned per canonical
// model and task too, as a decaying histogram over logarithmic buckets, and
// capped by what the caller allows, the model can, and the context leaves.
// Shares of cached, written and reasoning tokens are learned as decaying means.
// Before anything is learned, stated priors stand in (see prior.go); they
// fade out as observations come in.
//
// Low and High bound the cost at the level of the estimator (default 90 %).
// The errors of prompt, answer and cache share are taken as independent: on
// each side their effects on the cost add up as the root of the sum of squares.
//
// # What it does not do
//
// It holds no budget, stores nothing, knows no currency but US dollars, and
// does not know which price held at another time: it prices with the
// model.Pricing it is given.
//
// An Estimator, a Profile and their methods are safe for concurrent use.
// Estimating takes no lock and allocates nothing.
package cost
