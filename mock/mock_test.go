package mock

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newServer(t testing.TB, profiles ...Profile) *Server {
	t.Helper()
	s, err := New(Config{Profiles: profiles, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reply is what came back. aborted means that the connection was closed.
type reply struct {
	*httptest.ResponseRecorder
	aborted bool
}

// post sends a body to a path, as a client of either vendor would.
func post(s http.Handler, path, body string) (out reply) {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Anthropic-Version", "2023-06-01")
	return do(s, r)
}

func do(s http.Handler, r *http.Request) (out reply) {
	out.ResponseRecorder = httptest.NewRecorder()
	defer func() {
		if v := recover(); v == http.ErrAbortHandler { //nolint:errorlint // a recovered value is never wrapped
			out.aborted = true
		} else if v != nil {
			panic(v)
		}
	}()
	s.ServeHTTP(out, r)
	return out
}

// event is one server-sent event.
type event struct {
	name string
	data string
}

// events splits a stream, which must consist of whole events.
func events(t testing.TB, body string) []event {
	t.Helper()
	if body != "" && !strings.HasSuffix(body, "\n\n") {
		t.Fatalf("the stream ends within an event: %q", body[max(0, len(body)-80):])
	}
	var out []event
	for block := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		var e event
		for line := range strings.SplitSeq(block, "\n") {
			switch {
			case strings.HasPrefix(line, "event: "):
				e.name = line[7:]
			case strings.HasPrefix(line, "data: "):
				e.data = line[6:]
			case line != "":
				t.Fatalf("line %q is neither event nor data", line)
			}
		}
		out = append(out, e)
	}
	return out
}

// decode reads JSON that must be valid.
func decode[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// chatReply is the part of OpenAI's answers that the tests look at.
type chatReply struct {
	ID      string
	Model   string
	Choices []struct {
		Index        int
		Text         string
		FinishReason string `json:"finish_reason"`
		Message      chatMessage
		Delta        chatMessage
	}
	Usage *struct {
		PromptTokens     int64 `json:"prompt_tokens"`
		CompletionTokens int64 `json:"completion_tokens"`
		TotalTokens      int64 `json:"total_tokens"`
		Prompt           struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
		Completion struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"completion_tokens_details"`
	}
	Error *openAIFault
}

type chatMessage struct {
	Role      string
	Content   *string
	Reasoning string `json:"reasoning_content"`
	ToolCalls []struct {
		Index    int
		ID       string
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
}

type openAIFault struct {
	Message, Type string
	Param, Code   *string
}

func (m chatMessage) text() string {
	if m.Content == nil {
		return ""
	}
	return *m.Content
}

// joined is a stream put together again.
type joined struct {
	text, reasoning, args, finish string
	usage                         *chatReply
	done, failed                  bool
	chunks                        int
}

func join(t testing.TB, body string) (j joined) {
	t.Helper()
	for _, e := range events(t, body) {
		if j.done {
			t.Fatalf("%q after [DONE]", e.data)
		}
		if e.data == "[DONE]" {
			j.done = true
			continue
		}
		c := decode[chatReply](t, e.data)
		j.failed = j.failed || c.Error != nil
		if c.Usage != nil {
			j.usage = &c
		}
		for _, choice := range c.Choices {
			j.chunks++
			j.text += choice.Delta.text() + choice.Text
			j.reasoning += choice.Delta.Reasoning
			j.finish += choice.FinishReason
			for _, call := range choice.Delta.ToolCalls {
				j.args += call.Function.Arguments
			}
		}
	}
	return j
}

func TestNewRefusesBadConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no models": {},
		"no name":   {Profiles: []Profile{{}}},
		"twice":     {Profiles: []Profile{{Name: "a"}, {Name: "a"}}},
		"rates":     {Profiles: []Profile{{Name: "a", ErrorRate: 0.6, HangRate: 0.6}}},
		"max body":  {Profiles: []Profile{{Name: "a"}}, MaxBody: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: New accepted it", name)
		}
	}
}

func TestModelsAndHealth(t *testing.T) {
	s := newServer(t, Profile{Name: "a"}, Profile{Name: "org/b", Owner: "me"})
	get := func(path string) reply { return do(s, httptest.NewRequest(http.MethodGet, path, nil)) }
	list := decode[struct{ Data []modelObject }](t, get("/v1/models").Body.String())
	if len(list.Data) != 2 || list.Data[1].ID != "org/b" || list.Data[1].OwnedBy != "me" {
		t.Errorf("models: %+v", list)
	}
	if r := get("/v1/models/org/b"); r.Code != 200 || decode[modelObject](t, r.Body.String()).ID != "org/b" {
		t.Errorf("one model: %d %s", r.Code, r.Body)
	}
	for path, want := range map[string]int{"/v1/models/c": 404, "/healthz": 200, "/stats": 200, "/v1/nothing": 404, "/": 404} {
		if r := get(path); r.Code != want {
			t.Errorf("GET %s = %d, want %d", path, r.Code, want)
		}
	}
}

func TestAPIKey(t *testing.T) {
	s, err := New(Config{Profiles: []Profile{{Name: "a"}}, APIKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		header, value string
		want          int
	}{
		{"Authorization", "Bearer secret", 200},
		{"X-Api-Key", "secret", 200},
		{"Authorization", "Bearer wrong", 401},
		{"X-None", "", 401},
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(`{"model":"a","messages":[{"role":"user","content":"hi"}]}`))
		r.Header.Set(tt.header, tt.value)
		if got := do(s, r); got.Code != tt.want {
			t.Errorf("%s %q: %d, want %d", tt.header, tt.value, got.Code, tt.want)
		}
	}
}

func TestSetProfile(t *testing.T) {
	s := newServer(t, Profile{Name: "a"})
	const body = `{"model":"a","messages":[{"role":"user","content":"hi"}]}`
	if err := s.SetProfile(Profile{Name: "a", ErrorRate: 1, ErrorStatus: 503}); err != nil {
		t.Fatal(err)
	}
	if r := post(s, "/v1/chat/completions", body); r.Code != 503 || r.Header().Get("Retry-After") != "1" {
		t.Errorf("failing: %d %v", r.Code, r.Header())
	}
	if err := s.SetProfile(Profile{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	if r := post(s, "/v1/chat/completions", body); r.Code != 200 {
		t.Errorf("healed: %d", r.Code)
	}
	if s.SetProfile(Profile{Name: "b"}) == nil || s.SetProfile(Profile{Name: "a", Jitter: 2}) == nil {
		t.Error("an unknown model or a bad profile was accepted")
	}
	if got := s.Stats("a"); got.Requests != 2 || got.Errors != 1 || got.Answered != 1 || got.InFlight != 0 {
		t.Errorf("stats %+v", got)
	}
}
