// Package importer reads model records from other people's files: our own
// YAML, JSON and JSONL, LiteLLM's price map, OpenRouter's model list and the
// Hugging Face Hub's model information.
//
// Parse turns a file into Records. A record of our own format is complete: it
// replaces what the registry has. A record of the other formats says only what
// its source says, and is merged into what the registry has; keys for which a
// record has no place are listed as ignored, by path. A record that cannot be
// read carries its errors and does not stop the others; only a file that is
// not in the format at all is an error of Parse.
//
// How the sources are read:
//
//   - Prices per token become prices per million tokens exactly, as decimals.
//     LiteLLM writes 0 both for free and for unknown models, so a model whose
//     prices are all 0 is free only if its name says so; OpenRouter's 0 is
//     free and its -1 is unknown. A price of 0 for a class (cache, reasoning,
//     request) that has no price of its own is left out.
//   - Abilities: a source's true becomes a feature, its false a missing
//     feature, its silence nothing.
//   - Licences become commercial_allowed by a table of known licences; a
//     licence that is not in it leaves it unknown.
//
// The package does no I/O and decides nothing about what is already in the
// registry. Its functions are safe for concurrent use.
package importer
