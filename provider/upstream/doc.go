// Package upstream sends one HTTP request to a model server and says what came
// of it. The vendors' packages share it; it knows HTTP and the error bodies of
// the field, and no vendor's translation.
//
// # Limits
//
// A Sender puts a limit on everything that another machine decides: the time
// to connect, the time to the headers of a streamed answer, from there to its
// first content, the silence after that, the time of a whole unary answer, the
// size of an answer, of an error body and of the response headers. Redirects are never
// followed: where requests go is decided by configuration alone. A request
// whose reused connection turns out to be closed is sent again on another one;
// anything else is an error for the caller to judge.
//
// # Errors
//
// Every error is a *model.Error. One with Status 0 means that the upstream
// gave no answer. Classify turns an answer that is not a success into a kind,
// by status, error code and, where servers have no codes, by known wordings;
// the table is in wordings.go. The upstream's message is passed on to callers
// only where it is about their request (Invalid, ContextLength,
// ContentPolicy); otherwise it is kept for the log, with the key cut out
// should a server echo it.
//
// # Memory
//
// A transport may read a request body after it has returned, so bodies are
// never pooled: no call's bytes can end up in another's request.
//
// A Sender is safe for concurrent use. A Reply belongs to one goroutine.
package upstream
