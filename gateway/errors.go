package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// wireError is OpenAI's error object. Details is ours: a machine-readable
// addition, such as the exclusions behind a no_candidate.
type wireError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
	Details any     `json:"details,omitempty"`
}

// errorTypes gives each kind the `type` that OpenAI's clients know.
var errorTypes = map[model.Kind]string{
	model.KindInternal:        "server_error",
	model.KindInvalid:         "invalid_request_error",
	model.KindUnauthenticated: "authentication_error",
	model.KindBudget:          "insufficient_quota",
	model.KindForbidden:       "permission_error",
	model.KindNotFound:        "invalid_request_error",
	model.KindConflict:        "invalid_request_error",
	model.KindTooLarge:        "invalid_request_error",
	model.KindNoCandidate:     "invalid_request_error",
	model.KindRateLimited:     "rate_limit_error",
	model.KindContextLength:   "invalid_request_error",
	model.KindContentPolicy:   "invalid_request_error",
	model.KindCanceled:        "request_canceled",
	model.KindUpstream:        "upstream_error",
	model.KindUpstreamAuth:    "upstream_error",
	model.KindUnavailable:     "server_error",
	model.KindTimeout:         "timeout_error",
}

// defaultMessages words the kinds whose errors came without a message.
var defaultMessages = map[model.Kind]string{
	model.KindInvalid:         "the request is not valid",
	model.KindUnauthenticated: "no valid API key was given",
	model.KindBudget:          "a budget would be passed",
	model.KindForbidden:       "this is not allowed",
	model.KindNotFound:        "there is no such thing",
	model.KindConflict:        "the stored state does not allow it",
	model.KindTooLarge:        "the body is too large",
	model.KindNoCandidate:     "no endpoint may serve this request",
	model.KindRateLimited:     "too many requests",
	model.KindContextLength:   "the prompt does not fit the model",
	model.KindContentPolicy:   "the content was refused",
	model.KindCanceled:        "the caller went away",
	model.KindUpstream:        "the model server failed",
	model.KindUpstreamAuth:    "the model server refused our credentials",
	model.KindUnavailable:     "no model server can be reached right now",
	model.KindTimeout:         "a deadline passed",
}

// codeModelNotFound is OpenAI's own code for a model that is unknown or not allowed, used on the
// OpenAI surfaces so that clients that test for it keep working.
const codeModelNotFound = "model_not_found"

// appendError appends the error body. openAI selects the codes of the /v1
// surfaces, requestID is what a caller can quote for an internal error.
func appendError(dst []byte, e *model.Error, openAI bool, requestID string) []byte {
	we := wireError{
		Message: messageOf(e, requestID),
		Type:    errorTypes[e.Kind],
		Code:    e.Kind.String(),
		Details: e.Details,
	}
	if e.Param != "" {
		we.Param = &e.Param
	}
	if openAI && (e.Kind == model.KindNotFound || e.Kind == model.KindForbidden) && e.Param == "model" {
		we.Code = codeModelNotFound
	}
	type envelope struct {
		Error wireError `json:"error"`
	}
	out, err := marshal(dst, envelope{we})
	if err != nil { // only Details can fail; the error itself must still arrive
		we.Details = nil
		out, _ = marshal(dst, envelope{we})
	}
	return out
}

// messageOf returns the text for the caller. An unclassified error shows none
// of its own text.
func messageOf(e *model.Error, requestID string) string {
	msg := e.Message
	switch {
	case msg == "" && e.Kind == model.KindInternal:
		msg = "internal error; please report it with the request id " + requestID
	case msg == "":
		msg = defaultMessages[e.Kind]
	}
	if e.Param != "" && !strings.HasPrefix(msg, e.Param) {
		msg = e.Param + ": " + msg
	}
	return msg
}

// marshal appends v as JSON without the HTML escapes of encoding/json.
func marshal(dst []byte, v any) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'}), nil
}

// retryAfter words a Retry-After header in whole seconds, at least one; empty
// when nothing is known.
func retryAfter(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// statusOf is the HTTP status of an error. A body that is too large, or a
// wrong method, keeps its own.
func statusOf(e *model.Error) int {
	var m *methodError
	if errors.As(e.Err, &m) {
		return http.StatusMethodNotAllowed
	}
	return e.Kind.Status()
}

// methodError is the cause of an error about a method that a path does not take.
type methodError struct{ allow string }

// Error implements error.
func (m *methodError) Error() string { return "allowed: " + m.allow }
