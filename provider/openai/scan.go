package openai

import (
	"bytes"
	"unicode/utf8"
)

// facts is what a relay needs to know about one event.
type facts struct {
	content  bool    // a piece of the answer
	bytes    int     // of text in it
	choices  choices // those in the event
	finished choices // those of them that have come to their end
	fault    bool    // the event is an error
	usage    []byte  // the usage object, if there is one
	depth    int     // at which usage stands
	tier     []byte  // the service tier with its quotes, if the event names one
}

// choices is a set of choices by index. Those from lastChoice on share a place,
// and so never count as finished.
type choices uint64

const lastChoice = 63

// choice is the one that the walk is in.
type choice struct {
	listed   bool // the walk is within the list of choices
	index    int  // 0 where the server leaves it out
	finished bool
}

// choiceDepth is the depth of the members of a choice.
const choiceDepth = 3

func (f *facts) add(c choice) {
	bit := choices(1) << min(c.index, lastChoice)
	f.choices |= bit
	if c.finished && c.index < lastChoice {
		f.finished |= bit
	}
}

// scan walks the data of one event. It is no JSON parser: it follows strings
// and brackets only, which is enough to find members and to notice an event
// that was cut or is no JSON object; then ok is false.
func scan(b []byte) (f facts, ok bool) {
	var c choice
	depth, i := 0, space(b, 0)
	if i == len(b) || b[i] != '{' {
		return f, false
	}
	for i < len(b) {
		switch b[i] {
		case '{', '[':
			depth++
			i++
			if depth == choiceDepth {
				c.index, c.finished = 0, false
			}
		case '}', ']':
			if depth == choiceDepth && c.listed {
				f.add(c)
			}
			if depth--; depth < 0 {
				return f, false
			}
			c.listed = c.listed && depth > 1
			i++
		case '"':
			end := stringEnd(b, i)
			if end < 0 {
				return f, false
			}
			if colon := space(b, end); colon < len(b) && b[colon] == ':' {
				if i = f.member(b, b[i+1:end-1], space(b, colon+1), depth, &c); i < 0 {
					return f, false
				}
				continue
			}
			i = end
		default:
			i++
		}
	}
	return f, depth == 0
}

// member takes in one member whose value starts at i, and returns where to go
// on: at the value, or behind it; negative if the value does not end.
func (f *facts) member(b, key []byte, i, depth int, c *choice) int {
	if i >= len(b) {
		return -1
	}
	switch string(key) {
	case "content", "text", "reasoning_content", "reasoning", "refusal", "arguments", "transcript":
		if b[i] != '"' || depth < 3 {
			return i
		}
		end := stringEnd(b, i)
		if end > i+2 {
			f.content = true
			f.bytes += textBytes(b[i+1 : end-1])
		}
		return end
	case "tool_calls", "function_call", "audio", "images":
		f.content = f.content || (depth >= 3 && filled(b, i))
	case "finish_reason":
		c.finished = c.finished || (depth == choiceDepth && b[i] == '"')
	case "index":
		if depth == choiceDepth {
			c.index = smallNumber(b, i)
		}
	case "choices":
		c.listed = c.listed || (depth == 1 && b[i] == '[')
	case "error":
		f.fault = f.fault || (depth == 1 && b[i] != 'n')
	case "object": // older vLLM: {"object":"error","message":…}
		f.fault = f.fault || (depth == 1 && bytes.HasPrefix(b[i:], []byte(`"error"`)))
	case "usage":
		if b[i] != '{' {
			return i
		}
		end := valueEnd(b, i)
		if end > 0 && (f.usage == nil || depth < f.depth) {
			f.usage, f.depth = b[i:end], depth
		}
		return end
	case "service_tier":
		if depth == 1 && b[i] == '"' {
			end := stringEnd(b, i)
			if end > 0 {
				f.tier = b[i:end]
			}
			return end
		}
	case "logprobs", "reasoning_details":
		if b[i] == '{' || b[i] == '[' {
			return valueEnd(b, i)
		}
	}
	return i
}

// smallNumber reads the digits at i, as far as they matter to choices.
func smallNumber(b []byte, i int) int {
	n := 0
	for ; i < len(b) && '0' <= b[i] && b[i] <= '9' && n < lastChoice; i++ {
		n = 10*n + int(b[i]-'0')
	}
	return n
}

// filled reports an object or array with something in it.
func filled(b []byte, i int) bool {
	if b[i] != '{' && b[i] != '[' {
		return false
	}
	i = space(b, i+1)
	return i < len(b) && b[i] != '}' && b[i] != ']'
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// stringEnd returns the offset after the string that starts at i, or -1.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return -1
}

// valueEnd returns the offset after the object or array that starts at i, or -1.
func valueEnd(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			if i = stringEnd(b, i); i < 0 {
				return -1
			}
			continue
		}
		i++
	}
	return -1
}

// textBytes is the length in UTF-8 of a JSON string without its quotes.
func textBytes(s []byte) int {
	n := len(s)
	for i := bytes.IndexByte(s, '\\'); i >= 0 && i+1 < len(s); {
		step := 2
		n--
		if s[i+1] == 'u' && i+6 <= len(s) {
			step = 6
			n += utf8Len(s[i+2:i+6]) - 5
		}
		next := bytes.IndexByte(s[min(i+step, len(s)):], '\\')
		if next < 0 {
			break
		}
		i += step + next
	}
	return n
}

// utf8Len is how long the character of four hexadecimal digits is. Each half
// of a surrogate pair counts 2, so that the pair counts 4.
func utf8Len(hex []byte) int {
	var r rune
	for _, c := range hex {
		r = r<<4 | rune(c&0xf) + rune(c>>6)*9
	}
	if r >= 0xd800 && r <= 0xdfff {
		return 2
	}
	return max(utf8.RuneLen(r), 1)
}
