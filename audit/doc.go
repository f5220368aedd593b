// Package audit answers who changed what of the gateway's administration, and
// whether that record was tampered with since.
//
// # Model
//
// Every administrative change (a model, a key, a budget, an override, a lease
// that was released, the shared configuration, sums that were rebuilt) is an
// Entry of the trail. A store writes it in the transaction of the change itself,
// so there is none without the other.
//
// Entries are a chain: they are numbered from 1 without gaps, and each carries
// the SHA-256 of the one before and of itself,
//
//	hash = SHA-256("cartrita audit 1\n" | seq | at | prev | actor | name | action | object | detail)
//
// with seq and at (µs since 1970) as 8 bytes, big-endian, prev as 32 bytes, and
// each text behind its length in 4 bytes. Whoever changes, removes, adds or moves
// an entry breaks the chain there, and Verify names the first entry that is
// broken. Entries that are cut off at the end leave a shorter chain that is whole,
// and who can write to the database can make a whole chain anew: to find that,
// somebody has to remember a head, the hash of the latest entry, elsewhere.
//
// Who does something travels with the context (By, Who), from where a request
// is authenticated to where the change is stored.
//
// The package does not keep the trail and does not decide who may read it. A
// Verifier belongs to one goroutine; the functions are safe for concurrent use.
package audit
