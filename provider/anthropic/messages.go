package anthropic

import (
	"fmt"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/provider/upstream"
)

// message is one message of the caller, its members raw.
type message struct {
	at         string // its path
	role       string
	content    []byte
	toolCalls  []byte
	toolCallID []byte
	thoughts   []byte
	refusal    []byte
	last       bool
}

func readMessage(raw []byte) (m message) {
	jsonscan.Each(raw, func(key, value []byte) bool {
		if isNull(value) {
			return true
		}
		switch string(key) {
		case `"role"`:
			m.role, _ = jsonscan.Unquote(value)
		case `"content"`:
			m.content = value
		case `"tool_calls"`:
			m.toolCalls = value
		case `"tool_call_id"`:
			m.toolCallID = value
		case `"thinking_blocks"`:
			m.thoughts = value
		case `"refusal"`:
			m.refusal = value
		}
		return true
	})
	return m
}

// messages turns the caller's messages into turns and the system prompt.
func (r *request) messages(raw []byte) {
	if len(raw) == 0 || raw[0] != '[' {
		r.refuse("messages", "want an array of messages")
		return
	}
	var m message // read, and not taken in before it is known whether it is the last
	i := 0
	jsonscan.Each(raw, func(_, value []byte) bool {
		if i > 0 {
			r.message(m)
		}
		m = readMessage(value)
		m.at = fmt.Sprintf("messages[%d]", i)
		i++
		return r.err == nil
	})
	if i > 0 && r.err == nil {
		m.last = true
		r.message(m)
	}
	r.closeTurn()
	if len(r.turns) == 0 {
		r.refuse("messages", "want at least one message of a user or the assistant with content")
	}
}

func (r *request) message(m message) {
	r.toolRound = m.role == "tool"
	switch m.role {
	case "system", "developer":
		r.content(m, func(b builder) { r.system = b(comma(r.system)) })
	case "user":
		r.content(m, func(b builder) { r.block("user", b) })
	case "assistant":
		r.assistant(m)
	case "tool":
		r.toolResult(m)
	default:
		r.refuse(m.at+".role", "want system, developer, user, assistant or tool")
	}
}

// builder appends one content block. Blocks are built where they will stand:
// an image is copied once.
type builder func(dst []byte) []byte

// rawBlock builds a block that is there already.
func rawBlock(raw []byte) builder {
	return func(dst []byte) []byte { return append(dst, raw...) }
}

// block adds a content block to a turn of the role, opening one if need be.
func (r *request) block(role string, b builder) {
	if r.role != role {
		r.closeTurn()
		if len(r.turns) > 0 {
			r.turns = append(r.turns, ',')
		}
		r.turns = append(append(append(r.turns, `{"role":"`...), role...), `","content":[`...)
		r.role = role
	} else {
		r.turns = append(r.turns, ',')
	}
	r.turns = b(r.turns)
}

func (r *request) closeTurn() {
	if r.role != "" {
		r.turns = append(r.turns, "]}"...)
		r.role = ""
	}
}

func (r *request) assistant(m message) {
	add := func(b builder) { r.block("assistant", b) }
	shown := false
	jsonscan.Each(m.thoughts, func(_, block []byte) bool {
		shown = true
		add(rawBlock(block))
		return true
	})
	if m.last && len(m.content) > 0 && m.content[0] == '"' {
		m.content = trimRight(m.content) // the API refuses trailing blanks in what it shall continue
	}
	r.content(m, add)
	if len(m.refusal) > 0 && m.refusal[0] == '"' && !blank(m.refusal) {
		add(textBlock(m.refusal, nil))
	}
	called, i := false, 0
	jsonscan.Each(m.toolCalls, func(_, call []byte) bool {
		called = true
		r.toolUse(fmt.Sprintf("%s.tool_calls[%d]", m.at, i), call, add)
		i++
		return r.err == nil
	})
	r.thoughtsMissing = called && !shown
}

// toolUse turns a tool call of the assistant into a block.
func (r *request) toolUse(at string, call []byte, add func(builder)) {
	var id, name, arguments []byte
	jsonscan.Each(call, func(key, value []byte) bool {
		switch string(key) {
		case `"id"`:
			id = value
		case `"function"`:
			jsonscan.Each(value, func(key, value []byte) bool {
				switch string(key) {
				case `"name"`:
					name = value
				case `"arguments"`:
					arguments = value
				}
				return true
			})
		}
		return true
	})
	if id == nil || name == nil {
		r.refuse(at, "want id and function.name")
		return
	}
	input := "{}"
	if text, err := jsonscan.Unquote(arguments); err == nil && text != "" {
		if _, err := jsonscan.Parse([]byte(text)); err != nil {
			r.refuse(at+".function.arguments", "want a JSON object: %v", err)
			return
		}
		input = text
	}
	add(func(dst []byte) []byte {
		dst = append(append(dst, `{"type":"tool_use","id":`...), id...)
		dst = append(append(dst, `,"name":`...), name...)
		return append(append(append(dst, `,"input":`...), input...), '}')
	})
}

// toolResult turns a tool message into a block of a user turn.
func (r *request) toolResult(m message) {
	if m.toolCallID == nil {
		r.refuse(m.at+".tool_call_id", "want the id of the tool call that this answers")
		return
	}
	r.block("user", func(dst []byte) []byte {
		dst = append(append(dst, `{"type":"tool_result","tool_use_id":`...), m.toolCallID...)
		first := true
		r.content(m, func(b builder) {
			if first {
				dst = append(dst, `,"content":[`...)
			} else {
				dst = append(dst, ',')
			}
			first = false
			dst = b(dst)
		})
		if !first {
			dst = append(dst, ']')
		}
		return append(dst, '}')
	})
}

func textBlock(text, cache []byte) builder {
	return func(dst []byte) []byte {
		dst = append(append(dst, `{"type":"text","text":`...), text...)
		return append(withCache(dst, cache), '}')
	}
}

// withCache adds the mark that ends a prefix to be cached, if there is one.
func withCache(dst, cache []byte) []byte {
	if cache == nil {
		return dst
	}
	return append(append(dst, `,"cache_control":`...), cache...)
}

// systemLine adds a sentence of ours to the system prompt.
func (r *request) systemLine(text string) {
	r.system = textBlock(upstream.Quote(nil, text), nil)(comma(r.system))
}

// trimRight cuts white space off the end of a raw string.
func trimRight(raw []byte) []byte {
	end := len(raw) - 1
	for end > 1 {
		switch {
		case raw[end-1] == ' ':
			end--
		case end > 2 && raw[end-2] == '\\' && (raw[end-1] == 'n' || raw[end-1] == 't' || raw[end-1] == 'r') && !escaped(raw, end-2):
			end -= 2
		default:
			return append(append([]byte{}, raw[:end]...), '"')
		}
	}
	return []byte(`""`)
}

// escaped reports whether the backslash at i is itself escaped.
func escaped(raw []byte, i int) bool {
	n := 0
	for i--; i > 0 && raw[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}
