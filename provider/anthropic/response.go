package anthropic

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/upstream"
	"github.com/cartrita/cartrita/provider/usage"
)

// shape says in what form the answer of a call is written.
type shape struct {
	surface    model.Surface
	created    int64
	answerTool bool // a call of the answer tool is the answer itself
}

// finishReason translates a raw stop reason.
func (s shape) finishReason(raw []byte, answered bool) string {
	switch string(raw) {
	case `"max_tokens"`, `"model_context_window_exceeded"`:
		return `"length"`
	case `"tool_use"`:
		if !answered {
			return `"tool_calls"`
		}
	case `"refusal"`:
		return `"content_filter"`
	}
	return `"stop"`
}

// block is a content block of the answer, its members raw.
type block struct {
	kind                            string
	text, thinking, id, name, input []byte
	partial, signature              []byte
}

func readBlock(raw []byte) (b block) {
	jsonscan.Each(raw, func(key, value []byte) bool {
		switch string(key) {
		case `"type"`:
			b.kind, _ = jsonscan.Unquote(value)
		case `"text"`:
			b.text = value
		case `"thinking"`:
			b.thinking = value
		case `"id"`:
			b.id = value
		case `"name"`:
			b.name = value
		case `"input"`:
			b.input = value
		case `"partial_json"`:
			b.partial = value
		case `"signature"`:
			b.signature = value
		}
		return true
	})
	return b
}

// isAnswer reports a call of the answer tool.
func (s shape) isAnswer(b block) bool {
	return s.answerTool && b.kind == "tool_use" && string(b.name) == `"`+answerToolName+`"`
}

// inner returns a raw string without its quotes; nothing for other values.
func inner(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	return raw[1 : len(raw)-1]
}

// message collects the blocks of an answer in one piece. Texts are raw, without quotes.
type collected struct {
	text, reasoning, thoughts, tools []byte
	hasText, answered                bool
	calls                            int
}

func (c *collected) add(s shape, raw []byte) {
	b := readBlock(raw)
	switch {
	case b.kind == "text":
		c.text, c.hasText = append(c.text, inner(b.text)...), true
	case b.kind == "thinking" || b.kind == "redacted_thinking":
		c.reasoning = append(c.reasoning, inner(b.thinking)...)
		c.thoughts = append(comma(c.thoughts), raw...)
	case s.isAnswer(b):
		quoted := upstream.Quote(nil, string(compact(b.input)))
		c.text, c.hasText, c.answered = append(c.text, inner(quoted)...), true, true
	case b.kind == "tool_use":
		c.calls++
		c.tools = append(append(comma(c.tools), `{"id":`...), b.id...)
		c.tools = append(append(c.tools, `,"type":"function","function":{"name":`...), b.name...)
		c.tools = append(upstream.Quote(append(c.tools, `,"arguments":`...), string(compact(b.input))), "}}"...)
	}
}

func comma(dst []byte) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	return dst
}

func compact(raw []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return []byte("{}") // no input at all
	}
	return b.Bytes()
}

// unary translates an answer in one piece.
func (s shape) unary(status int, m jsonscan.Object) ([]byte, model.Usage, error) {
	if kind, _ := m.Get("type"); string(kind) == `"error"` {
		return nil, model.Usage{}, fault(status, m.Raw)
	}
	content, ok := m.Get("content")
	id, hasID := m.Get("id")
	if !ok || !hasID || content[0] != '[' {
		return nil, model.Usage{}, &model.Error{Op: op, Kind: model.KindUpstream, Status: status,
			Message: "the upstream's answer is not a message"}
	}
	var c collected
	jsonscan.Each(content, func(_, raw []byte) bool {
		c.add(s, raw)
		return true
	})
	var n usage.Anthropic
	if raw, ok := m.Get("usage"); ok {
		n.Read(raw)
	}
	name, _ := m.Get("model")
	stop, _ := m.Get("stop_reason")
	u := n.Usage()
	out := make([]byte, 0, len(m.Raw)+256)
	out = s.appendHead(out, "chat.completion", "text_completion", id, name)
	out = s.appendChoice(out, c)
	out = append(append(append(out, `,"logprobs":null,"finish_reason":`...), s.finishReason(stop, c.answered && c.calls == 0)...), "}]"...)
	if u.Source != "" {
		out = appendUsage(append(out, `,"usage":`...), u)
	}
	return append(out, '}'), u, nil
}

// appendHead writes what every object of an answer starts with.
func (s shape) appendHead(dst []byte, chat, completion string, id, name []byte) []byte {
	if s.surface == model.SurfaceCompletions {
		chat = completion
	}
	if name == nil {
		name = []byte(`""`)
	}
	dst = append(append(dst, `{"id":`...), id...)
	dst = append(append(append(dst, `,"object":"`...), chat...), `","created":`...)
	dst = strconv.AppendInt(dst, s.created, 10)
	return append(append(dst, `,"model":`...), name...)
}

func (s shape) appendChoice(dst []byte, c collected) []byte {
	if s.surface == model.SurfaceCompletions {
		return appendRawString(append(dst, `,"choices":[{"index":0,"text":`...), c.text)
	}
	dst = append(dst, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	if c.hasText || c.calls == 0 {
		dst = appendRawString(dst, c.text)
	} else {
		dst = append(dst, "null"...)
	}
	if len(c.reasoning) > 0 {
		dst = appendRawString(append(dst, `,"reasoning_content":`...), c.reasoning)
	}
	if len(c.thoughts) > 0 {
		dst = append(append(append(dst, `,"thinking_blocks":[`...), c.thoughts...), ']')
	}
	if c.calls > 0 {
		dst = append(append(append(dst, `,"tool_calls":[`...), c.tools...), ']')
	}
	return append(dst, '}')
}

func appendRawString(dst, raw []byte) []byte {
	return append(append(append(dst, '"'), raw...), '"')
}
