package mock

import (
	"fmt"
	"strings"
	"testing"
)

const chatPath = "/v1/chat/completions"

// chat makes a chat request of one user message with more members.
func chat(content, more string) string {
	return fmt.Sprintf(`{"model":"a","messages":[{"role":"user","content":%q}]%s}`, content, more)
}

func TestChatAnswersInWords(t *testing.T) {
	s := newServer(t, Profile{Name: "a", AnswerTokens: 80})
	r := post(s, chatPath, chat("How do tides work?", ""))
	c := decode[chatReply](t, r.Body.String())
	text := c.Choices[0].Message.text()
	if r.Code != 200 || !strings.Contains(text, "demo model") || !strings.Contains(text, "How do tides work") {
		t.Errorf("%d %s", r.Code, text)
	}
	if !strings.HasSuffix(text, ".") || c.Choices[0].FinishReason != "stop" {
		t.Errorf("the answer does not end as a whole: %q", text)
	}
	u := c.Usage
	if u.CompletionTokens < 80 || u.CompletionTokens > 120 || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
		t.Errorf("usage %+v, want about 80 tokens", u)
	}
	if r.Header().Get("X-Request-Id") == "" {
		t.Error("no request id")
	}
}

// The stream says the same as the whole answer, in any surface.
func TestStreamEqualsWholeAnswer(t *testing.T) {
	s := newServer(t, Profile{Name: "a", ReasoningTokens: 30})
	for _, tt := range []struct{ path, body string }{
		{chatPath, chat("Tell me about “quotes” and \\ tabs\t", "")},
		{chatPath, chat("short", `,"max_tokens":45`)},
		{chatPath, chat("stop early", `,"stop":["You asked"]`)},
		{chatPath, chat("object", `,"response_format":{"type":"json_object"}`)},
		{"/v1/completions", `{"model":"a","prompt":"Once upon a time"}`},
	} {
		whole := decode[chatReply](t, post(s, tt.path, tt.body).Body.String())
		streamed := strings.TrimSuffix(tt.body, "}") + `,"stream":true,"stream_options":{"include_usage":true}}`
		j := join(t, post(s, tt.path, streamed).Body.String())
		choice := whole.Choices[0]
		if want := choice.Message.text() + choice.Text; j.text != want || j.reasoning != choice.Message.Reasoning || j.finish != choice.FinishReason {
			t.Errorf("%s\nstream %q %s\n whole %q %s", tt.body, j.text, j.finish, want, choice.FinishReason)
		}
		if !j.done || j.usage == nil || *j.usage.Usage != *whole.Usage || len(j.usage.Choices) != 0 {
			t.Errorf("%s: usage of the stream %+v, of the whole %+v", tt.body, j.usage, whole.Usage)
		}
	}
}

func TestStreamUsageOnlyWhenAsked(t *testing.T) {
	s := newServer(t, Profile{Name: "a"})
	r := post(s, chatPath, chat("hi", `,"stream":true`))
	if strings.Contains(r.Body.String(), `"usage"`) {
		t.Error("usage without include_usage")
	}
	if err := s.SetProfile(Profile{Name: "a", NoUsage: true}); err != nil {
		t.Fatal(err)
	}
	r = post(s, chatPath, chat("hi", `,"stream":true,"stream_options":{"include_usage":true}`))
	if strings.Contains(r.Body.String(), `"usage"`) || !join(t, r.Body.String()).done {
		t.Error("a model that reports no usage did")
	}
	if strings.Contains(post(s, chatPath, chat("hi", "")).Body.String(), `"usage"`) {
		t.Error("a model that reports no usage did")
	}
}

func TestChatIsDeterministic(t *testing.T) {
	p := Profile{Name: "a", AnswerSpread: 0.5, ErrorRate: 0.3, CutRate: 0.2}
	run := func(seed uint64) (out []string) {
		s, err := New(Config{Profiles: []Profile{p}, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			r := post(s, chatPath, chat(fmt.Sprint("question ", i%4), `,"stream":true`))
			out = append(out, fmt.Sprint(r.Code, r.aborted, len(r.Body.String())))
		}
		return out
	}
	a, b, c := fmt.Sprint(run(1)), fmt.Sprint(run(1)), fmt.Sprint(run(2))
	if a != b {
		t.Error("the same seed gave another run")
	}
	if a == c {
		t.Error("another seed gave the same run")
	}
}

func TestChatLimits(t *testing.T) {
	s := newServer(t, Profile{Name: "a", AnswerTokens: 300, MaxOutputTokens: 40, ContextLength: 1000})
	c := decode[chatReply](t, post(s, chatPath, chat("hi", "")).Body.String())
	if c.Usage.CompletionTokens != 40 || c.Choices[0].FinishReason != "length" {
		t.Errorf("%+v %s, want 40 tokens and length", c.Usage, c.Choices[0].FinishReason)
	}
	c = decode[chatReply](t, post(s, chatPath, chat("hi", `,"max_completion_tokens":7`)).Body.String())
	if c.Usage.CompletionTokens != 7 {
		t.Errorf("%d tokens, want 7", c.Usage.CompletionTokens)
	}
	for body, want := range map[string]string{
		chat(strings.Repeat("word ", 2000), ""):    "maximum context length is 1000 tokens",
		chat("hi", `,"max_completion_tokens":995`): "995 were requested",
	} {
		r := post(s, chatPath, body)
		f := decode[chatReply](t, r.Body.String()).Error
		if r.Code != 400 || f.Code == nil || *f.Code != "context_length_exceeded" || !strings.Contains(f.Message, want) {
			t.Errorf("%d %s, want %q", r.Code, r.Body, want)
		}
	}
}

// No answer in words is longer than what the caller allows, reasoning included.
func TestMaxTokensHolds(t *testing.T) {
	s := newServer(t, Profile{Name: "a", AnswerTokens: 200, ReasoningTokens: 30})
	for limit := 1; limit < 120; limit += 7 {
		c := decode[chatReply](t, post(s, chatPath, chat("hi", fmt.Sprintf(`,"max_tokens":%d`, limit))).Body.String())
		m := c.Choices[0].Message
		if c.Usage.CompletionTokens != int64(limit) || c.Choices[0].FinishReason != "length" {
			t.Errorf("%d tokens and %s, want %d and length", c.Usage.CompletionTokens, c.Choices[0].FinishReason, limit)
		}
		if n := countPieces(m.Reasoning) + countPieces(m.text()); n != c.Usage.CompletionTokens {
			t.Errorf("the answer has %d tokens, usage says %d", n, c.Usage.CompletionTokens)
		}
	}
}

func TestStopSequences(t *testing.T) {
	s := newServer(t, Profile{Name: "a"})
	for _, stop := range []string{`"You asked"`, `["zzz","You asked"]`} {
		c := decode[chatReply](t, post(s, chatPath, chat("hi", `,"stop":`+stop)).Body.String()).Choices[0]
		if text := c.Message.text(); strings.Contains(text, "You asked") || !strings.HasSuffix(text, "own. ") || c.FinishReason != "stop" {
			t.Errorf("stop %s: %q %s", stop, text, c.FinishReason)
		}
	}
}

func TestChatReasoning(t *testing.T) {
	s := newServer(t, Profile{Name: "a", ReasoningTokens: 50}, Profile{Name: "b", ReasoningTokens: 50, HideReasoning: true})
	shown := decode[chatReply](t, post(s, chatPath, chat("hi", "")).Body.String())
	hidden := decode[chatReply](t, post(s, chatPath, strings.Replace(chat("hi", ""), `"a"`, `"b"`, 1)).Body.String())
	if shown.Choices[0].Message.Reasoning == "" || shown.Usage.Completion.Reasoning < 20 {
		t.Errorf("shown reasoning: %+v", shown)
	}
	if hidden.Choices[0].Message.Reasoning != "" || hidden.Usage.Completion.Reasoning != 50 {
		t.Errorf("hidden reasoning: %+v", hidden)
	}
}

const weatherTools = `,"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":1,"maximum":5}},"required":["city"]}}},{"type":"function","function":{"name":"get_time"}}]`

func TestChatTools(t *testing.T) {
	s := newServer(t, Profile{Name: "a"})
	for _, tt := range []struct {
		more, want string
	}{
		{weatherTools, "get_weather"},
		{weatherTools + `,"tool_choice":"required"`, "get_weather"},
		{weatherTools + `,"tool_choice":{"type":"function","function":{"name":"get_time"}}`, "get_time"},
		{weatherTools + `,"tool_choice":"none"`, ""},
	} {
		c := decode[chatReply](t, post(s, chatPath, chat("weather in Oslo", tt.more)).Body.String()).Choices[0]
		if tt.want == "" {
			if len(c.Message.ToolCalls) != 0 || c.Message.text() == "" {
				t.Errorf("%s: %+v", tt.more, c)
			}
			continue
		}
		if len(c.Message.ToolCalls) != 1 || c.Message.ToolCalls[0].Function.Name != tt.want || c.FinishReason != "tool_calls" || c.Message.Content != nil {
			t.Errorf("%s: %+v, want a call of %s", tt.more, c, tt.want)
			continue
		}
		args := c.Message.ToolCalls[0].Function.Arguments
		decode[map[string]any](t, args)
		j := join(t, post(s, chatPath, chat("weather in Oslo", tt.more+`,"stream":true`)).Body.String())
		if j.args != args || j.finish != "tool_calls" {
			t.Errorf("streamed arguments %q, whole %q", j.args, args)
		}
	}
	after := `{"model":"a","messages":[{"role":"user","content":"weather"},{"role":"assistant","content":null,"tool_calls":[{"id":"x","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"x","content":"sunny"}]` + weatherTools + `}`
	if c := decode[chatReply](t, post(s, chatPath, after).Body.String()); c.Choices[0].Message.text() == "" {
		t.Errorf("after the tool has answered: %+v, want words", c)
	}
}

func TestChatSeveralAnswers(t *testing.T) {
	s := newServer(t, Profile{Name: "a"})
	c := decode[chatReply](t, post(s, chatPath, chat("hi", `,"n":3`)).Body.String())
	if len(c.Choices) != 3 || c.Choices[2].Index != 2 || c.Choices[0].Message.text() == c.Choices[1].Message.text() {
		t.Errorf("%+v, want three different answers", c.Choices)
	}
}

func TestPromptCache(t *testing.T) {
	s := newServer(t, Profile{Name: "a", PromptCache: true})
	system := strings.Repeat("Be kind. ", 1000)
	body := func(question string) string {
		return fmt.Sprintf(`{"model":"a","messages":[{"role":"system","content":%q},{"role":"user","content":%q}]}`, system, question)
	}
	first := decode[chatReply](t, post(s, chatPath, body("one")).Body.String()).Usage
	second := decode[chatReply](t, post(s, chatPath, body("two")).Body.String()).Usage
	if first.Prompt.Cached != 0 || second.Prompt.Cached < 2000 || second.Prompt.Cached >= second.PromptTokens {
		t.Errorf("cached %d, then %d of %d", first.Prompt.Cached, second.Prompt.Cached, second.PromptTokens)
	}
}

func TestChatRefusesBadRequests(t *testing.T) {
	s := newServer(t, Profile{Name: "a", RefuseWords: []string{"Forbidden Fruit"}}, Profile{Name: "plain", Unsupported: []string{"tools", "streaming", "vision", "json_schema"}})
	plain := func(more string) string { return strings.Replace(chat("hi", more), `"a"`, `"plain"`, 1) }
	for _, tt := range []struct {
		name, body, param string
		status            int
	}{
		{"empty", ``, "", 400},
		{"no object", `[]`, "", 400},
		{"cut off", `{"model":"a"`, "", 400},
		{"twice", `{"model":"a","model":"b","messages":[]}`, "", 400},
		{"no model", `{"messages":[{"role":"user","content":"hi"}]}`, "model", 400},
		{"null model", `{"model":null,"messages":[{"role":"user","content":"hi"}]}`, "model", 400},
		{"model number", `{"model":1,"messages":[{"role":"user","content":"hi"}]}`, "model", 400},
		{"unknown model", `{"model":"zzz","messages":[{"role":"user","content":"hi"}]}`, "model", 404},
		{"no messages", `{"model":"a"}`, "messages", 400},
		{"messages empty", `{"model":"a","messages":[]}`, "messages", 400},
		{"messages object", `{"model":"a","messages":{}}`, "messages", 400},
		{"message string", `{"model":"a","messages":["hi"]}`, "messages[0]", 400},
		{"no role", `{"model":"a","messages":[{"content":"hi"}]}`, "messages[0].role", 400},
		{"bad role", `{"model":"a","messages":[{"role":"bot","content":"hi"}]}`, "messages[0].role", 400},
		{"no content", `{"model":"a","messages":[{"role":"user"}]}`, "messages[0].content", 400},
		{"content number", `{"model":"a","messages":[{"role":"user","content":5}]}`, "messages[0].content", 400},
		{"second message", `{"model":"a","messages":[{"role":"user","content":"x"},{"role":"user","content":5}]}`, "messages[1].content", 400},
		{"no parts", `{"model":"a","messages":[{"role":"user","content":[]}]}`, "messages[0].content", 400},
		{"part type", `{"model":"a","messages":[{"role":"user","content":[{"type":"smell"}]}]}`, "messages[0].content[0].type", 400},
		{"part text", `{"model":"a","messages":[{"role":"user","content":[{"type":"text","text":1}]}]}`, "messages[0].content[0].text", 400},
		{"image", `{"model":"a","messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}`, "messages[0].content[0].image_url.url", 400},
		{"tool result without id", `{"model":"a","messages":[{"role":"tool","content":"x"}]}`, "messages[0].tool_call_id", 400},
		{"temperature", chat("hi", `,"temperature":3`), "temperature", 400},
		{"temperature string", chat("hi", `,"temperature":"hot"`), "temperature", 400},
		{"max_tokens", chat("hi", `,"max_tokens":0`), "max_tokens", 400},
		{"max_tokens fraction", chat("hi", `,"max_tokens":1.5`), "max_tokens", 400},
		{"n", chat("hi", `,"n":99`), "n", 400},
		{"stream", chat("hi", `,"stream":"yes"`), "stream", 400},
		{"stream options", chat("hi", `,"stream_options":{"include_usage":true}`), "stream_options", 400},
		{"include_usage", chat("hi", `,"stream":true,"stream_options":{"include_usage":1}`), "stream_options.include_usage", 400},
		{"stop", chat("hi", `,"stop":["a","b","c","d","e"]`), "stop", 400},
		{"stop type", chat("hi", `,"stop":[1]`), "stop[0]", 400},
		{"tool", chat("hi", `,"tools":[{"type":"function"}]`), "tools[0].function", 400},
		{"tool name", chat("hi", `,"tools":[{"type":"function","function":{}}]`), "tools[0].function.name", 400},
		{"tool choice alone", chat("hi", `,"tool_choice":"auto"`), "tool_choice", 400},
		{"tool choice unknown", chat("hi", weatherTools+`,"tool_choice":{"type":"function","function":{"name":"x"}}`), "tool_choice.function.name", 400},
		{"format", chat("hi", `,"response_format":{"type":"xml"}`), "response_format.type", 400},
		{"schema name", chat("hi", `,"response_format":{"type":"json_schema","json_schema":{}}`), "response_format.json_schema.name", 400},
		{"policy", chat("the FORBIDDEN fruit", ""), "", 400},
		{"no tools here", plain(weatherTools), "tools", 400},
		{"no streams here", plain(`,"stream":true`), "stream", 400},
		{"no schemas here", plain(`,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{}}}`), "response_format", 400},
	} {
		r := post(s, chatPath, tt.body)
		f := decode[chatReply](t, r.Body.String()).Error
		if r.Code != tt.status || f == nil || f.Message == "" || f.Type == "" {
			t.Errorf("%s: %d %s, want %d", tt.name, r.Code, r.Body, tt.status)
			continue
		}
		param := ""
		if f.Param != nil {
			param = *f.Param
		}
		if param != tt.param {
			t.Errorf("%s: param %q, want %q (%s)", tt.name, param, tt.param, f.Message)
		}
	}
}

func TestStrict(t *testing.T) {
	s, err := New(Config{Profiles: []Profile{{Name: "a"}}, Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	if r := post(s, chatPath, chat("hi", `,"cartrita":{}`)); r.Code != 400 || !strings.Contains(r.Body.String(), "cartrita") {
		t.Errorf("unknown member: %d %s", r.Code, r.Body)
	}
	if r := post(s, chatPath, chat("hi", `,"temperature":1,"service_tier":"auto"`)); r.Code != 200 {
		t.Errorf("known members: %d %s", r.Code, r.Body)
	}
}

func TestBodyTooLarge(t *testing.T) {
	s, err := New(Config{Profiles: []Profile{{Name: "a"}}, MaxBody: 100})
	if err != nil {
		t.Fatal(err)
	}
	if r := post(s, chatPath, chat(strings.Repeat("x", 200), "")); r.Code != 413 {
		t.Errorf("%d, want 413", r.Code)
	}
}
