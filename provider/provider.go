// Package provider says what it takes to carry a call to one kind of model
// server and to bring its answer back in OpenAI's shape.
//
// A Client makes exactly one attempt: it does not retry, does not choose
// another endpoint and does not price. A vendor's package (provider/openai,
// provider/anthropic, provider/huggingface) implements it; provider/upstream
// holds the HTTP that they share, and provider/providertest is the suite of
// behaviour that every implementation passes.
//
// Clients are safe for concurrent use. A Response and its Stream belong to the
// one goroutine that asked for them.
package provider

import (
	"context"
	"net/http"

	"github.com/cartrita/cartrita/model"
)

// Client carries calls to the servers of one vendor's dialect. One client
// serves all endpoints of one configured provider.
type Client interface {
	// Do makes one attempt. For a unary call it returns when the whole answer
	// has arrived; for a stream, when the upstream has accepted the call. The
	// context bounds the attempt including its stream: when it ends, the
	// upstream connection is given up at once.
	//
	// Errors are *model.Error with Status and RetryAfter as the upstream sent
	// them, of these kinds:
	//
	//	RateLimited    too many requests, or the account's quota per time is used up
	//	ContextLength  the prompt does not fit
	//	ContentPolicy  the upstream refuses the content
	//	Invalid        the upstream, or the translation to it, says that the request is wrong
	//	UpstreamAuth   key refused, or the account cannot pay
	//	Unavailable    no connection, overloaded, model loading
	//	Upstream       any other failure, or an answer that is not one
	//	Timeout        no answer in time
	//	Canceled       the caller's context was canceled
	Do(ctx context.Context, ep *model.Endpoint, call *model.Call) (*Response, error)
}

// Response is the answer of an upstream that accepted the call.
type Response struct {
	Status int
	Header http.Header // only the headers that are safe and useful to callers

	// Of a unary call: a JSON object in OpenAI's shape, and the usage in it.
	Body  []byte
	Usage model.Usage // Source is "" when the upstream reported none

	// Of a streamed call; nil otherwise. The receiver must close it.
	Stream Stream
}

// Stream is an answer on its way.
type Stream interface {
	// Next returns the next bytes for the caller. io.EOF comes only after a
	// chunk with Done: a stream that stops before its proper end, or that
	// carries an error event, ends with an *model.Error of the kinds of
	// Client.Do, which is not io.EOF in the sense of errors.Is either. After an error every further Next returns the same error.
	Next() (Chunk, error)
	// Close gives up the upstream if it is still sending, and releases the
	// memory behind the last chunk. It may be called more than once.
	Close() error
}

// Chunk is a piece of a stream: one or more whole server-sent events in
// OpenAI's shape.
type Chunk struct {
	// Data is valid until the next call of Next or Close. It may be empty when
	// an event of the upstream has no counterpart for the caller.
	Data []byte
	// Content reports that Data holds at least one piece of the answer itself:
	// text, reasoning, a refusal or a part of a tool call.
	Content bool
	// Done marks the closing [DONE] event, which comes alone.
	Done bool
	// Usage is what the upstream says it has counted so far, if Source is set.
	// Reports are cumulative: a later one replaces an earlier one. A count that
	// is not known yet (the output at the start of a stream) stays unknown.
	Usage model.Usage
	// UsageOnly marks an event, which comes alone, that has no choices and only
	// reports usage. It is left out for callers that did not ask for usage.
	UsageOnly bool
	// OutputBytes is the number of bytes of answer text in Data, to count
	// tokens from when the upstream reports no usage.
	OutputBytes int
}

// Credentials resolves a reference ("env:NAME", "file:/path") to the secret.
// It is called for every attempt and must be fast. An empty reference is never
// passed: the endpoint needs no key.
type Credentials func(ref string) (string, error)
