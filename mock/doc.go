// Package mock is a model server for tests and demonstrations: it answers the
// question how a client, a gateway or a router behaves when models are slow,
// busy, dear, wrong or broken, without any model.
//
// # What it serves
//
// A Server is an http.Handler with OpenAI's surface (/v1/models,
// /v1/chat/completions, /v1/completions, /v1/embeddings), Anthropic's
// (/v1/messages), /healthz and /stats. Every model is served on every surface.
// Requests are checked as strictly as the vendors do: what is malformed is
// refused in the vendor's own error shape, with the field's path.
//
// A model is a Profile: its speed, its answers, and how often it fails in
// which way. Answers are real sentences that name the topic of the question,
// and say that nobody thought about it. Where the request offers tools or
// demands a JSON schema, the answer follows the schema. Embeddings are hashed
// words and characters, so that similar texts lie near each other.
//
// # Determinism
//
// The same prompt gets the same answer from the same model and seed. Failures
// and delays follow from the seed, the model and the number of the request to
// that model, so a run that sends its requests one after another repeats
// exactly. Nothing else is random.
//
// # Failures
//
// Rates are shares of requests and exclude each other: at most one failure
// befalls a request. An error answers with a status; a rate limit with 429 and
// Retry-After; a hang accepts and says nothing until the client leaves or
// HangLimit passes; a cut closes the connection in the middle of the answer; a
// stall stops sending in the middle; a stream error breaks off with an error
// event. An answer that is not streamed is cut in the middle of its body, and
// hangs where a stream would stall.
//
// # Speed
//
// A token is sent when its time has come on a schedule that is fixed when the
// answer starts, and everything due is sent in one write, so that the mock
// holds its rate under load. A model without a rate sends its whole answer in
// one write, with no timer.
//
// # What it does not do
//
// It authenticates only against one fixed key, does not understand text, and
// counts tokens by rule of thumb: a prompt by its bytes, an answer by pieces of
// at most six letters.
//
// A Server is safe for concurrent use. Its only goroutines are those of the
// requests it serves.
package mock
