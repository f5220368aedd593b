// Package cluster answers what the replicas of one gateway tell each other:
// that something changed, who is there, and who does the work that is to be
// done once.
//
// # Model
//
// Replicas share a database, which is the truth. Nothing here is: a message may
// be lost, and whoever acts on one reads the truth then. A replica that may have
// missed messages is told so, and reads everything anew.
//
// A Messenger is a Bus over connections that break: it sends what it can at
// once, keeps nothing for later, and tells those who listen when something may be
// missing.
//
// A Replica tells the Store every BeatEvery that it is there. One of them leads,
// for LeadTTL at a time by the store's clock, and does the Jobs of all. Its term
// is over for it when either of its own clocks says so, counted from before it
// asked, so it stops before the store lets another one begin; what it writes
// nevertheless, because it was frozen just then, the store refuses by the term.
// The store knows when a job last began: a successor waits until it is due, and
// begins a run anew that was cut off.
//
// A process that shares nothing is a cluster of one: it hears nobody and leads.
//
// Everything exported is safe for concurrent use, but for a Carrier.
package cluster
