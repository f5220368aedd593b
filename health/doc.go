// Package health answers how each endpoint is doing now: its load, its recent
// speed and error rate, and whether it takes calls at all.
//
// # Model
//
// A Tracker hands out one Endpoint per id. Every attempt asks Begin before it
// is sent and reports to Done how it ended; View is the state in between, a
// value that the router reads. Handles outlive registry snapshots, so a
// configuration change forgets nothing.
//
// # Figures
//
// Means decay with time, not with the number of calls: a finished call has
// weight 2^(−age/HalfLife) (default one minute), so an idle endpoint is slowly
// forgotten and a busy one follows a change within a minute at any rate.
// Samples is the sum of these weights. Time to first token, latency and speed
// are those of calls that succeeded; the error rate is the weighted share of
// calls that ended in a fault of the endpoint. What ended for another reason
// (the caller went away, the request was wrong, a budget refused it, the prompt
// was too long) says nothing about the endpoint and counts nowhere. A call that
// hung and was given up is a KindTimeout and counts as a failure.
//
// # Circuit breaker
//
//   - Closed: calls pass. Five faults in a row (Failures), or a share of 0.5
//     (ErrorRate) among at least 10 (MinSamples) recent calls, opens it; recent
//     calls are weighted as above with a half-life of 10 seconds (Window).
//     Refused credentials open it at once, since every call would fail alike.
//   - Open: calls are refused for 5 seconds (OpenFor), twice as long each time
//     it opens again within two minutes of closing (OpenMax, which is also the
//     cap). A longer Retry-After of the upstream wins.
//   - Half-open: one call at a time passes as a probe. Its success closes the
//     circuit, its fault opens it again for twice as long, and any other end
//     lets another call probe. A probe that does not come back within 30 seconds
//     (ProbeLease) no longer keeps others out, and is heard when it does come
//     back, unless another one has decided by then.
//
// Calls that began before the circuit opened change figures when they end, not
// the state. The rules are the same for the only endpoint of a model: callers
// then get a fast failure with the time to come back.
//
// # What others say
//
// Another process that found an endpoint broken raises suspicion (Suspect), no
// more, since it may be its own network that is broken. A process none of whose
// calls there succeeded in the last ten seconds avoids the endpoint for two to
// four seconds; where nothing else is left, one call at a time tries it. After
// that it is half-open. The first call that ends decides.
//
// # Rate limits
//
// A 429 is not a broken endpoint: it counts in the error rate and never opens
// the circuit. The endpoint is left alone for the time that the upstream asked for,
// at most ten minutes (RetryAfterMax), or, where it asked for none, for one
// second, doubled with every further 429 up to OpenFor, until a call succeeds.
// A Retry-After on another fault is honoured the same way.
//
// # Concurrency
//
// Everything is safe for concurrent use. Begin and View take no lock; Done
// takes one per endpoint. A View may mix figures of two calls that end at the
// same instant. Times are those that the caller passes; a time before an
// earlier one counts as that one. The package starts no goroutine.
package health
