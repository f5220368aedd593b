package mock

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/cartrita/cartrita/internal/jsonscan"
)

// messagesFields are the fields of Anthropic's Messages API, for Strict.
var messagesFields = []string{
	"model", "messages", "max_tokens", "system", "stop_sequences", "stream", "temperature", "top_p", "top_k",
	"tools", "tool_choice", "thinking", "metadata", "service_tier", "container", "mcp_servers", "output_config",
	"output_format", "cache_control",
}

const minThinking = 1024 // tokens

// parseMessages reads a Messages request.
func parseMessages(r *http.Request, body []byte, strict bool) (*prompt, *fault) {
	if r.Header.Get("Anthropic-Version") == "" {
		return nil, badField("anthropic-version", "the header is missing")
	}
	f, bad := parseObject(body, "")
	if bad != nil {
		return nil, bad
	}
	if strict {
		f.refuseUnknown(messagesFields...)
	}
	f.require("model", "max_tokens", "messages")
	p := &prompt{raw: body, n: 1, model: f.str("model"), stream: f.boolean("stream"), usage: true}
	p.maxTokens = f.integer("max_tokens", 0, 1, maxInt)
	p.stops = f.strings("stop_sequences", 16)
	f.number("temperature", 0, 1)
	f.number("top_p", 0, 1)
	f.integer("top_k", 0, 0, maxInt)
	p.thought(f)
	p.messagesTools(f)
	p.outputFormat(f)
	p.system(f)
	p.conversation(f)
	return p, f.fault
}

// thought reads whether the model is to think aloud.
func (p *prompt) thought(f *fields) {
	raw := f.object("thinking")
	if raw == nil {
		return
	}
	o, bad := parseObject(raw, "thinking")
	if bad != nil {
		f.adopt(bad)
		return
	}
	o.require("type")
	switch o.oneOf("type", "enabled", "disabled", "adaptive") {
	case "enabled":
		p.thinking = true
		o.require("budget_tokens")
		if n := o.integer("budget_tokens", minThinking, minThinking, maxInt); n >= p.maxTokens && p.maxTokens > 0 {
			o.bad("budget_tokens", "is %d: want less than max_tokens", n)
		}
	case "adaptive":
		p.thinking = true
	}
	f.adopt(o.fault)
}

// messagesTools reads the tools and which of them are to be used.
func (p *prompt) messagesTools(f *fields) {
	i := -1
	jsonscan.Each(f.array("tools"), func(_, v []byte) bool {
		i++
		p.bytes += int64(len(v))
		p.segments = append(p.segments, segment{v, cacheable(v)})
		t, bad := parseObject(v, fmt.Sprintf("tools[%d]", i))
		if bad != nil {
			f.adopt(bad)
			return false
		}
		t.require("name")
		if kind := t.str("type"); kind == "" || kind == "custom" {
			t.require("input_schema")
		}
		p.tools = append(p.tools, tool{t.str("name"), t.object("input_schema")})
		f.adopt(t.fault)
		return f.fault == nil
	})
	raw := f.object("tool_choice")
	if raw == nil {
		return
	}
	o, bad := parseObject(raw, "tool_choice")
	if bad != nil {
		f.adopt(bad)
		return
	}
	if len(p.tools) == 0 {
		f.bad("tool_choice", "is allowed only with tools")
	}
	o.require("type")
	switch o.oneOf("type", "auto", "any", "tool", "none") {
	case "none":
		p.choice = choiceNone
	case "any":
		p.choice = choiceRequired
	case "tool":
		o.require("name")
		p.choice, p.forced = choiceNamed, o.str("name")
		p.checkForced(f, "tool_choice.name")
	}
	f.adopt(o.fault)
}

// outputFormat reads the demanded form of the answer, by its present and its
// former name: output_config.format and output_format.
func (p *prompt) outputFormat(f *fields) {
	raw, path := f.object("output_format"), "output_format"
	if config := f.object("output_config"); config != nil {
		if o, bad := parseObject(config, "output_config"); bad != nil {
			f.adopt(bad)
		} else {
			raw, path = o.object("format"), "output_config.format"
			f.adopt(o.fault)
		}
	}
	if raw == nil {
		return
	}
	o, bad := parseObject(raw, path)
	if bad != nil {
		f.adopt(bad)
		return
	}
	o.require("type", "schema")
	o.oneOf("type", "json_schema")
	p.schema = o.object("schema")
	f.adopt(o.fault)
}

// cacheable reports whether a cached beginning may end with v.
func cacheable(v []byte) bool { return bytes.Contains(v, []byte(`"cache_control"`)) }

// system reads the system prompt.
func (p *prompt) system(f *fields) {
	v, ok := f.value("system")
	if !ok {
		return
	}
	p.segments = append(p.segments, segment{v, cacheable(v)})
	if v[0] == '"' {
		p.bytes += int64(len(v) - 2)
		return
	}
	i := -1
	jsonscan.Each(f.array("system"), func(_, v []byte) bool {
		i++
		if b := f.block(v, fmt.Sprintf("system[%d]", i)); b != nil {
			b.oneOf("type", "text")
			p.text(b)
			f.adopt(b.fault)
		}
		return f.fault == nil
	})
}

// block reads a content block.
func (f *fields) block(v []byte, path string) *fields {
	if v[0] != '{' {
		f.adopt(badField(path, "want an object, found %s", kindOf(v)))
		return nil
	}
	b, bad := parseObject(v, path)
	if bad != nil {
		f.adopt(bad)
		return nil
	}
	b.require("type")
	return b
}

// text adds the text of a block to the prompt and returns its raw string.
func (p *prompt) text(b *fields) []byte {
	b.require("text")
	v, ok := b.value("text")
	if !ok {
		return nil
	}
	if v[0] != '"' {
		b.bad("text", "want a string, found %s", kindOf(v))
		return nil
	}
	p.bytes += int64(len(v) - 2)
	return v
}

// conversation reads the messages.
func (p *prompt) conversation(f *fields) {
	jsonscan.Each(f.array("messages"), func(_, v []byte) bool {
		path := fmt.Sprintf("messages[%d]", p.messages)
		p.messages++
		p.segments = append(p.segments, segment{v, cacheable(v)})
		if v[0] != '{' {
			f.adopt(badField(path, "want an object, found %s", kindOf(v)))
			return false
		}
		m, bad := parseObject(v, path)
		if bad != nil {
			f.adopt(bad)
			return false
		}
		p.message(m)
		f.adopt(m.fault)
		return f.fault == nil
	})
	if p.messages == 0 {
		f.bad("messages", "is empty: want at least one message")
	}
}

// message reads one message.
func (p *prompt) message(m *fields) {
	m.require("role", "content")
	user := m.oneOf("role", "user", "assistant") == "user"
	p.fromTool = false
	v, ok := m.value("content")
	switch {
	case !ok:
	case v[0] == '"':
		p.bytes += int64(len(v) - 2)
		if len(v) == 2 {
			m.bad("content", "is empty: want some text")
		}
		if user {
			p.topic = topicOf(v)
		}
	case v[0] == '[':
		p.blocks(m, v, user)
	default:
		m.bad("content", "want a string or an array of blocks, found %s", kindOf(v))
	}
}

// blocks reads the blocks of a message.
func (p *prompt) blocks(m *fields, content []byte, user bool) {
	i := -1
	jsonscan.Each(content, func(_, v []byte) bool {
		i++
		b := m.block(v, fmt.Sprintf("%scontent[%d]", m.path, i))
		if b == nil {
			return false
		}
		switch b.oneOf("type", "text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking") {
		case "text":
			if text := p.text(b); text != nil && user {
				p.topic = topicOf(text)
			}
		case "image":
			b.require("source")
			p.images++
		case "tool_use":
			b.require("id", "name", "input")
			p.bytes += int64(len(v))
		case "tool_result":
			b.require("tool_use_id")
			p.fromTool = true
			p.bytes += int64(len(v))
		}
		m.adopt(b.fault)
		return m.fault == nil
	})
}
