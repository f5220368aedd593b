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
// Package usage reads the counts; the service tier stands beside them.
// Usage may also stand in x_groq or in a choice.
//
// A Client is safe for concurrent use and remembers nothing about calls.
package openai
