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
// A process that shares nothing is a cluster of one: it hears nobody and leads.
package cluster
