package upstream

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cartrita/cartrita/model"
)

// Fault is what an upstream's error body says, in whatever shape it came.
type Fault struct {
	Message string
	Code    string // the most telling of code and inner code
	Type    string
	Param   string
	Wait    time.Duration // "come back in", where the body says it
}

// Classify turns an answer that is not a success into an error.
func Classify(status int, header http.Header, body []byte) *model.Error {
	f := ParseFault(body)
	e := f.Error(status)
	e.RetryAfter = RetryAfter(header, time.Now)
	if e.RetryAfter == 0 {
		e.RetryAfter = f.Wait
	}
	return e
}

// Error gives the fault its kind. status is the HTTP status it came with; 0 or
// a success for one that came inside a stream.
func (f Fault) Error(status int) *model.Error {
	e := &model.Error{Kind: f.kind(status), Status: status}
	switch e.Kind {
	case model.KindInvalid, model.KindContextLength, model.KindContentPolicy:
		e.Message, e.Param = f.Message, f.Param
		if e.Message == "" {
			e.Message = "the upstream refused the request without saying why"
		}
		return e
	}
	e.Message = kindMessages[e.Kind]
	if f.Message != "" {
		e.Err = errors.New(f.Message)
	}
	return e
}

var kindMessages = map[model.Kind]string{
	model.KindRateLimited:  "the upstream takes no more requests at the moment",
	model.KindUpstreamAuth: "the upstream refused our credentials or our account",
	model.KindUnavailable:  "the upstream is overloaded or not ready",
	model.KindUpstream:     "the upstream failed",
	model.KindTimeout:      "the upstream ran out of time",
}

func (f Fault) kind(status int) model.Kind {
	message := strings.ToLower(f.Message)
	switch {
	case anyCode(accountCodes, f.Code, f.Type) || anyWording(accountWordings, message):
		return model.KindUpstreamAuth
	case anyCode(contextCodes, f.Code, f.Type) || anyWording(contextWordings, message):
		return model.KindContextLength
	case anyCode(policyCodes, f.Code, f.Type) || anyWording(policyWordings, message):
		return model.KindContentPolicy
	case anyCode(modelCodes, f.Code, f.Type):
		return model.KindUpstream
	}
	if status < 300 {
		return f.kindInStream()
	}
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusUnsupportedMediaType, http.StatusNotAcceptable:
		return model.KindInvalid
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden:
		return model.KindUpstreamAuth
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong:
		return model.KindContextLength
	case http.StatusRequestTimeout, http.StatusGatewayTimeout, 524: // 524: Cloudflare
		return model.KindTimeout
	case http.StatusTooManyRequests:
		return model.KindRateLimited
	case http.StatusConflict, http.StatusTooEarly, http.StatusServiceUnavailable,
		498, 529: // Groq, Anthropic: no capacity
		return model.KindUnavailable
	}
	return model.KindUpstream
}

// kindInStream goes by code and type alone: the status was a success.
func (f Fault) kindInStream() model.Kind {
	switch has := func(codes ...string) bool { return anyCode(codes, f.Code, f.Type) }; {
	case has("429", "rate_limit_exceeded", "rate_limit_error", "too_many_requests"):
		return model.KindRateLimited
	case has("503", "529", "overloaded_error", "overloaded", "service_unavailable"):
		return model.KindUnavailable
	case has("401", "402", "403", "authentication_error", "permission_error"):
		return model.KindUpstreamAuth
	case has("408", "504", "timeout_error", "timeout"):
		return model.KindTimeout
	case has("400", "422", "invalid_request_error", "badrequesterror", "validation"):
		return model.KindInvalid
	}
	return model.KindUpstream
}

// maxMessage is how much of an upstream's words is kept.
const maxMessage = 2000

// ParseFault reads an error body. Bodies that are not JSON (a proxy's HTML
// page) become the start of a message.
func ParseFault(body []byte) Fault {
	var raw any
	if err := json.Unmarshal(body, &raw); err != nil {
		return Fault{Message: clip(plainText(body))}
	}
	if list, ok := raw.([]any); ok && len(list) > 0 { // Google wraps it in an array
		raw = list[0]
	}
	obj, _ := raw.(map[string]any)
	f := Fault{}
	f.Wait = seconds(obj["estimated_time"]) // Hugging Face, while a model loads
	switch e := obj["error"].(type) {
	case map[string]any: // OpenAI and most others; Anthropic
		f.fill(e)
	case string: // Ollama, LM Studio, TGI, xAI
		f.Message = e
		f.Type, f.Code = text(obj["error_type"]), text(obj["code"])
	case []any: // text embeddings inference, some Hugging Face tasks
		f.Message = join(e, "; ")
	default: // vLLM, Mistral: the members stand at the top
		f.fill(obj)
	}
	f.Message = clip(f.Message)
	return f
}

func (f *Fault) fill(e map[string]any) {
	f.Message, f.Type, f.Param = text(e["message"]), text(e["type"]), text(e["param"])
	f.Code = text(e["code"])
	if inner, ok := e["innererror"].(map[string]any); ok && text(inner["code"]) != "" { // Azure
		f.Code = text(inner["code"])
	}
	if f.Message == "" { // FastAPI
		f.Message, f.Param = detail(e["detail"])
	}
	if meta, ok := e["metadata"].(map[string]any); ok { // OpenRouter: what the model's host said
		if raw := text(meta["raw"]); raw != "" {
			f.Message += ": " + raw
		}
	}
	if list, ok := e["details"].([]any); ok { // Google
		for _, d := range list {
			if m, ok := d.(map[string]any); ok && m["retryDelay"] != nil {
				f.Wait, _ = time.ParseDuration(text(m["retryDelay"]))
			}
		}
	}
}

// detail reads FastAPI's validation errors: the words of all, the place of the first.
func detail(v any) (message, param string) {
	list, ok := v.([]any)
	if !ok {
		return text(v), ""
	}
	var out []any
	for _, d := range list {
		m, _ := d.(map[string]any)
		loc, _ := m["loc"].([]any)
		if len(loc) > 0 && loc[0] == "body" {
			loc = loc[1:]
		}
		place := join(loc, ".")
		if param == "" {
			param = place
		}
		out = append(out, strings.TrimPrefix(place+": "+text(m["msg"]), ": "))
	}
	return join(out, "; "), param
}

func join(list []any, sep string) string {
	var parts []string
	for _, v := range list {
		if s := text(v); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, sep)
}

// text returns a string or a number as text; codes come as either.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		b, _ := json.Marshal(v)
		return string(b)
	}
	return ""
}

func seconds(v any) time.Duration {
	s, _ := v.(float64)
	return wait(s)
}

func clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	s = s[:maxMessage]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// plainText makes one line of a body that is no JSON.
func plainText(body []byte) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "")), " ")
}
