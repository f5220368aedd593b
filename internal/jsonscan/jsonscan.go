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
	"encoding/json"
	"fmt"
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
