// Package openai carries calls to any server that speaks OpenAI's HTTP API:
// OpenAI itself, Azure, Groq, Together, Mistral, DeepSeek, OpenRouter, xAI,
// vLLM, SGLang, TGI, Ollama, llama.cpp, LM Studio.
//
// # Requests
//
// The caller's body is forwarded as bytes. Two members are ours: model becomes
// the endpoint's upstream name, and a stream always asks for usage
// (stream_options.include_usage). Unknown members survive.
//
// Servers differ in three members that they refuse outright: stream_options,
// max_tokens (OpenAI's reasoning models) and max_completion_tokens (older
// servers). A refusal that names one of them is answered by sending the call
// once more with it left out or renamed; if that helps, the client remembers it
// for the server and model. A refused request costs nothing, so this stays one
// attempt.
//
// # Answers
//
// An answer in one piece is checked to be a JSON object without an error in
// it, and is passed on as it came. A stream is relayed as the bytes arrive:
// whole events, several in one chunk where they came together. Comments before
// the first content are left out: callers must not take them for a sign that
// the answer is coming. Each event is
// walked once, without decoding, to find the first content, the size of the
// text, the end of a choice, errors and usage.
//
// # Usage
//
// Counts are brought to one convention (see model.Usage) as follows.
//
//	Input       prompt_tokens; plus cached tokens where they exceed it, which
//	            shows that the server counts them apart
//	CachedRead  prompt_tokens_details.cached_tokens, or prompt_cache_hit_tokens
//	            (DeepSeek), cached_tokens (Moonshot), cache_read_input_tokens
//	CacheWrite  prompt_tokens_details.cache_write_tokens (OpenRouter) or
//	            cache_creation_input_tokens
//	Output      completion_tokens; or total_tokens − prompt_tokens where that is
//	            more, because xAI and Google leave reasoning out of the former
//	Reasoning   completion_tokens_details.reasoning_tokens
//
// Usage may also stand in x_groq or in a choice. A count that is missing, null,
// no whole number or absurdly large is unknown; 0 is a known count.
//
// A Client is safe for concurrent use and remembers nothing about calls.
package openai
