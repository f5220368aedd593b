package mock

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const messagesPath = "/v1/messages"

// messages makes a Messages request of one user message with more members.
func messages(content, more string) string {
	return fmt.Sprintf(`{"model":"a","max_tokens":4000,"messages":[{"role":"user","content":%q}]%s}`, content, more)
}

// message is the part of Anthropic's answers and events that the tests look at.
type message struct {
	Type         string
	ID           string
	Index        int
	Content      []block
	StopReason   string `json:"stop_reason"`
	Usage        *messageUsage
	Message      *message
	ContentBlock *block `json:"content_block"`
	Delta        struct {
		Type, Text, Thinking, Signature string
		PartialJSON                     string `json:"partial_json"`
		StopReason                      string `json:"stop_reason"`
	}
	Error *struct{ Type, Message string }
}

type block struct {
	Type, Text, Thinking, Name, ID string
	Input                          map[string]any
}

type messageUsage struct {
	Input  int64 `json:"input_tokens"`
	Write  int64 `json:"cache_creation_input_tokens"`
	Read   int64 `json:"cache_read_input_tokens"`
	Output int64 `json:"output_tokens"`
}

// joinMessage puts a stream together again, checking its order.
func joinMessage(t *testing.T, body string) (text, thinking, args, stop string, input, output messageUsage) {
	t.Helper()
	open, next, last := -1, 0, ""
	for i, e := range events(t, body) {
		m := decode[message](t, e.data)
		if m.Type != e.name {
			t.Errorf("event %q holds type %q", e.name, m.Type)
		}
		switch e.name {
		case "message_start":
			if i != 0 {
				t.Errorf("message_start as event %d", i)
			}
			input = *m.Message.Usage
		case "content_block_start":
			if open >= 0 || m.Index != next {
				t.Errorf("block %d starts while %d is open", m.Index, open)
			}
			open = m.Index
			next++
		case "content_block_delta":
			if m.Index != open {
				t.Errorf("delta of block %d while %d is open", m.Index, open)
			}
			text += m.Delta.Text
			thinking += m.Delta.Thinking
			args += m.Delta.PartialJSON
		case "content_block_stop":
			if m.Index != open {
				t.Errorf("block %d stops while %d is open", m.Index, open)
			}
			open = -1
		case "message_delta":
			stop, output = m.Delta.StopReason, *m.Usage
		}
		last = e.name
	}
	if last != "message_stop" || open >= 0 {
		t.Errorf("the stream ends with %s, block %d open", last, open)
	}
	return text, thinking, args, stop, input, output
}

func TestMessagesStreamEqualsWhole(t *testing.T) {
	s := newServer(t, Profile{Name: "a", ReasoningTokens: 30})
	const tools = `,"tools":[{"name":"get_weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}]`
	for _, more := range []string{
		"", `,"thinking":{"type":"enabled","budget_tokens":2000}`, tools, `,"stop_sequences":["asked"]`,
		tools + `,"tool_choice":{"type":"tool","name":"get_weather"}`,
		`,"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"a":{"type":"integer"}}}}}`,
	} {
		whole := decode[message](t, post(s, messagesPath, messages("What is a tide?", more)).Body.String())
		text, thinking, args, stop, input, output := joinMessage(t, post(s, messagesPath, messages("What is a tide?", more+`,"stream":true`)).Body.String())
		var wantText, wantThinking string
		calls := 0
		for _, b := range whole.Content {
			wantText += b.Text
			wantThinking += b.Thinking
			if b.Type == "tool_use" {
				calls++
				if b.Name != "get_weather" || b.Input["city"] == nil || !strings.Contains(args, fmt.Sprint(b.Input["city"])) {
					t.Errorf("%s: call %+v, streamed %s", more, b, args)
				}
			}
		}
		if text != wantText || thinking != wantThinking || stop != whole.StopReason || (calls > 0) != (args != "") {
			t.Errorf("%s\nstream %q %q %s\n whole %q %q %s", more, thinking, text, stop, wantThinking, wantText, whole.StopReason)
		}
		if input.Input != whole.Usage.Input || output.Output != whole.Usage.Output {
			t.Errorf("usage of the stream %+v %+v, of the whole %+v", input, output, whole.Usage)
		}
		if strings.Contains(more, "thinking") != (thinking != "") {
			t.Errorf("%s: thinking %q", more, thinking)
		}
	}
}

func TestMessagesCacheUsage(t *testing.T) {
	s := newServer(t, Profile{Name: "a", PromptCache: true})
	body := func(question string) string {
		return fmt.Sprintf(`{"model":"a","max_tokens":50,"system":[{"type":"text","text":%q,"cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":%q}]}`,
			strings.Repeat("Be kind. ", 1000), question)
	}
	first := decode[message](t, post(s, messagesPath, body("one")).Body.String()).Usage
	second := decode[message](t, post(s, messagesPath, body("two")).Body.String()).Usage
	if first.Write < 2000 || first.Read != 0 || second.Read != first.Write || second.Write != 0 {
		t.Errorf("usage %+v, then %+v: want the system prompt written, then read", first, second)
	}
	if first.Input > 100 || second.Input > 100 {
		t.Errorf("input_tokens %d and %d include cached ones", first.Input, second.Input)
	}
}

func TestMessagesRefusesBadRequests(t *testing.T) {
	s := newServer(t, Profile{Name: "a", ContextLength: 5000})
	for _, tt := range []struct{ name, body, want string }{
		{"empty", ``, "JSON"},
		{"no max_tokens", `{"model":"a","messages":[{"role":"user","content":"hi"}]}`, "max_tokens: is missing"},
		{"no messages", `{"model":"a","max_tokens":5}`, "messages: is missing"},
		{"messages empty", `{"model":"a","max_tokens":5,"messages":[]}`, "messages"},
		{"system role", `{"model":"a","max_tokens":5,"messages":[{"role":"system","content":"hi"}]}`, "messages[0].role"},
		{"empty content", `{"model":"a","max_tokens":5,"messages":[{"role":"user","content":""}]}`, "messages[0].content"},
		{"block type", `{"model":"a","max_tokens":5,"messages":[{"role":"user","content":[{"type":"image_url"}]}]}`, "messages[0].content[0].type"},
		{"block text", `{"model":"a","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text"}]}]}`, "messages[0].content[0].text"},
		{"tool result", `{"model":"a","max_tokens":5,"messages":[{"role":"user","content":[{"type":"tool_result"}]}]}`, "tool_use_id"},
		{"system", messages("hi", `,"system":5`), "system"},
		{"temperature", messages("hi", `,"temperature":1.5`), "temperature"},
		{"tool without schema", messages("hi", `,"tools":[{"name":"x"}]`), "tools[0].input_schema"},
		{"tool choice", messages("hi", `,"tools":[{"name":"x","input_schema":{}}],"tool_choice":{"type":"tool","name":"y"}`), "tool_choice.name"},
		{"thinking", messages("hi", `,"thinking":{"type":"enabled"}`), "thinking.budget_tokens"},
		{"thinking budget", messages("hi", `,"thinking":{"type":"enabled","budget_tokens":9000}`), "thinking.budget_tokens"},
		{"format", messages("hi", `,"output_config":{"format":{"type":"json_schema"}}`), "output_config.format.schema"},
		{"too long", messages(strings.Repeat("word ", 9000), ""), "prompt is too long"},
	} {
		r := post(s, messagesPath, tt.body)
		m := decode[message](t, r.Body.String())
		if r.Code != 400 || m.Type != "error" || m.Error.Type != "invalid_request_error" || !strings.Contains(m.Error.Message, tt.want) {
			t.Errorf("%s: %d %s, want %q", tt.name, r.Code, r.Body, tt.want)
		}
	}
	r := do(s, httptest.NewRequest(http.MethodPost, messagesPath, strings.NewReader(messages("hi", ""))))
	if r.Code != 400 || !strings.Contains(r.Body.String(), "anthropic-version") {
		t.Errorf("without version header: %d %s", r.Code, r.Body)
	}
	if r := post(s, messagesPath, strings.Replace(messages("hi", ""), `"a"`, `"z"`, 1)); r.Code != 404 || !strings.Contains(r.Body.String(), "not_found_error") {
		t.Errorf("unknown model: %d %s", r.Code, r.Body)
	}
}

func TestMessagesBreakInTheMiddle(t *testing.T) {
	s := newServer(t, Profile{Name: "a", StreamErrorRate: 1, BreakAfter: 4})
	r := post(s, messagesPath, messages("hi", `,"stream":true`))
	all := events(t, r.Body.String())
	if last := all[len(all)-1]; last.name != "error" || !strings.Contains(last.data, "api_error") || strings.Contains(r.Body.String(), "message_stop") {
		t.Errorf("the stream ends with %+v", last)
	}
}
