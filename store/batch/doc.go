// Package batch holds what stores with rows do alike to a batch of calls: add
// up their costs and charges, and compress their documents together, because
// writing pages is what storing a call costs.
//
// It knows no database. Its values are for one goroutine at a time.
package batch
