package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// scanner validates b. The first error stays; offsets after it mean nothing.
type scanner struct {
	b   []byte
	err error
}

func (s *scanner) fail(i int, msg string) int {
	if s.err == nil {
		if i >= len(s.b) {
			i, msg = len(s.b), "the text ends too early"
		}
		s.err = &SyntaxError{i, msg}
	}
	return len(s.b)
}

// space returns the offset of the first byte at or after i that is no white space.
func (s *scanner) space(i int) int {
	for i < len(s.b) && (s.b[i] == ' ' || s.b[i] == '\n' || s.b[i] == '\r' || s.b[i] == '\t') {
		i++
	}
	return i
}

// value returns the offset after the value that starts at i.
func (s *scanner) value(i, depth int) int {
	if i >= len(s.b) {
		return s.fail(i, "")
	}
	if depth > MaxDepth {
		return s.fail(i, "nested too deep")
	}
	switch c := s.b[i]; {
	case c == '"':
		return s.str(i)
	case c == '{':
		return s.object(i, depth, nil)
	case c == '[':
		return s.array(i, depth)
	case c == '-' || (c >= '0' && c <= '9'):
		return s.number(i)
	case c == 't':
		return s.literal(i, "true")
	case c == 'f':
		return s.literal(i, "false")
	case c == 'n':
		return s.literal(i, "null")
	}
	return s.fail(i, "want a JSON value")
}

func (s *scanner) object(i, depth int, emit func(Member)) int {
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(s.b) || s.b[i] != '"' {
			return s.fail(i, "want a key in double quotes")
		}
		m := Member{KeyStart: i}
		i = s.space(s.str(i))
		if i >= len(s.b) || s.b[i] != ':' {
			return s.fail(i, "want a colon after the key")
		}
		m.Start = s.space(i + 1)
		m.End = s.value(m.Start, depth+1)
		if s.err != nil {
			return len(s.b)
		}
		if emit != nil {
			emit(m)
		}
		i = s.space(m.End)
		if i < len(s.b) && s.b[i] == '}' {
			return i + 1
		}
		if i >= len(s.b) || s.b[i] != ',' {
			return s.fail(i, "want a comma or the end of the object")
		}
		i = s.space(i + 1)
	}
}

func (s *scanner) array(i, depth int) int {
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == ']' {
		return i + 1
	}
	for {
		i = s.space(s.value(i, depth+1))
		if s.err != nil {
			return len(s.b)
		}
		if i < len(s.b) && s.b[i] == ']' {
			return i + 1
		}
		if i >= len(s.b) || s.b[i] != ',' {
			return s.fail(i, "want a comma or the end of the array")
		}
		i = s.space(i + 1)
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes of x that end a run of plain string bytes: quotes,
// backslashes and control characters. Only the lowest mark is exact.
func special(x uint64) uint64 {
	quote := x ^ (ones * '"')
	slash := x ^ (ones * '\\')
	return ((x-ones*0x20)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs
}

// str returns the offset after the string whose opening quote is at i.
func (s *scanner) str(i int) int {
	b := s.b
	i++
	for {
		for i+8 <= len(b) {
			m := special(binary.LittleEndian.Uint64(b[i:]))
			if m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return s.fail(i, "")
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = s.escape(i); s.err != nil {
				return len(b)
			}
		case c < 0x20:
			return s.fail(i, "control character in a string")
		default: // near the end of the text, byte by byte
			i++
		}
	}
}

// escape returns the offset after the escape sequence at i.
func (s *scanner) escape(i int) int {
	if i+1 >= len(s.b) {
		return s.fail(len(s.b), "")
	}
	switch s.b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for j := i + 2; j < i+6; j++ {
			if j >= len(s.b) || !isHex(s.b[j]) {
				return s.fail(j, "want four hexadecimal digits")
			}
		}
		return i + 6
	}
	return s.fail(i, "unknown escape sequence")
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// number returns the offset after the number at i.
func (s *scanner) number(i int) int {
	b := s.b
	if b[i] == '-' {
		i++
	}
	first := i
	i = s.digits(i)
	if i == first {
		return s.fail(i, "want a digit")
	}
	if b[first] == '0' && i > first+1 {
		return s.fail(first, "number with a leading zero")
	}
	if i < len(b) && b[i] == '.' {
		first = i + 1
		if i = s.digits(first); i == first {
			return s.fail(i, "want a digit after the point")
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		first = i
		if i = s.digits(first); i == first {
			return s.fail(i, "want a digit in the exponent")
		}
	}
	return i
}

func (s *scanner) digits(i int) int {
	for i < len(s.b) && s.b[i] >= '0' && s.b[i] <= '9' {
		i++
	}
	return i
}

func (s *scanner) literal(i int, want string) int {
	if end := i + len(want); end <= len(s.b) && string(s.b[i:end]) == want {
		return end
	}
	return s.fail(i, "want "+want)
}
