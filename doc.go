// Package cartrita is a model registry and router for LLM inference.
//
// The Service is the one place where a request meets every domain, in order:
// it snapshots what is known (registry, health), estimates what each endpoint
// would cost, decides (package route), records the intent, carries the call to
// an endpoint and, on an error before the first content, to the next, relays
// the answer, prices it, and records what happened. Everything that happened
// is in one growing model.Record; nothing else accumulates.
//
// A Service is safe for concurrent use.
package cartrita
