package mock

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fuzzSurface sends any body: the server must answer in JSON or with a whole
// stream, and never fail by itself.
func fuzzSurface(f *testing.F, path string) {
	s := newServer(f, Profile{Name: "a", AnswerTokens: 5, ContextLength: 1 << 20, PromptCache: true})
	f.Fuzz(func(t *testing.T, body string) {
		r := post(s, path, body)
		text := r.Body.String()
		if r.aborted || r.Code != 200 && (r.Code < 400 || r.Code >= 500) {
			t.Fatalf("%q: status %d, aborted %v", body, r.Code, r.aborted)
		}
		if strings.HasPrefix(r.Header().Get("Content-Type"), "text/event-stream") {
			for _, e := range events(t, text) {
				if e.data != "[DONE]" && !json.Valid([]byte(e.data)) {
					t.Fatalf("%q: event %q", body, e.data)
				}
			}
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q: answer %q", body, text)
		}
	})
}

func FuzzChat(f *testing.F) {
	f.Add(chat("hi", ""))
	f.Add(chat("hi \u2028 \\ud83d", `,"stream":true,"stream_options":{"include_usage":true},"stop":["x"],"n":2,"seed":-5`))
	f.Add(chat("weather", weatherTools+`,"tool_choice":"required","stream":true`))
	f.Add(chat("x", `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"a":{"$ref":"#"},"b":{"type":"array","minItems":3},"c":{"type":"number","minimum":1e300}}}}}`))
	f.Add(`{"model":"a","messages":[{"role":"user","content":[{"type":"text","text":"\ud800"},{"type":"image_url","image_url":{"url":"data:"}}]}]}`)
	fuzzSurface(f, chatPath)
}

func FuzzCompletions(f *testing.F) {
	f.Add(`{"model":"a","prompt":"x","stream":true}`)
	f.Add(`{"model":"a","prompt":["é\u0000"],"max_tokens":3}`)
	fuzzSurface(f, "/v1/completions")
}

func FuzzEmbeddings(f *testing.F) {
	f.Add(`{"model":"a","input":["x","y"],"encoding_format":"base64","dimensions":3}`)
	f.Add(`{"model":"a","input":[[1,2],[3]]}`)
	f.Add(`{"model":"a","input":[1,"x",null]}`)
	fuzzSurface(f, embedPath)
}

func FuzzMessages(f *testing.F) {
	f.Add(messages("hi", ""))
	f.Add(messages("hi", `,"stream":true,"system":[{"type":"text","text":"x","cache_control":{}}],"thinking":{"type":"enabled","budget_tokens":1024}`))
	f.Add(messages("hi", `,"tools":[{"name":"t","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"},"stream":true`))
	f.Add(`{"model":"a","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x"}]}]}`)
	fuzzSurface(f, messagesPath)
}

// FuzzLoad reads any profile file: what is accepted must be served.
func FuzzLoad(f *testing.F) {
	f.Add(string(DemoFile()))
	f.Add("models:\n  - {name: a, ttft: 1h, error_rate: 1e-3, facts: {cost_profile: {input_usd_per_million: 1e3}}}\n")
	f.Add("models: &x [{name: a}, *x]")
	f.Fuzz(func(t *testing.T, text string) {
		profiles, err := Load("x.yaml", []byte(text))
		if err != nil {
			return
		}
		s, err := New(Config{Profiles: profiles})
		if err != nil {
			t.Fatalf("%q was loaded and then refused: %v", text, err)
		}
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v1/models", nil))
		for _, p := range profiles {
			if _, err := json.Marshal(p.Record("lab")); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}
