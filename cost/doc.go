// Package cost answers two questions: what will this call cost at that
// endpoint, before it is made, and what did it cost, from the usage that came
// back.
//
// # Prices
//
// A model.Pricing holds up to four parts, and a call costs their sum: prices
// per token, an hourly price of hardware shared by its throughput, a price per
// request, and a price per second that the call takes. A part that has no field
// set is no part of the bill. Within the token part a nil price is unknown and
// a zero price is free, with these conventions for classes without a price of
// their own:
//
//	cached reads, cache writes, images in   cost as much as input
//	reasoning                               costs as much as output
//	audio in                                input's price, as a lower bound
//	audio and images out                    output's price, as a lower bound
//	long-lived cache writes                 cache writes' price, as a lower bound
//
// Usage counts all prompt tokens as Input and all generated ones as Output; the
// other classes are shares of those, and every token is billed in one class:
//
//	share                                             price per 10⁶ tokens
//	CachedRead                                        CachedRead
//	CacheWrite − CacheWriteLong, CacheWriteLong       CacheWrite, CacheWriteLong
//	AudioInput, ImageInput, as far as there is room   AudioInput, ImageInput
//	what is left of Input, never below 0              Input
//	Reasoning                                         Reasoning
//	AudioOutput, ImageOutput, as far as there is room AudioOutput, ImageOutput
//	what is left of Output, never below 0             Output
//
//	hardware  (Input + Output) × rate
//	request   Request
//	duration  seconds × Second
//
//	rate = (Hourly + Watts/1000 × PowerPrice) × Devices × CapacityShare × OverheadFactor × MoEFactor
//	       / (TokensPerSecond × 3600 [× Utilisation, with AmortiseIdle])
//
// Tiers replace token prices. The tier with the highest threshold below the
// prompt's tokens prices the whole call, and a service tier is looked up by the
// name that the upstream says it served, at that length. Prices that a tier
// leaves out stay as they are without it, times its factor. A service tier that
// the pricing does not list is billed at the usual prices and is Unpriced.
// Amounts in another currency are multiplied by USDPerUnit and rounded to the
// nano-dollar before anything else; without it the price is unknown.
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
// is unknown, or when a lower bound stands in. Unknown is never taken for zero.
//
// At chooses between versions of a price. Worst bounds what a call can cost,
// over all classes, service tiers and prompt lengths within the request.
//
// # Estimates
//
// The tokens of a prompt are predicted as
//
//	base = 8 + bytes / bytes per token + 765 × images
//
// with 4 bytes per token of prose, 3.4 of code, 2.8 of scripts beyond ASCII and
// 6 where those come as JSON's escapes; internal/prompt tells the kinds apart
// at a glance. A factor exp(e) corrects it that is learned per canonical model
// and kind of text from returned usage: the decaying mean and variance of
// e = ln(actual/base), with the weight of at most 8 observations of the model's
// other kinds and of 4 of a prior behind it. A caller who knows the prompt's
// tokens gives them and the correction drops out. A prompt of which nothing is
// known is taken as 500 tokens with a wide interval.
//
// The length of an answer is learned as a decaying histogram over logarithmic
// buckets, on levels of which each stands behind the next with the weight of a
// few observations, so that it counts while the next has learned little:
//
//	pool   lengths of all models, relative to what is assumed of their tasks
//	model  the same of one model
//	prior  what is assumed of the task (prior.go); with up to 8 observations of
//	       the pool and 12 of the model mixed in, it stands behind the
//	task   lengths of one model at one task, like 6 observations; those stand,
//	       like 10, behind the
//	cell   of these, with a like limit and a prompt of like length
//
// There are 6 ranges of limits and 4 of prompts, at most 24 cells to a task and
// Config.MaxCells in all. What was observed weighs less with every later
// observation, so that estimates follow change. An answer as long as its limit
// was cut there: it teaches that the answer would have been longer, and counts
// in the buckets beyond as the distribution so far has them. The expected length under a limit
// is the mean of the lengths cut there. Shares of cached, written and reasoning
// tokens are learned as decaying means.
//
// # Intervals
//
// The cost at the score z, a normal deviate, lies away from the cost at all
// medians by the root of the sum of squares of what prompt, cache share and
// answer at their own quantiles Φ(z) add to it; where the answer reaches its
// limit, by what the answer adds and the root for the rest. That is an
// approximation, and so the ends are not taken at the normal deviates of the
// level. When a call settles, Settled looks up the score at which its actual
// cost lies. The scores of the latest calls of each model and task, with 40
// normal ones behind them, say at which score a share p of bills stays below,
// and Low and High are taken there. A side that is missed more rarely than it
// may be, such as the upper one where most answers are cut, leaves what it does
// not use to the other. How often bills lay inside is counted: Calibration.
//
// Confidence is high when the model has been seen in 50 calls or more (those
// of the task for the answer, all for the prompt unless it was counted;
// decaying counts) and the interval is no wider than 1.5 times the expected
// cost; medium from 5 calls and 5 times; else low. Nothing to predict is high,
// an unknown price low.
//
// A BatchSum of many calls takes what each call has of its own as independent
// and the doubt about learned means as common to all.
//
// # What it does not do
//
// It holds no budget, stores nothing (Export and Import carry what it learned
// to and from a Store), and asks nobody for prices or
// exchange rates: it prices with the model.Pricing it is given.
//
// An Estimator, a Profile and their methods are safe for concurrent use.
// Estimating takes no lock and allocates nothing.
package cost
