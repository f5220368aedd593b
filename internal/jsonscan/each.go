package jsonscan

import "bytes"

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

// Key returns the decoded name of a raw key as Each gives it, as a view where
// it has no escapes. Names must be compared decoded: "\u006dodel" is model.
func Key(raw []byte) string {
	name, err := keyString(raw)
	if err != nil {
		return "" // not a name that anybody looks for
	}
	return name
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
