package model

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind classifies an error. Kinds survive the wire: each maps to one HTTP
// status and one stable code.
type Kind uint8

// The kinds. KindInternal is the zero value: an error that nobody classified
// is ours, and its text is not shown to callers.
const (
	KindInternal        Kind = iota // a fault of ours
	KindInvalid                     // the request is malformed
	KindUnauthenticated             // no or wrong credentials
	KindBudget                      // a budget would be passed
	KindForbidden                   // the caller may not do this
	KindNotFound                    // no such model, call or route
	KindConflict                    // the stored state does not allow it
	KindTooLarge                    // the body is over the limit
	KindNoCandidate                 // every endpoint was excluded
	KindRateLimited                 // too many requests, ours or the upstream's
	KindContextLength               // the prompt does not fit the model
	KindContentPolicy               // the upstream or our checks refuse the content
	KindCanceled                    // the caller went away
	KindUpstream                    // the upstream failed or answered nonsense
	KindUpstreamAuth                // the upstream refused our credentials
	KindUnavailable                 // we or every upstream cannot serve right now
	KindTimeout                     // a deadline passed
)

type kindInfo struct {
	name      string // stable code on the wire
	status    int
	retryable bool // another endpoint may succeed
	fault     bool // counts against the endpoint's health
}

// StatusClientClosedRequest is the status recorded for callers that went away.
const StatusClientClosedRequest = 499

var kinds = [...]kindInfo{
	KindInternal:        {"internal_error", http.StatusInternalServerError, false, false},
	KindInvalid:         {"invalid_request", http.StatusBadRequest, false, false},
	KindUnauthenticated: {"invalid_api_key", http.StatusUnauthorized, false, false},
	KindBudget:          {"budget_exceeded", http.StatusPaymentRequired, false, false},
	KindForbidden:       {"forbidden", http.StatusForbidden, false, false},
	KindNotFound:        {"not_found", http.StatusNotFound, false, false},
	KindConflict:        {"conflict", http.StatusConflict, false, false},
	KindTooLarge:        {"request_too_large", http.StatusRequestEntityTooLarge, false, false},
	KindNoCandidate:     {"no_candidate", http.StatusUnprocessableEntity, false, false},
	KindRateLimited:     {"rate_limit_exceeded", http.StatusTooManyRequests, true, true},
	KindContextLength:   {"context_length_exceeded", http.StatusBadRequest, true, false},
	KindContentPolicy:   {"content_policy_violation", http.StatusBadRequest, true, false},
	KindCanceled:        {"request_canceled", StatusClientClosedRequest, false, false},
	KindUpstream:        {"upstream_error", http.StatusBadGateway, true, true},
	KindUpstreamAuth:    {"upstream_auth_error", http.StatusBadGateway, true, true},
	KindUnavailable:     {"unavailable", http.StatusServiceUnavailable, true, true},
	KindTimeout:         {"timeout", http.StatusGatewayTimeout, true, true},
}

func (k Kind) info() kindInfo {
	if int(k) >= len(kinds) {
		return kinds[KindInternal]
	}
	return kinds[k]
}

// String returns the stable code of the kind.
func (k Kind) String() string { return k.info().name }

// Status returns the HTTP status of the kind.
func (k Kind) Status() int { return k.info().status }

// Retryable reports whether another endpoint may succeed where this one failed.
func (k Kind) Retryable() bool { return k.info().retryable }

// EndpointFault reports whether the failure counts against the endpoint's
// health. Refusals of ours and faults of the request never do.
func (k Kind) EndpointFault() bool { return k.info().fault }

// MarshalText writes the stable code.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the stable code.
func (k *Kind) UnmarshalText(b []byte) error {
	for i, info := range kinds {
		if info.name == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("unknown error kind %q", b)
}

// Error is the one structured error of the project.
type Error struct {
	Op         string        // where: "registry.Import", "openai.Do"
	Kind       Kind          //
	Param      string        // path of the field at fault: "messages[2].role"; empty if none
	Message    string        // for the caller: what was wrong and what was expected
	RetryAfter time.Duration // when to come back; 0 unknown
	Status     int           // the upstream's own HTTP status; 0 if none
	Details    any           // machine-readable addition shown to the caller; JSON-encodable
	Err        error         // cause; for logs, never shown to callers
}

// Error implements error, for logs and the terminal.
func (e *Error) Error() string {
	s := e.Message
	if s == "" {
		s = e.Kind.String()
	}
	if e.Param != "" {
		s = e.Param + ": " + s
	}
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error with a message for the caller.
func Errorf(op string, kind Kind, format string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Invalidf makes a KindInvalid error about one field.
func Invalidf(op, param, format string, args ...any) *Error {
	return &Error{Op: op, Kind: KindInvalid, Param: param, Message: fmt.Sprintf(format, args...)}
}

// AsError returns err as *Error, wrapping an unclassified one as internal.
// It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: KindInternal, Err: err}
}

// KindOf returns the kind of err; KindInternal if nobody classified it.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}
