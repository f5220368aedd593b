// Package budget answers whether a call may be paid for, and what it then
// cost each budget that it falls under.
//
// # Model
//
// A Budget limits dollars, tokens or requests within a scope and a period. A
// scope names values that must all match; a value "*" makes one counter per
// distinct value, so that {team: *} is one budget for each team. A Ledger holds
// the counters. Every attempt at a call reserves in all budgets that apply, all
// or none, before it is sent (Reserve), and settles or releases once when it
// has ended (Hold). Before the decision, View says which steps of the budgets'
// ladders are in force for the caller.
//
// # Admission
//
// With reserve "worst" a call is admitted when, in every scope,
//
//	spent + held + asked ≤ limit
//
// where asked is the most that the call can cost: spent never passes the limit.
// With a quantile (p95) asked is that quantile of the call's estimate, which
// does not freeze a budget while calls with a large max_tokens run. What may
// then be spent beyond the limit is at most the sum, over the calls held at one
// time, of their worst case less their hold; how often and by how much calls
// cost more than was held is counted and shown. In both cases a budget whose
// spent alone has reached a limit refuses everything, also calls that cost
// nothing: a limit of 0 refuses from the start.
//
// A call whose price is not known is refused, taken at the highest known price
// or taken as free, as the budget says (UnknownPrice). A price of 0 is a price:
// tokens and requests are counted.
//
// # Periods
//
// A calendar period begins at the local midnight, Monday, first of the month or
// of the year of its time zone, or at the full hour; a day of 23 or 25 hours is
// a day. A rolling one is the last 60 minutes, 24 hours, 7, 30 or 365 days, kept in
// 60 buckets: what was spent counts until its whole bucket has left the window,
// so for up to 61/60 of it. A call belongs to the period (or bucket) in which
// it was reserved, however late it ends; a new period starts at zero.
//
// # Thresholds and ladder
//
// The share of a limit is of what is spent, the largest of the limits that the
// budget has; holds don't count, since they may come back. Crossing a
// threshold or a step is reported once per period. A step is left when the
// share falls more than 0.05 below it or the period ends.
//
// # Double entry
//
// Each posting is made twice: in the counter of its budget, and in a journal
// that is kept apart with the open holds. Check compares the two; Audit compares
// the counters with the charges in the records of calls. A hold older than any
// call can be is reported as a leak and never freed behind the call's back.
//
// # Identity
//
// A budget is its name: what was spent stays with the name when limits or the
// scope change, at a reload as across a restart. A changed period starts at
// what is known of the new period, usually zero.
//
// # What it does not do
//
// It prices nothing and stores nothing: Load gives it what a store has at the start,
// and the charges of settled holds go to the store by the records of calls.
//
// # Several gateways
//
// Gateways that share a database share the limits through an Escrow. Of each
// limit a gateway holds a lease, which it spends without asking; the sum of all
// leases, of what gateways without one recorded, and of the openings is at most
// the limit, by one transaction for each change (ShareStore.Lease). So
//
//	Σ over gateways of max(lease, recorded) + opening ≤ limit
//
// A lease grows in the background when half of it is used up, and while a call
// waits that it has no room for. Far from the limit it lasts for minutes, so that
// a store that is away stops nobody; near it, it is small (advance). Who lacks something has the others give back
// what they hold and do not use, to the last call. What a gateway holds that was
// killed stays its own until it starts anew and has recorded what it spent.
//
// What others spent is posted in the counters as it is recorded, so that
// thresholds and ladders are of all together; what they hold is not seen.
//
// # Concurrency
//
// Everything is safe for concurrent use. Reserve and Settle take a read lock
// and add to atomic counters; a call that does not fit is decided again alone,
// so that nobody is refused because of a hold that was itself refused. The package starts no
// goroutine; an Escrow needs one for Run.
package budget
