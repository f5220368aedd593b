// Package key answers who a caller is, what that caller may do, and how much.
//
// A virtual key is a record with an owner, a team, a project and tags, a role,
// lists of what it may ask for, and limits. What its holder presents is
//
//	sk-cartrita-<id>-<secret>
//
// The id is public and finds the record; the secret has 256 bits of randomness,
// is shown once when the key is made or rotated, and is kept only as
//
//	HMAC-SHA-256(server secret, whole token)
//
// so that the store alone is of no use to who reads it. Digests are compared in
// constant time. The server secret never enters the store.
//
// Ring holds all keys in memory as one immutable index behind an atomic
// pointer: finding a key takes one look-up and one HMAC, no lock and no
// database. Changes go to the Store first and are then in force at once; those
// of other processes are noticed by polling. A rotated secret leaves the old one
// valid for a grace time; a key whose time is over, or that was revoked, is
// refused from that moment on. Keys are never deleted, so that records that
// name one can be explained.
//
// Limits are those of one key: requests and tokens per minute and calls at
// once. Package limit counts by them.
//
// It does not speak HTTP, keeps no secret, and knows nothing of budgets.
// Everything exported is safe for concurrent use.
package key
