package anthropic

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/provider/upstream"
)

// content turns the content of a message into blocks.
func (r *request) content(m message, add func(builder)) {
	switch {
	case len(m.content) == 0:
	case m.content[0] == '"':
		if !blank(m.content) {
			add(textBlock(m.content, nil))
		}
	case m.content[0] == '[':
		i := 0
		jsonscan.Each(m.content, func(_, part []byte) bool {
			r.part(fmt.Sprintf("%s.content[%d]", m.at, i), m.role, part, add)
			i++
			return r.err == nil
		})
	default:
		r.refuse(m.at+".content", "want a string or an array of parts")
	}
}

// part turns one content part into a block.
func (r *request) part(at, role string, raw []byte, add func(builder)) {
	var kind string
	var text, image, file, refusal, cache []byte
	jsonscan.Each(raw, func(key, value []byte) bool {
		switch string(key) {
		case `"type"`:
			kind, _ = jsonscan.Unquote(value)
		case `"text"`:
			text = value
		case `"image_url"`:
			image = value
		case `"file"`:
			file = value
		case `"refusal"`:
			refusal = value
		case `"cache_control"`:
			cache = value
		}
		return true
	})
	if kind == "refusal" {
		kind, text = "text", refusal
	}
	switch {
	case kind == "text" && len(text) > 0 && text[0] == '"':
		if !blank(text) {
			add(textBlock(text, cache))
		}
	case kind == "image_url" && (role == "user" || role == "tool"):
		r.media(at+".image_url", "image", member(image, "url"), cache, add)
	case kind == "file" && role == "user":
		if member(file, "file_data") == nil {
			r.refuse(at+".file", "this model takes files as file_data only")
			return
		}
		r.media(at+".file", "document", member(file, "file_data"), cache, add)
	default:
		r.refuse(at, "a part of type %q in a message of the %s is not available from this model", kind, role)
	}
}

// member returns a raw member of a raw object. A string stands for itself, as
// image_url does in lenient clients.
func member(raw []byte, name string) (found []byte) {
	if len(raw) > 0 && raw[0] == '"' {
		return raw
	}
	jsonscan.Each(raw, func(key, value []byte) bool {
		if len(key) == len(name)+2 && string(key[1:len(key)-1]) == name {
			found = value
		}
		return found == nil
	})
	return found
}

// media adds an image or document that is given as a URL.
func (r *request) media(at, kind string, raw, cache []byte, add func(builder)) {
	url, err := rawText(raw)
	if err != nil {
		r.refuse(at, "want a URL")
		return
	}
	source, problem := mediaSource(kind, url)
	if problem != "" {
		r.refuse(at, "%s", problem)
		return
	}
	add(func(dst []byte) []byte {
		dst = append(append(append(dst, `{"type":"`...), kind...), `","source":`...)
		return append(withCache(source(dst), cache), '}')
	})
}

// rawText decodes a string, without a copy where it has no escapes.
func rawText(raw []byte) ([]byte, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return nil, fmt.Errorf("want a string")
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	s, err := jsonscan.Unquote(raw)
	return []byte(s), err
}

// mediaSource makes the source of an image or document block, or says why not.
func mediaSource(kind string, url []byte) (source builder, problem string) {
	if bytes.HasPrefix(url, []byte("https://")) || bytes.HasPrefix(url, []byte("http://")) {
		return func(dst []byte) []byte {
			return append(upstream.Quote(append(dst, `{"type":"url","url":`...), string(url)), '}')
		}, ""
	}
	rest, ok := bytes.CutPrefix(url, []byte("data:"))
	head, data, comma := bytes.Cut(rest, []byte(","))
	mediaType, isBase64 := strings.CutSuffix(string(head), ";base64")
	mediaType, _, _ = strings.Cut(mediaType, ";")
	if !ok || !comma || !isBase64 {
		return nil, "want an http URL or a data URL in base64"
	}
	switch {
	case kind == "image" && strings.HasPrefix(mediaType, "image/"), kind == "document" && mediaType == "application/pdf":
		if !isBase64Text(data) {
			return nil, "the data URL is not valid base64"
		}
		return func(dst []byte) []byte {
			dst = upstream.Quote(append(dst, `{"type":"base64","media_type":`...), mediaType)
			return append(append(append(dst, `,"data":"`...), data...), `"}`...)
		}, ""
	case kind == "document" && mediaType == "text/plain":
		text, err := base64.StdEncoding.DecodeString(string(data))
		if err != nil {
			return nil, "the data URL is not valid base64"
		}
		return func(dst []byte) []byte {
			return append(upstream.Quote(append(dst, `{"type":"text","media_type":"text/plain","data":`...), string(text)), '}')
		}, ""
	}
	return nil, fmt.Sprintf("this model takes no %s of type %q", kind, mediaType)
}

// isBase64Text reports whether b holds nothing but characters of base64, none
// of which JSON escapes.
func isBase64Text(b []byte) bool {
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '+' && c != '/' && c != '=' {
			return false
		}
	}
	return len(b) > 0
}
