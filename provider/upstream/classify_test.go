package upstream_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/upstream"
)

// TestClassify has one row per server and refusal that we know of.
func TestClassify(t *testing.T) {
	const (
		fits   = model.KindContextLength
		policy = model.KindContentPolicy
		wrong  = model.KindInvalid
		auth   = model.KindUpstreamAuth
		busy   = model.KindUnavailable
		failed = model.KindUpstream
	)
	tests := []struct {
		who    string
		status int
		body   string
		want   model.Kind
	}{
		{"OpenAI", 400, `{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`, fits},
		{"OpenAI, flagged", 400, `{"error":{"message":"Invalid prompt: your prompt was flagged as potentially violating our usage policy.","type":"invalid_request_error","code":"invalid_prompt"}}`, policy},
		{"OpenAI, quota", 429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`, auth},
		{"OpenAI, region", 403, `{"error":{"message":"Country not supported","code":"unsupported_country_region_territory"}}`, auth},
		{"Azure", 400, `{"error":{"code":"content_filter","message":"filtered","innererror":{"code":"ResponsibleAIPolicyViolation"}}}`, policy},
		{"Azure, deployment", 404, `{"error":{"code":"DeploymentNotFound","message":"The API deployment does not exist."}}`, failed},
		{"Groq, decommissioned", 400, `{"error":{"message":"gone","type":"invalid_request_error","code":"model_decommissioned"}}`, failed},
		{"Groq, capacity", 498, `{"error":{"message":"Flex tier capacity exceeded"}}`, busy},
		{"vLLM, flat", 400, `{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens","type":"BadRequestError","param":null,"code":400}`, fits},
		{"vLLM 0.16", 400, `{"error":{"message":"You passed 1015 input tokens and requested 10 output tokens. However, the model's context length is only 1024 tokens","type":"BadRequestError","param":"input_tokens","code":400}}`, fits},
		{"SGLang", 400, `{"object":"error","message":"The input (5000 tokens) is longer than the model's context length (4096 tokens).","type":"BadRequestError","code":400}`, fits},
		{"llama.cpp", 400, `{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":1407,"n_ctx":256}}`, fits},
		{"llama.cpp, older", 500, `{"error":{"code":500,"message":"the request exceeds the available context size","type":"server_error"}}`, fits},
		{"llama.cpp, loading", 503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, busy},
		{"TGI", 422, "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000\",\"error_type\":\"validation\"}", fits},
		{"TGI, generation", 424, `{"error":"Request failed during generation","error_type":"generation"}`, failed},
		{"TGI, overloaded", 429, `{"error":"Model is overloaded","error_type":"overloaded"}`, model.KindRateLimited},
		{"TEI", 413, `{"error":"Input validation error: inputs must have less than 512 tokens. Given: 900","error_type":"Validation"}`, fits},
		{"Ollama", 404, `{"error":"model 'x' not found"}`, failed},
		{"LM Studio", 400, `{"error":"Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens"}`, fits},
		{"xAI", 400, `{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 200000 tokens."}`, fits},
		{"DeepSeek", 400, `{"error":{"message":"Content Exists Risk","type":"invalid_request_error"}}`, policy},
		{"DeepSeek, balance", 402, `{"error":{"message":"Insufficient Balance","type":"unknown_error"}}`, auth},
		{"OpenRouter, moderation", 403, `{"error":{"code":403,"message":"x requires moderation. Your input was flagged for \"violence\".","metadata":{"reasons":["violence"]}}}`, policy},
		{"OpenRouter, the host's words", 400, `{"error":{"code":400,"message":"Provider returned error","metadata":{"raw":"prompt is too long: 9 tokens","provider_name":"x"}}}`, fits},
		{"Mistral", 422, `{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}`, wrong},
		{"Mistral, context", 400, `{"object":"error","message":"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_error","code":"3051"}`, fits},
		{"Google", 400, `[{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048575).","status":"INVALID_ARGUMENT"}}]`, fits},
		{"Anthropic, size", 413, `{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}`, fits},
		{"Anthropic, credit", 400, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}`, auth},
		{"Anthropic, overloaded", 529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, busy},
		{"Alibaba", 400, `{"error":{"code":"data_inspection_failed","message":"Input data may contain inappropriate content."}}`, policy},
		{"a proxy's page", 502, "<html><body>Bad gateway</body></html>", failed},
		{"nothing", 500, "", failed},
		{"Cloudflare", 524, "error code: 524", model.KindTimeout},
		{"a redirect", 302, "", failed},
		{"a wrong path", 404, "404 page not found", failed},
		{"a load balancer", 504, "", model.KindTimeout},
		{"conflict", 409, `{"error":{"message":"try again"}}`, busy},
	}
	for _, tt := range tests {
		e := upstream.Classify(tt.status, http.Header{}, []byte(tt.body))
		if e.Kind != tt.want || e.Status != tt.status || e.Message == "" {
			t.Errorf("%s: %s, status %d, %q; want %s", tt.who, e.Kind, e.Status, e.Message, tt.want)
		}
	}
}

// TestCallersSeeOnlyWhatIsAboutTheirRequest: an upstream's words about itself,
// or about our account, stay in the log.
func TestCallersSeeOnlyWhatIsAboutTheirRequest(t *testing.T) {
	for status, shown := range map[int]bool{400: true, 422: true, 401: false, 402: false, 429: false, 500: false, 503: false} {
		e := upstream.Classify(status, nil, []byte(`{"error":{"message":"words of the upstream","param":"top_p"}}`))
		if got := strings.Contains(e.Message, "words of the upstream"); got != shown {
			t.Errorf("%d: message %q", status, e.Message)
		}
		if !strings.Contains(e.Error(), "words of the upstream") {
			t.Errorf("%d: the log misses the words: %v", status, e)
		}
		if shown && e.Param != "top_p" {
			t.Errorf("%d: param %q", status, e.Param)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "7", 7 * time.Second},
		{"Retry-After", " 0.5 ", 500 * time.Millisecond},
		{"Retry-After", "Mon, 23 Nov 2026 12:01:30 GMT", 90 * time.Second},
		{"Retry-After", "Mon, 23 Nov 2026 11:00:00 GMT", 0},
		{"Retry-After", "-3", 0},
		{"Retry-After", "NaN", 0},
		{"Retry-After", "soon", 0},
		{"Retry-After", "99999999999999", 24 * time.Hour},
		{"Retry-After-Ms", "250", 250 * time.Millisecond},
		{"X-Other", "7", 0},
	} {
		if got := upstream.RetryAfter(http.Header{tt.name: {tt.value}}, now); got != tt.want {
			t.Errorf("%s: %s gives %s, want %s", tt.name, tt.value, got, tt.want)
		}
	}
}

func TestWaitInTheBody(t *testing.T) {
	for body, want := range map[string]time.Duration{
		`{"error":"Model a/b is currently loading","estimated_time":20.5}`:                                                20500 * time.Millisecond,
		`[{"error":{"code":429,"message":"x","details":[{"@type":"type.googleapis.com/RetryInfo","retryDelay":"34s"}]}}]`: 34 * time.Second,
		`{"error":"x","estimated_time":-1}`:                                                                               0,
	} {
		if got := upstream.Classify(503, nil, []byte(body)).RetryAfter; got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add(400, []byte(`{"error":{"message":"m","code":"c","param":"p","details":[{"retryDelay":"1s"}],"metadata":{"raw":"r"}}}`))
	f.Add(503, []byte(`[{"error":["a",1]}]`))
	f.Add(422, []byte(`{"detail":[{"loc":["body","x",1],"msg":"m"}]}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := upstream.Classify(status, http.Header{"Retry-After": {string(body)}}, body)
		if e.Message == "" || !utf8.ValidString(e.Message) || len(e.Message) > 3000 || e.RetryAfter < 0 || e.RetryAfter > 24*time.Hour {
			t.Fatalf("%#v", e)
		}
	})
}
