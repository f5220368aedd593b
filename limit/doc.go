// Package limit answers whether a call may start now: how many requests and
// tokens were taken lately, and how many calls run at once.
//
// # Model
//
// A Limit bounds requests and tokens within a window, and calls at once, within
// a scope, as a budget bounds money: values that must all match, where "*" makes
// one counter for each value. A key's own limits are one more Limit, of that key.
// A call takes from every counter that it falls under, all or none (Acquire), and
// at its end what was reserved is replaced by what was used (Hold.Release).
//
// # The window
//
// It slides in sixty steps. What was taken in a step counts until the whole step
// has left the window, and counters that replicas share count it for one step
// more, since a lease may be used up to a step after it was granted:
//
//	sum of the last 61 steps (shared: 62) + asked ≤ limit
//
// So no window of that length, wherever it begins, ever holds more than the limit
// (but for calls whose exchange takes longer than a step, which start that much
// late), and what was taken comes back at the latest after 62/60 of it. Tokens count in
// the step in which they were reserved; more than was reserved counts from when it
// is known, and is always admitted: the sum may pass the limit by it.
//
// # Many replicas
//
// With a Shared, its counters are the truth, by its clock. A replica takes leases:
// what the call asks for and, when calls are many, some more, at most an eighth of
// what is left beyond that. So a counter that is far from its limit costs an
// exchange in many calls, near the limit each call asks, and nothing is stranded.
// What of a lease was not used within a step is given back. Calls that run hold
// slots, which are renewed while they do and end by themselves (SlotTTL) with a
// replica that died. A refusal is remembered for up to RefusalTTL.
//
// While the Shared is away each replica admits its part: the limit divided by the
// number of replicas that is known or was known last, at least 1. What it admits then, it
// reports when the Shared is back; when a counter was lost there, it reports
// everything that it admitted in the window, and nothing is admitted from that
// counter to it before. So what a loss admits beyond the limit is at most one
// window's worth, and usually the leases that were out.
//
// # What it does not do
//
// It prices nothing, queues nobody and remembers nothing of a window that is over.
//
// Everything exported is safe for concurrent use; a Hold belongs to its call.
package limit
