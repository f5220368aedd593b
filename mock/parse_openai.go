package mock

import (
	"fmt"

	"github.com/cartrita/cartrita/internal/jsonscan"
)

// Fields of OpenAI's requests, for Strict.
var (
	samplingFields = []string{
		"model", "stream", "stream_options", "max_tokens", "temperature", "top_p", "n", "stop", "seed", "user",
		"presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "metadata",
	}
	chatFields = append([]string{
		"messages", "max_completion_tokens", "tools", "tool_choice", "parallel_tool_calls", "response_format",
		"reasoning_effort", "top_logprobs", "store", "service_tier", "modalities", "audio", "prediction",
		"web_search_options", "verbosity", "safety_identifier", "prompt_cache_key", "functions", "function_call",
	}, samplingFields...)
	completionFields = append([]string{"prompt", "suffix", "echo", "best_of"}, samplingFields...)
	embeddingFields  = []string{"model", "input", "dimensions", "encoding_format", "user"}
)

// parseChat reads a chat completion request.
func parseChat(body []byte, strict bool) (*prompt, *fault) {
	f, bad := parseObject(body, "")
	if bad != nil {
		return nil, bad
	}
	if strict {
		f.refuseUnknown(chatFields...)
	}
	f.require("model", "messages")
	p := f.sampling(body)
	if n := f.integer("max_completion_tokens", 0, 1, maxInt); n > 0 {
		p.maxTokens = n
	}
	f.boolean("parallel_tool_calls")
	f.str("reasoning_effort")
	p.chatTools(f)
	p.responseFormat(f)
	p.chatMessages(f)
	return p, f.fault
}

const maxInt = 1 << 40

// sampling reads what chat and text completions share.
func (f *fields) sampling(body []byte) *prompt {
	p := &prompt{raw: body, model: f.str("model"), stream: f.boolean("stream")}
	p.maxTokens = f.integer("max_tokens", 0, 1, maxInt)
	p.n = int(f.integer("n", 1, 1, 16))
	p.seed = f.integer("seed", 0, -maxInt, maxInt)
	p.stops = f.strings("stop", 4)
	f.str("user")
	f.number("temperature", 0, 2)
	f.number("top_p", 0, 1)
	f.number("presence_penalty", -2, 2)
	f.number("frequency_penalty", -2, 2)
	if raw := f.object("stream_options"); raw != nil {
		if !p.stream {
			f.bad("stream_options", "is allowed only with stream true")
			return p
		}
		if o, bad := parseObject(raw, "stream_options"); bad == nil {
			p.usage = o.boolean("include_usage")
			f.adopt(o.fault)
		} else {
			f.adopt(bad)
		}
	}
	return p
}

// adopt keeps a fault that was found deeper down.
func (f *fields) adopt(bad *fault) {
	if f.fault == nil {
		f.fault = bad
	}
}

var chatRoles = []string{"system", "developer", "user", "assistant", "tool", "function"}

// chatMessages reads the conversation.
func (p *prompt) chatMessages(f *fields) {
	jsonscan.Each(f.array("messages"), func(_, v []byte) bool {
		path := fmt.Sprintf("messages[%d]", p.messages)
		p.messages++
		p.segments = append(p.segments, segment{v, true})
		if v[0] != '{' {
			f.adopt(badField(path, "want an object, found %s", kindOf(v)))
			return false
		}
		m, bad := parseObject(v, path)
		if bad != nil {
			f.adopt(bad)
			return false
		}
		p.chatMessage(m)
		f.adopt(m.fault)
		return f.fault == nil
	})
	if p.messages == 0 {
		f.bad("messages", "is empty: want at least one message")
	}
}

// chatMessage reads one message.
func (p *prompt) chatMessage(m *fields) {
	m.require("role")
	role := m.oneOf("role", chatRoles...)
	p.fromTool = role == "tool" || role == "function"
	calls := m.array("tool_calls")
	p.bytes += int64(len(calls))
	if role == "tool" {
		m.require("tool_call_id")
	}
	content, ok := m.value("content")
	switch {
	case !ok:
		if role != "assistant" || calls == nil && m.object("function_call") == nil && m.str("refusal") == "" {
			m.bad("content", "is missing or null")
		}
	case content[0] == '"':
		p.bytes += int64(len(content) - 2)
		if role == "user" {
			p.topic = topicOf(content)
		}
	case content[0] == '[':
		p.chatParts(m, content, role)
	default:
		m.bad("content", "want a string or an array of parts, found %s", kindOf(content))
	}
}

// chatParts reads the parts of a message.
func (p *prompt) chatParts(m *fields, content []byte, role string) {
	i := -1
	jsonscan.Each(content, func(_, v []byte) bool {
		i++
		path := fmt.Sprintf("%scontent[%d]", m.path, i)
		if v[0] != '{' {
			m.adopt(badField(path, "want an object, found %s", kindOf(v)))
			return false
		}
		part, bad := parseObject(v, path)
		if bad != nil {
			m.adopt(bad)
			return false
		}
		part.require("type")
		switch part.oneOf("type", "text", "image_url", "input_audio", "file", "refusal") {
		case "text":
			part.require("text")
			if text, ok := part.value("text"); ok && text[0] == '"' {
				p.bytes += int64(len(text) - 2)
				if role == "user" {
					p.topic = topicOf(text)
				}
			} else {
				part.str("text")
			}
		case "image_url":
			part.require("image_url")
			if raw := part.object("image_url"); raw != nil {
				part.nested(raw, "image_url", "url")
			}
			p.images++
		}
		m.adopt(part.fault)
		return m.fault == nil
	})
	if i < 0 {
		m.bad("content", "is empty: want at least one part")
	}
}

// nested checks that an object has a string under key.
func (f *fields) nested(raw []byte, name, key string) *fields {
	o, bad := parseObject(raw, f.path+name)
	if bad != nil {
		f.adopt(bad)
		return nil
	}
	o.require(key)
	o.str(key)
	f.adopt(o.fault)
	return o
}

// chatTools reads the tools and which of them are to be called.
func (p *prompt) chatTools(f *fields) {
	i := -1
	jsonscan.Each(f.array("tools"), func(_, v []byte) bool {
		i++
		p.bytes += int64(len(v))
		p.segments = append(p.segments, segment{v, true})
		t, bad := parseObject(v, fmt.Sprintf("tools[%d]", i))
		if bad != nil {
			f.adopt(bad)
			return false
		}
		t.require("type")
		t.oneOf("type", "function")
		t.require("function")
		if raw := t.object("function"); raw != nil {
			if fn := t.nested(raw, "function", "name"); fn != nil {
				p.tools = append(p.tools, tool{fn.str("name"), fn.object("parameters")})
				t.adopt(fn.fault)
			}
		}
		f.adopt(t.fault)
		return f.fault == nil
	})
	p.chatToolChoice(f)
}

func (p *prompt) chatToolChoice(f *fields) {
	v, ok := f.value("tool_choice")
	if !ok {
		return
	}
	if len(p.tools) == 0 {
		f.bad("tool_choice", "is allowed only with tools")
		return
	}
	if v[0] == '{' {
		p.choice = choiceNamed
		if o, bad := parseObject(v, "tool_choice"); bad != nil {
			f.adopt(bad)
		} else if raw := o.object("function"); raw == nil {
			o.require("function")
			f.adopt(o.fault)
		} else if fn := o.nested(raw, "function", "name"); fn != nil {
			p.forced = fn.str("name")
			p.checkForced(f, "tool_choice.function.name")
		} else {
			f.adopt(o.fault)
		}
		return
	}
	switch f.oneOf("tool_choice", "auto", "none", "required") {
	case "none":
		p.choice = choiceNone
	case "required":
		p.choice = choiceRequired
	}
}

// checkForced refuses a forced tool that was not offered.
func (p *prompt) checkForced(f *fields, param string) {
	for _, t := range p.tools {
		if t.name == p.forced {
			return
		}
	}
	f.adopt(badField(param, "is %q, which is not among the tools", p.forced))
}

// responseFormat reads the demanded form of the answer.
func (p *prompt) responseFormat(f *fields) {
	raw := f.object("response_format")
	if raw == nil {
		return
	}
	o, bad := parseObject(raw, "response_format")
	if bad != nil {
		f.adopt(bad)
		return
	}
	o.require("type")
	switch o.oneOf("type", "text", "json_object", "json_schema") {
	case "json_object":
		p.json = true
	case "json_schema":
		o.require("json_schema")
		if raw := o.object("json_schema"); raw != nil {
			if js := o.nested(raw, "json_schema", "name"); js != nil {
				p.schema = js.object("schema")
				o.adopt(js.fault)
			}
		}
		if p.schema == nil {
			p.schema = []byte("{}")
		}
		p.bytes += int64(len(p.schema))
	}
	f.adopt(o.fault)
}

// parseCompletion reads a text completion request.
func parseCompletion(body []byte, strict bool) (*prompt, *fault) {
	f, bad := parseObject(body, "")
	if bad != nil {
		return nil, bad
	}
	if strict {
		f.refuseUnknown(completionFields...)
	}
	f.require("model", "prompt")
	p := f.sampling(body)
	p.messages = 1
	if v, ok := f.value("prompt"); ok && v[0] == '"' {
		p.bytes, p.topic = int64(len(v)-2), topicOf(v)
	} else if ok {
		texts := f.strings("prompt", 1)
		for _, t := range texts {
			p.bytes += int64(len(t))
		}
		if len(texts) == 0 {
			f.bad("prompt", "is empty: want a string")
		} else {
			p.topic = topicWords(texts[0][:min(len(texts[0]), topicBytes)])
		}
	}
	return p, f.fault
}
