// Package send answers how something is posted to an address that people gave,
// and what may be said of it when that fails: never the address, nor what the
// other side says in its own words, since both may hold a secret.
//
// A Client made by NewClient follows no redirect. All is safe for concurrent use.
package send
