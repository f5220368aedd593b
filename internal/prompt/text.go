package prompt

import (
	"strings"
	"unicode/utf8"

	"github.com/cartrita/cartrita/internal/jsonscan"
)

// LastUser returns the text of the last message of a user in a request's
// "messages", which were validated before: its content, or the text parts of
// that, a line each. "" where there is none. Behind about so many bytes it is
// cut, never within a character.
func LastUser(messages []byte, most int) string {
	var last []byte
	jsonscan.Each(messages, func(_, msg []byte) bool {
		if content, user := contentOfUser(msg); user {
			last = content
		}
		return true
	})
	if last == nil {
		return ""
	}
	if last[0] == '"' {
		return Cut(decoded(last), most)
	}
	var b strings.Builder
	jsonscan.Each(last, func(_, part []byte) bool {
		jsonscan.Each(part, func(key, value []byte) bool {
			if jsonscan.Key(key) == "text" && value[0] == '"' {
				if b.Len() > 0 {
					b.WriteByte('\n')
				}
				b.WriteString(decoded(value))
			}
			return true
		})
		return b.Len() < most
	})
	return Cut(b.String(), most)
}

// contentOfUser returns the content of a message, and whether a user's it is.
func contentOfUser(msg []byte) (content []byte, user bool) {
	jsonscan.Each(msg, func(key, value []byte) bool {
		switch jsonscan.Key(key) {
		case "role":
			user = value[0] == '"' && decoded(value) == "user"
		case "content":
			content = value
		}
		return true
	})
	return content, user
}

// decoded returns the text of a string; "" of one that no text can be of.
func decoded(raw []byte) string {
	s, err := jsonscan.Unquote(raw)
	if err != nil {
		return ""
	}
	return s
}

// Cut returns the beginning of a text, of at most so many bytes, with no
// character broken.
func Cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
