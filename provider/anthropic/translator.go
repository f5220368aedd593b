package anthropic

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/usage"
)

// translator turns the content of events into chunks in OpenAI's shape.
type translator struct {
	shape
	limit    int
	head     []byte // how every chunk starts; nil before the message has
	counts   usage.Anthropic
	calls    int // tool calls so far
	kind     blockKind
	thought  []byte // the thinking block in the making: text, raw
	sign     []byte // and its signature, raw
	called   bool   // the last event started or continued a tool call
	answered bool
	finished bool
}

// blockKind is what the open block is.
type blockKind uint8

const (
	blockOther blockKind = iota
	blockText
	blockThinking
	blockTool
	blockAnswer
)

// start writes the first chunk.
func (t *translator) start(dst, message []byte) []byte {
	id, name := member(message, "id"), member(message, "model")
	if id == nil {
		id = []byte(`""`)
	}
	t.counts.Read(member(message, "usage"))
	t.counts.Begun()
	t.head = t.appendHead([]byte("data: "), "chat.completion.chunk", "text_completion", id, name)
	if t.surface == model.SurfaceCompletions {
		return t.chunk(dst, nil, "null")
	}
	return t.chunk(dst, []byte(`{"role":"assistant","content":""}`), "null")
}

// chunk writes one chunk. delta is a delta object of the chat surface, and a
// raw string of the completions surface.
func (t *translator) chunk(dst, delta []byte, finish string) []byte {
	dst = append(dst, t.head...)
	if t.surface == model.SurfaceCompletions {
		if delta == nil {
			delta = []byte(`""`)
		}
		dst = append(append(dst, `,"choices":[{"index":0,"text":`...), delta...)
	} else {
		dst = append(append(dst, `,"choices":[{"index":0,"delta":`...), delta...)
	}
	dst = append(append(dst, `,"logprobs":null,"finish_reason":`...), finish...)
	return append(dst, "}]}\n\n"...)
}

// text writes a chunk with a piece of text under the given key of the delta.
// raw is a JSON string. It returns the size of the text.
func (t *translator) text(dst []byte, key string, raw []byte) ([]byte, int) {
	if len(inner(raw)) == 0 {
		return dst, 0
	}
	if t.surface == model.SurfaceCompletions {
		if key != "content" {
			return dst, 0
		}
		return t.chunk(dst, raw, "null"), textSize(raw)
	}
	dst = append(dst, t.head...)
	dst = append(append(append(dst, `,"choices":[{"index":0,"delta":{"`...), key...), `":`...)
	dst = append(dst, raw...)
	return append(dst, `},"logprobs":null,"finish_reason":null}]}`+"\n\n"...), textSize(raw)
}

// content takes in an event about a content block, and returns the size of the
// answer text in it.
func (t *translator) content(dst []byte, kind string, obj jsonscan.Object) ([]byte, int) {
	switch kind {
	case `"content_block_start"`:
		raw, _ := obj.Get("content_block")
		return t.blockStart(dst, raw)
	case `"content_block_delta"`:
		raw, _ := obj.Get("delta")
		return t.blockDelta(dst, readBlock(raw))
	}
	return t.blockStop(dst), 0
}

func (t *translator) blockStart(dst, raw []byte) ([]byte, int) {
	b := readBlock(raw)
	t.kind = blockOther
	switch {
	case b.kind == "text":
		t.kind = blockText
		return t.text(dst, "content", b.text)
	case b.kind == "thinking":
		t.kind = blockThinking
		t.thought, t.sign = append(t.thought[:0], inner(b.thinking)...), append(t.sign[:0], b.signature...)
		return t.text(dst, "reasoning_content", b.thinking)
	case b.kind == "redacted_thinking":
		return t.thoughtBlock(dst, raw), 0
	case t.isAnswer(b):
		t.kind, t.answered = blockAnswer, true
	case b.kind == "tool_use":
		t.kind, t.called = blockTool, true
		t.calls++
		return t.toolStart(dst, b), 0
	}
	return dst, 0
}

func (t *translator) blockDelta(dst []byte, b block) ([]byte, int) {
	switch b.kind {
	case "text_delta":
		return t.text(dst, "content", b.text)
	case "thinking_delta":
		if t.kind == blockThinking {
			t.thought = append(t.thought, inner(b.thinking)...)
		}
		return t.text(dst, "reasoning_content", b.thinking)
	case "signature_delta":
		t.sign = append(t.sign[:0], b.signature...)
	case "input_json_delta":
		if t.kind == blockAnswer {
			return t.text(dst, "content", b.partial)
		}
		if t.kind == blockTool && len(inner(b.partial)) > 0 {
			return t.toolPart(dst, b.partial), textSize(b.partial)
		}
	}
	return dst, 0
}

func (t *translator) blockStop(dst []byte) []byte {
	if t.kind != blockThinking {
		return dst
	}
	t.kind = blockOther
	raw := appendRawString([]byte(`{"type":"thinking","thinking":`), t.thought)
	if len(t.sign) > 0 {
		raw = append(append(raw, `,"signature":`...), t.sign...)
	}
	return t.thoughtBlock(dst, append(raw, '}'))
}

// thoughtBlock hands a whole thinking block over, to be given back by the caller.
func (t *translator) thoughtBlock(dst, raw []byte) []byte {
	if t.surface == model.SurfaceCompletions {
		return dst
	}
	return t.chunk(dst, append(append([]byte(`{"thinking_blocks":[`), raw...), "]}"...), "null")
}

func (t *translator) toolStart(dst []byte, b block) []byte {
	delta := strconv.AppendInt([]byte(`{"tool_calls":[{"index":`), int64(t.calls-1), 10)
	delta = append(append(delta, `,"id":`...), b.id...)
	delta = append(append(delta, `,"type":"function","function":{"name":`...), b.name...)
	return t.chunk(dst, append(delta, `,"arguments":""}}]}`...), "null")
}

func (t *translator) toolPart(dst, partial []byte) []byte {
	t.called = true
	delta := strconv.AppendInt([]byte(`{"tool_calls":[{"index":`), int64(t.calls-1), 10)
	delta = append(append(delta, `,"function":{"arguments":`...), partial...)
	return t.chunk(dst, append(delta, "}}]}"...), "null")
}

// finish writes the chunk that ends the choice.
func (t *translator) finish(dst, stop []byte) []byte {
	if t.finished || t.head == nil {
		return dst
	}
	t.finished = true
	delta := []byte("{}")
	if t.surface == model.SurfaceCompletions {
		delta = nil
	}
	return t.chunk(dst, delta, t.finishReason(stop, t.answered && t.calls == 0))
}

// usage writes the chunk that only reports usage.
func (t *translator) usage(dst []byte, u model.Usage) []byte {
	dst = append(append(dst, t.head...), `,"choices":[],"usage":`...)
	return append(appendUsage(dst, u), "}\n\n"...)
}

func (t *translator) tooLong() bool { return len(t.thought) > t.limit }

// textSize is the length in UTF-8 of a raw string.
func textSize(raw []byte) int {
	s := inner(raw)
	if bytes.IndexByte(s, '\\') < 0 {
		return len(s)
	}
	text, err := jsonscan.Unquote(raw)
	if err != nil || !utf8.ValidString(text) {
		return len(s)
	}
	return len(text)
}
