// Package registry answers which models and endpoints exist.
//
// # Model
//
// A record (model.Model) is one set of weights as one provider lists it; an
// endpoint is one place where it can be called. Records come in layers, and
// the upper one wins by id: the embedded catalogue, then what users stored
// (added, imported, edited, retired; every change a Version), then what the
// configuration describes inline. Endpoints come from the configuration and
// from discovery only.
//
// Readers take a Snapshot: an immutable value with every record, every
// endpoint joined to its record, and an index of all names. Writers build a
// new one and swap it in; a reader never waits and never sees half a change.
//
// # Names
//
// Resolve knows, in this order: the id of a record; "<provider>/<name>" of an
// endpoint, where name is the upstream's name, the record's id or its canonical
// id; and the canonical ids and aliases. A record whose id is its canonical id
// stands for the weights at any provider. A name that is none of these is
// tried once more without regard to case and separators.
//
// # Composite quality
//
// Every known metric is brought to [0,1] and the known ones are averaged with
// fixed weights w:
//
//	mmlu        value/100   w 1
//	truthfulqa  value/100   w ½
//	hellaswag   value/100   w ½
//	mt_bench    value/10    w 1
//	arena_elo   1 / (1 + 10^((1020 − value)/400))   w 2
//
// The last is the expected score against a model rated 1020, a centre chosen
// so that arena_elo and mmlu agree on the models for which both are published
// (the test prints by how much). A metric named composite wins over the
// formula. Custom metrics have no common scale and do not count. A record
// without metrics borrows those of its weights; where none are known the
// quality is unknown.
//
// # Prices of endpoints
//
// An endpoint's own cost profile wins. A listing's price holds for endpoints
// of the same provider, by name or by address; a record that a user wrote
// holds its price everywhere. Otherwise the price is unknown.
//
// # What it does not do
//
// It opens no connection of its own: files to import are brought as bytes,
// credentials stay references, and health is another package's. The only
// things it calls are its Store and the Embedder that a search brings.
//
// All methods are safe for concurrent use; writers wait for each other.
package registry
