package mock

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// fault is a refusal or failure, before a surface words it.
type fault struct {
	status     int
	kind       faultKind
	code       string // OpenAI's code; "" none
	param      string // path of the field at fault
	message    string
	anthropic  string // Anthropic's wording, where it differs
	retryAfter time.Duration
}

// faultKind is what both vendors have a type for.
type faultKind uint8

const (
	faultRequest faultKind = iota
	faultAuth
	faultNotFound
	faultTooLarge
	faultRate
	faultServer
	faultBusy
)

// types are the vendors' names for a kind.
var types = [...]struct{ openai, anthropic string }{
	faultRequest:  {"invalid_request_error", "invalid_request_error"},
	faultAuth:     {"invalid_request_error", "authentication_error"},
	faultNotFound: {"invalid_request_error", "not_found_error"},
	faultTooLarge: {"invalid_request_error", "request_too_large"},
	faultRate:     {"requests", "rate_limit_error"},
	faultServer:   {"server_error", "api_error"},
	faultBusy:     {"server_error", "overloaded_error"},
}

// badField is a fault in the request's field at path param.
func badField(param, format string, args ...any) *fault {
	return &fault{status: http.StatusBadRequest, param: param, message: param + ": " + fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *fault {
	return &fault{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

// openAIError is the body of an error on OpenAI's surface.
func (f *fault) openAIError() []byte {
	null := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	b, _ := json.Marshal(map[string]any{"error": map[string]any{ // strings always encode
		"message": f.message, "type": types[f.kind].openai, "param": null(f.param), "code": null(f.code),
	}})
	return b
}

// anthropicError is the body of an error on Anthropic's surface.
func (f *fault) anthropicError(requestID string) []byte {
	message := f.message
	if f.anthropic != "" {
		message = f.anthropic
	}
	b, _ := json.Marshal(map[string]any{ // strings always encode
		"type":       "error",
		"error":      map[string]any{"type": types[f.kind].anthropic, "message": message},
		"request_id": requestID,
	})
	return b
}

// write sends the fault as the whole answer.
func (f *fault) write(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((f.retryAfter+time.Second-1)/time.Second), 10))
		h.Set("Retry-After-Ms", strconv.FormatInt(f.retryAfter.Milliseconds(), 10))
	}
	w.WriteHeader(f.status)
	_, _ = w.Write(body) // the client went away
}
