// Package prompt looks at the prompt of a request in OpenAI's shape without
// decoding its text: how large it is and what it asks of a model.
//
// Sizes count bytes as received, JSON escapes included: the ratio of tokens
// to bytes is learned on the same measure, so the escapes are inside it.
package prompt

import (
	"bytes"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
)

// Size is what a prompt holds.
type Size struct {
	Bytes    int64            // of text
	Text     model.TextKind   // what the text looks like, at a glance
	Images   int              // image parts
	Attached int64            // bytes of other parts: audio, video, files; Anything where one is only named
	Needs    model.FeatureSet // that the parts ask for
}

// Anything is the size of a part that the upstream will fetch from elsewhere.
const Anything = 1 << 40

// Messages measures the value of a chat request's "messages": an array of
// objects with string or array contents. The error is KindInvalid and names
// the path of the field, such as messages[2].content.
func Messages(raw []byte) (Size, error) {
	if len(raw) == 0 || raw[0] != '[' {
		return Size{}, model.Invalidf("prompt", "messages", "want an array of messages")
	}
	var s scan
	var err error
	n := 0
	jsonscan.Each(raw, func(_, msg []byte) bool {
		err = s.message(n, msg)
		n++
		return err == nil
	})
	s.Text = s.kind()
	if err == nil && n == 0 {
		err = model.Invalidf("prompt", "messages", "want at least one message")
	}
	return s.Size, err
}

// scan is a prompt being measured.
type scan struct {
	Size
	sample
}

func (s *scan) message(n int, msg []byte) (err error) {
	if msg[0] != '{' {
		return model.Invalidf("prompt", index("messages", n), "want an object with role and content")
	}
	role := false
	jsonscan.Each(msg, func(key, value []byte) bool {
		switch jsonscan.Key(key) {
		case "role":
			role = value[0] == '"'
		case "content":
			err = s.content(n, value)
		default: // tool calls, names, reasoning: whatever it is, the model reads it
			s.text(value)
		}
		return err == nil
	})
	if err == nil && !role {
		err = model.Invalidf("prompt", index("messages", n)+".role", "want a string: system, developer, user, assistant or tool")
	}
	return err
}

// content measures a message's content: null, a string, or an array of parts.
func (s *scan) content(message int, raw []byte) (err error) {
	path := func() string { return index("messages", message) + ".content" }
	switch raw[0] {
	case 'n':
	case '"':
		s.text(raw)
	case '[':
		n := 0
		jsonscan.Each(raw, func(_, part []byte) bool {
			if part[0] != '{' {
				err = model.Invalidf("prompt", index(path(), n), "want an object with a type")
				return false
			}
			s.part(part)
			n++
			return true
		})
	default:
		err = model.Invalidf("prompt", path(), "want a string or an array of parts")
	}
	return err
}

func (s *scan) part(raw []byte) {
	jsonscan.Each(raw, func(key, value []byte) bool {
		switch jsonscan.Key(key) {
		case "text", "refusal":
			s.text(value)
		case "image_url", "image":
			s.Images++
			s.Needs |= model.Features(model.FeatureVision)
		case "type":
		case "input_audio":
			s.Needs |= model.Features(model.FeatureAudioInput)
			s.attach(value)
		case "file":
			s.Needs |= model.Features(model.FeatureFileInput)
			s.attach(value)
		default: // video, and what comes next
			s.attach(value)
		}
		return true
	})
}

// attach measures a part of which only its size is known. The quotes stand in
// no base64 data, so what follows one is a name or an address.
func (s *scan) attach(raw []byte) {
	if bytes.Contains(raw, []byte(`"file_id"`)) || bytes.Contains(raw, []byte(`"http`)) {
		s.Attached = Anything
		return
	}
	s.Attached = min(s.Attached+int64(len(raw)), Anything)
}

// Text measures the value of "prompt" or "input": a string, an array of
// strings, an array of token ids, or an array of those.
func Text(raw []byte) Texts {
	var t Texts
	var s scan
	switch raw[0] {
	case '"':
		s.text(raw)
	case '[':
		jsonscan.Each(raw, func(_, v []byte) bool {
			switch v[0] {
			case '"':
				before := s.Bytes
				s.text(v)
				t.one(s.Bytes - before)
			case '[':
				n := Text(v).Tokens
				t.Tokens += n
				t.one(n)
			default:
				t.Tokens++
			}
			return true
		})
	}
	s.Size.Text = s.kind()
	t.Size, t.Count = s.Size, max(t.Count, 1)
	return t
}

// Texts is what a prompt of several texts holds together.
type Texts struct {
	Size
	Tokens  int64 // token ids, where it consists of those
	Count   int64 // texts
	Largest int64 // bytes, or token ids, of the largest of several; 0 of a single one
}

func (t *Texts) one(size int64) {
	t.Count++
	t.Largest = max(t.Largest, size)
}

// text measures a string without its quotes, or any other value.
func (s *scan) text(raw []byte) {
	if raw[0] == '"' {
		raw = raw[1 : len(raw)-1]
	}
	s.Bytes += int64(len(raw))
	s.look(raw)
}

func index(path string, n int) string {
	var digits [20]byte
	i := len(digits)
	for {
		i--
		digits[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return path + "[" + string(digits[i:]) + "]"
		}
	}
}
