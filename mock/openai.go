package mock

import (
	"net/http"
)

// chatDialect is OpenAI's chat completions.
type chatDialect struct{}

func (chatDialect) ability() string                     { return "chat" }
func (chatDialect) idPrefix() string                    { return "chatcmpl-" }
func (chatDialect) faultBody(f *fault, _ string) []byte { return f.openAIError() }

func (chatDialect) parse(_ *http.Request, body []byte, strict bool) (*prompt, *fault) {
	return parseChat(body, strict)
}

// finishReasons are OpenAI's words for why an answer ends.
var finishReasons = [...]string{finishStop: "stop", finishLength: "length", finishTools: "tool_calls"}

// appendHead appends the members that every OpenAI object starts with.
func appendHead(dst []byte, t *turn, object string) []byte {
	dst = appendField(append(dst, '{'), "id", t.id)
	dst = appendField(append(dst, ','), "object", object)
	dst = appendInt(append(dst, ','), "created", t.created)
	dst = appendField(append(dst, ','), "model", t.profile.Name)
	return append(dst, `,"system_fingerprint":"fp_demo"`...)
}

// appendUsage appends `,"usage":{…}`, unless the model reports none.
func appendUsage(dst []byte, t *turn) []byte {
	if t.profile.NoUsage {
		return dst
	}
	a, out, reasoning := t.answers[0], int64(0), int64(0)
	for _, a := range t.answers {
		out += a.outputTokens
		reasoning += a.reasoningTokens
	}
	dst = appendInt(append(dst, `,"usage":{`...), "prompt_tokens", a.inputTokens)
	dst = appendInt(append(dst, ','), "completion_tokens", out)
	dst = appendInt(append(dst, ','), "total_tokens", a.inputTokens+out)
	dst = appendInt(append(dst, `,"prompt_tokens_details":{`...), "cached_tokens", a.cachedTokens)
	dst = appendInt(append(dst, `},"completion_tokens_details":{`...), "reasoning_tokens", reasoning)
	return append(dst, "}}"...)
}

func (chatDialect) unary(dst []byte, t *turn) []byte {
	dst = append(appendHead(dst, t, "chat.completion"), `,"choices":[`...)
	for i, a := range t.answers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendInt(append(dst, '{'), "index", int64(i))
		dst = append(dst, `,"message":{"role":"assistant","content":`...)
		dst = appendContent(dst, a)
		dst = append(dst, `,"refusal":null`...)
		if a.reasoning != "" {
			dst = appendField(append(dst, ','), "reasoning_content", a.reasoning)
		}
		dst = appendCalls(dst, a)
		dst = appendField(append(dst, `},"logprobs":null,`...), "finish_reason", finishReasons[a.finish])
		dst = append(dst, '}')
	}
	dst = appendUsage(append(dst, ']'), t)
	return append(dst, "}\n"...)
}

// appendContent appends the text, or null where tools are called instead.
func appendContent(dst []byte, a *answer) []byte {
	if len(a.calls) > 0 {
		return append(dst, "null"...)
	}
	return appendString(dst, a.text)
}

// appendCalls appends `,"tool_calls":[…]`.
func appendCalls(dst []byte, a *answer) []byte {
	for i, c := range a.calls {
		if i == 0 {
			dst = append(dst, `,"tool_calls":[{`...)
		} else {
			dst = append(dst, `,{`...)
		}
		dst = appendField(dst, "id", c.id)
		dst = appendField(append(dst, `,"type":"function","function":{`...), "name", c.name)
		dst = appendField(append(dst, ','), "arguments", c.args)
		dst = append(dst, "}}"...)
	}
	if len(a.calls) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// chunk appends one event of choice i; delta appends the choice's delta.
func (chatDialect) chunk(dst []byte, t *turn, i int, reason string, delta func([]byte) []byte) []byte {
	dst = append(dst, "data: "...)
	dst = append(appendHead(dst, t, "chat.completion.chunk"), `,"choices":[{`...)
	dst = appendInt(dst, "index", int64(i))
	dst = append(delta(append(dst, `,"delta":{`...)), `},"logprobs":null,"finish_reason":`...)
	if reason == "" {
		dst = append(dst, "null"...)
	} else {
		dst = appendString(dst, reason)
	}
	dst = append(dst, "}]"...)
	if t.prompt.usage && !t.profile.NoUsage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...)
}

func (d chatDialect) begin(dst []byte, t *turn) []byte {
	for i := range t.answers {
		dst = d.chunk(dst, t, i, "", func(b []byte) []byte { return append(b, `"role":"assistant","content":"","refusal":null`...) })
	}
	return dst
}

func (d chatDialect) part(dst []byte, t *turn, i int, p part) []byte {
	return d.chunk(dst, t, i, "", func(b []byte) []byte {
		switch p.kind {
		case partReasoning:
			return appendField(b, "reasoning_content", p.text)
		case partText:
			return appendField(b, "content", p.text)
		}
		b = appendInt(append(b, `"tool_calls":[{`...), "index", int64(p.index))
		if p.kind == partCall {
			c := t.answers[i].calls[p.index]
			b = appendField(append(b, ','), "id", c.id)
			b = appendField(append(b, `,"type":"function","function":{`...), "name", c.name)
			return append(b, `,"arguments":""}}]`...)
		}
		b = appendField(append(b, `,"function":{`...), "arguments", p.text)
		return append(b, "}}]"...)
	})
}

func (d chatDialect) end(dst []byte, t *turn, i int) []byte {
	return d.chunk(dst, t, i, finishReasons[t.answers[i].finish], func(b []byte) []byte { return b })
}

func (chatDialect) done(dst []byte, t *turn) []byte {
	return appendDone(dst, t, "chat.completion.chunk")
}

// appendDone ends a stream of OpenAI's, with usage if it was asked for.
func appendDone(dst []byte, t *turn, object string) []byte {
	if t.prompt.usage && !t.profile.NoUsage {
		dst = append(appendHead(append(dst, "data: "...), t, object), `,"choices":[]`...)
		dst = append(appendUsage(dst, t), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

func (chatDialect) streamFault(dst []byte, f *fault) []byte {
	dst = append(append(dst, "data: "...), f.openAIError()...)
	return append(dst, "\n\n"...)
}

// completionDialect is OpenAI's text completions.
type completionDialect struct{}

func (completionDialect) ability() string                     { return "completions" }
func (completionDialect) idPrefix() string                    { return "cmpl-" }
func (completionDialect) faultBody(f *fault, _ string) []byte { return f.openAIError() }

func (completionDialect) parse(_ *http.Request, body []byte, strict bool) (*prompt, *fault) {
	return parseCompletion(body, strict)
}

// choice appends one choice.
func (completionDialect) choice(dst []byte, i int, text, reason string) []byte {
	dst = appendInt(append(dst, '{'), "index", int64(i))
	dst = appendField(append(dst, ','), "text", text)
	dst = append(dst, `,"logprobs":null,"finish_reason":`...)
	if reason == "" {
		return append(dst, "null}"...)
	}
	return append(appendString(dst, reason), '}')
}

func (d completionDialect) unary(dst []byte, t *turn) []byte {
	dst = append(appendHead(dst, t, "text_completion"), `,"choices":[`...)
	for i, a := range t.answers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = d.choice(dst, i, a.text, finishReasons[a.finish])
	}
	dst = appendUsage(append(dst, ']'), t)
	return append(dst, "}\n"...)
}

func (completionDialect) begin(dst []byte, _ *turn) []byte { return dst }

func (d completionDialect) event(dst []byte, t *turn, i int, text, reason string) []byte {
	dst = append(appendHead(append(dst, "data: "...), t, "text_completion"), `,"choices":[`...)
	return append(d.choice(dst, i, text, reason), "]}\n\n"...)
}

func (d completionDialect) part(dst []byte, t *turn, i int, p part) []byte {
	if p.kind != partText {
		return dst
	}
	return d.event(dst, t, i, p.text, "")
}

func (d completionDialect) end(dst []byte, t *turn, i int) []byte {
	return d.event(dst, t, i, "", finishReasons[t.answers[i].finish])
}

func (completionDialect) done(dst []byte, t *turn) []byte {
	return appendDone(dst, t, "text_completion")
}

func (completionDialect) streamFault(dst []byte, f *fault) []byte {
	return chatDialect{}.streamFault(dst, f)
}
