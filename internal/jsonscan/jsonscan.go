// Package jsonscan reads the top level of a JSON object in one validating pass
// that decodes no text, and rewrites members while leaving every other byte as
// it came.
//
// It exists because a gateway forwards bodies as bytes: general parsers either
// decode every string (encoding/json) or do not validate what they skip
// (gjson), and they disagree about duplicate keys, which lets a request mean
// one thing to a policy and another to the upstream. Parse accepts exactly the
// texts that RFC 8259 allows, in valid UTF-8, nested at most MaxDepth deep,
// and refuses duplicate keys at the top level.
//
// Objects are immutable views of the bytes they were parsed from: the caller
// must not change those bytes afterwards. Safe for concurrent reads.
package jsonscan

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// MaxDepth is how deep values may nest; deeper ones are a *SyntaxError.
const MaxDepth = 512

// Member is one top-level member of an object; Raw[Start:End] is its value.
type Member struct {
	Key        string
	KeyStart   int // offset of the key's opening quote
	Start, End int
}

// Object is a validated JSON object: its bytes, from brace to brace, and an
// index of its members in the order in which they stand.
type Object struct {
	Raw     []byte
	Members []Member
}

// SyntaxError says where a text stops being what was expected.
type SyntaxError struct {
	Offset int // byte offset in the text given to Parse
	Msg    string
}

// Error implements error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Msg, e.Offset) }

// DuplicateError says that a top-level key stands twice.
type DuplicateError struct{ Key string }

// Error implements error.
func (e *DuplicateError) Error() string { return fmt.Sprintf("key %q stands twice", e.Key) }

// Parse validates raw and indexes its members. The error is a *SyntaxError
// or a *DuplicateError.
func Parse(raw []byte) (Object, error) {
	if !utf8.Valid(raw) {
		return Object{}, &SyntaxError{invalidUTF8(raw), "invalid UTF-8"}
	}
	s := scanner{b: raw}
	start := s.space(0)
	if start == len(raw) {
		return Object{}, &SyntaxError{start, "want a JSON object, found nothing"}
	}
	if raw[start] != '{' {
		return Object{}, &SyntaxError{start, "want a JSON object"}
	}
	members := make([]Member, 0, 16)
	end := s.object(start, 1, func(m Member) { members = append(members, m) })
	if s.err != nil {
		return Object{}, s.err
	}
	if rest := s.space(end); rest != len(raw) {
		return Object{}, &SyntaxError{rest, "text after the end of the object"}
	}
	for i := range members {
		m := &members[i]
		key, err := keyString(raw[m.KeyStart:m.Start])
		if err != nil {
			return Object{}, &SyntaxError{m.KeyStart, err.Error()}
		}
		m.Key = key
		m.KeyStart, m.Start, m.End = m.KeyStart-start, m.Start-start, m.End-start
	}
	if key, dup := duplicate(members); dup {
		return Object{}, &DuplicateError{key}
	}
	return Object{Raw: raw[start:end:end], Members: members}, nil
}

// keyString returns the key that b starts with, as a view where it has no escapes.
func keyString(b []byte) (string, error) {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			return unsafe.String(unsafe.SliceData(b[1:i]), i-1), nil
		case '\\':
			s := scanner{b: b}
			return Unquote(b[:s.str(0)])
		}
	}
	return "", nil
}

func duplicate(ms []Member) (string, bool) {
	if len(ms) <= 32 {
		for i := range ms {
			for j := range i {
				if ms[i].Key == ms[j].Key {
					return ms[i].Key, true
				}
			}
		}
		return "", false
	}
	seen := make(map[string]struct{}, len(ms))
	for _, m := range ms {
		if _, ok := seen[m.Key]; ok {
			return m.Key, true
		}
		seen[m.Key] = struct{}{}
	}
	return "", false
}

// Get returns the raw value of a top-level member.
func (o Object) Get(key string) (value []byte, ok bool) {
	for _, m := range o.Members {
		if m.Key == key {
			return o.Raw[m.Start:m.End], true
		}
	}
	return nil, false
}

// Each calls f for the direct children of raw, an object or array that was
// validated before, until f returns false. key is the raw key with its quotes,
// nil in an array. For any other value it does nothing.
func Each(raw []byte, f func(key, value []byte) bool) {
	s := scanner{b: raw}
	i := s.space(0)
	if i == len(raw) || (raw[i] != '{' && raw[i] != '[') {
		return
	}
	inObject := raw[i] == '{'
	for i = s.space(i + 1); i < len(raw) && raw[i] != '}' && raw[i] != ']'; i = s.space(i) {
		if raw[i] == ',' {
			i = s.space(i + 1)
		}
		var key []byte
		if inObject {
			end := skip(raw, i)
			key = raw[i:end]
			i = s.space(s.space(end) + 1) // past the colon
		}
		end := skip(raw, i)
		if !f(key, raw[i:end]) {
			return
		}
		i = end
	}
}

// skip returns the offset after the value at i of a text that was validated
// before. It only looks for the ends of strings and containers, which is
// several times faster than validating again.
func skip(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch b[i] {
			case '"':
				i = skipString(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	return i
}

// skipString returns the offset after the string at i: after the first quote
// that an even number of backslashes precedes.
func skipString(b []byte, i int) int {
	for start := i + 1; ; {
		i = start + bytes.IndexByte(b[start:], '"')
		slashes := 0
		for b[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
		start = i + 1
	}
}

// Unquote decodes a JSON string with its quotes.
func Unquote(raw []byte) (string, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", fmt.Errorf("want a string")
	}
	for _, c := range raw {
		if c == '\\' {
			var s string
			err := json.Unmarshal(raw, &s)
			return s, err
		}
	}
	return string(raw[1 : len(raw)-1]), nil
}

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

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(b)
}
