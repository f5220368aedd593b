package mock

import "net/http"

// messagesDialect is Anthropic's Messages API.
type messagesDialect struct{}

func (messagesDialect) ability() string  { return "chat" }
func (messagesDialect) idPrefix() string { return "msg_" }

func (messagesDialect) faultBody(f *fault, id string) []byte { return f.anthropicError(id) }

func (messagesDialect) parse(r *http.Request, body []byte, strict bool) (*prompt, *fault) {
	return parseMessages(r, body, strict)
}

// stopReasons are Anthropic's words for why an answer ends.
var stopReasons = [...]string{finishStop: "end_turn", finishLength: "max_tokens", finishTools: "tool_use"}

// signature stands in for the proof that a thought is the model's own.
const signature = "ZGVtbw=="

// appendInputUsage appends the members of usage that are known from the
// start: Anthropic's input_tokens leave out what the cache read or took.
func appendInputUsage(dst []byte, a *answer) []byte {
	dst = appendInt(dst, "input_tokens", a.inputTokens-a.cachedTokens-a.writtenTokens)
	dst = appendInt(append(dst, ','), "cache_creation_input_tokens", a.writtenTokens)
	return appendInt(append(dst, ','), "cache_read_input_tokens", a.cachedTokens)
}

// thinks reports whether the answer shows its reasoning.
func thinks(t *turn) bool { return t.prompt.thinking && t.answers[0].reasoning != "" }

func (messagesDialect) unary(dst []byte, t *turn) []byte {
	a := t.answers[0]
	dst = appendField(append(dst, '{'), "id", t.id)
	dst = appendField(append(dst, `,"type":"message","role":"assistant",`...), "model", t.profile.Name)
	dst = append(dst, `,"content":[`...)
	start := len(dst)
	if thinks(t) {
		dst = appendField(append(dst, `{"type":"thinking",`...), "thinking", a.reasoning)
		dst = append(appendField(append(dst, ','), "signature", signature), `},`...)
	}
	if len(a.calls) == 0 {
		dst = append(appendField(append(dst, `{"type":"text",`...), "text", a.text), `},`...)
	}
	for _, c := range a.calls {
		dst = appendField(append(dst, `{"type":"tool_use",`...), "id", "toolu_"+c.id)
		dst = appendField(append(dst, ','), "name", c.name)
		dst = append(append(append(dst, `,"input":`...), c.args...), `},`...)
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1] // the last comma
	}
	dst = appendField(append(dst, `],`...), "stop_reason", stopReasons[a.finish])
	dst = append(dst, `,"stop_sequence":null`...)
	if !t.profile.NoUsage {
		dst = appendInputUsage(append(dst, `,"usage":{`...), a)
		dst = append(appendInt(append(dst, ','), "output_tokens", a.outputTokens), '}')
	}
	return append(dst, "}\n"...)
}

func (messagesDialect) begin(dst []byte, t *turn) []byte {
	a := t.answers[0]
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{"...)
	dst = appendField(dst, "id", t.id)
	dst = appendField(append(dst, `,"type":"message","role":"assistant",`...), "model", t.profile.Name)
	dst = append(dst, `,"content":[],"stop_reason":null,"stop_sequence":null`...)
	if !t.profile.NoUsage {
		dst = appendInputUsage(append(dst, `,"usage":{`...), a)
		dst = append(dst, `,"output_tokens":1}`...)
	}
	return append(dst, "}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n"...)
}

// open begins a content block, after ending the one before.
func (d messagesDialect) open(dst []byte, t *turn, kind partKind, block func([]byte) []byte) []byte {
	dst = d.close(dst, t)
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\","...)
	dst = append(appendInt(dst, "index", int64(t.block)), `,"content_block":{`...)
	dst = append(block(dst), "}}\n\n"...)
	t.block++
	t.open = kind
	return dst
}

// close ends the content block that is open, if any.
func (d messagesDialect) close(dst []byte, t *turn) []byte {
	if t.block == 0 {
		return dst
	}
	if t.open == partReasoning {
		dst = d.delta(dst, t, "signature_delta", "signature", signature)
	}
	dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\","...)
	return append(appendInt(dst, "index", int64(t.block-1)), "}\n\n"...)
}

// delta appends a piece of the block that is open.
func (messagesDialect) delta(dst []byte, t *turn, kind, field, text string) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","...)
	dst = append(appendInt(dst, "index", int64(t.block-1)), `,"delta":{`...)
	dst = appendField(append(appendField(dst, "type", kind), ','), field, text)
	return append(dst, "}}\n\n"...)
}

func (d messagesDialect) part(dst []byte, t *turn, i int, p part) []byte {
	switch p.kind {
	case partReasoning:
		if !thinks(t) {
			return dst
		}
		if t.block == 0 {
			dst = d.open(dst, t, partReasoning, func(b []byte) []byte { return append(b, `"type":"thinking","thinking":"","signature":""`...) })
		}
		return d.delta(dst, t, "thinking_delta", "thinking", p.text)
	case partText:
		if t.block == 0 || t.open != partText {
			dst = d.open(dst, t, partText, func(b []byte) []byte { return append(b, `"type":"text","text":""`...) })
		}
		return d.delta(dst, t, "text_delta", "text", p.text)
	case partCall:
		c := t.answers[i].calls[p.index]
		return d.open(dst, t, partCall, func(b []byte) []byte {
			b = appendField(append(b, `"type":"tool_use",`...), "id", "toolu_"+c.id)
			return append(appendField(append(b, ','), "name", c.name), `,"input":{}`...)
		})
	}
	return d.delta(dst, t, "input_json_delta", "partial_json", p.text)
}

func (d messagesDialect) end(dst []byte, t *turn, i int) []byte {
	a := t.answers[i]
	dst = d.close(dst, t)
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"...)
	dst = append(appendField(dst, "stop_reason", stopReasons[a.finish]), `,"stop_sequence":null}`...)
	if !t.profile.NoUsage {
		dst = append(appendInt(append(dst, `,"usage":{`...), "output_tokens", a.outputTokens), '}')
	}
	return append(dst, "}\n\n"...)
}

func (messagesDialect) done(dst []byte, _ *turn) []byte {
	return append(dst, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}

func (messagesDialect) streamFault(dst []byte, f *fault) []byte {
	dst = append(append(dst, "event: error\ndata: "...), f.anthropicError("")...)
	return append(dst, "\n\n"...)
}
