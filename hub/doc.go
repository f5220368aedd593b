// Package hub answers what the Hugging Face Hub says about a model: it reads
// the Hub's model information (the answer of /api/models/{id}) into a record
// for the registry.
//
// What is read, and how:
//
//   - the licence, from cardData.license or the "license:" tag, and whether it
//     allows commercial use, by a table of known licences (Commercial). "other"
//     is looked up under cardData.license_name. A licence that is not in the
//     table leaves commercial_allowed unknown;
//   - the tasks, from pipeline_tag. A text-generation model with a chat
//     template does everything a chat model does;
//   - the parameter count, from safetensors.total or gguf.total. Weights
//     packed into integers count fewer elements than parameters, so their
//     total is not used;
//   - the context length, from the configuration's max_position_embeddings and
//     its relatives, or gguf.context_length;
//   - the architectural type, from the configuration: experts, an encoder and
//     a decoder, an encoder alone, a decoder alone.
//
// The package fetches nothing: the caller brings the JSON. It holds no state
// and is safe for concurrent use.
package hub
