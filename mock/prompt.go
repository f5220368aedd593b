package mock

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cartrita/cartrita/internal/jsonscan"
)

// prompt is what a request asks for, whatever its surface.
type prompt struct {
	model    string
	topic    string // first words of the last text of the user
	fromTool bool   // the last message is the result of a tool
	bytes    int64  // of prompt text, as received
	messages int
	images   int

	maxTokens int64 // 0 no limit given
	stops     []string
	n         int
	seed      int64

	tools  []tool
	choice toolChoice
	forced string // name of the tool that must be called, with choiceNamed
	schema []byte // JSON schema of the answer; nil none
	json   bool   // the answer is to be a JSON object

	thinking bool // Anthropic: show reasoning
	stream   bool
	usage    bool // streams: report usage at the end

	segments []segment // in the order in which a prompt cache reads them
	raw      []byte    // the whole body
}

// segment is a stretch of the prompt; at a marked one a cached beginning may end.
type segment struct {
	raw    []byte
	marked bool
}

// tool is a function that the model may call.
type tool struct {
	name   string
	schema []byte // of its arguments; nil takes none
}

// toolChoice is whether tools are to be called.
type toolChoice uint8

const (
	choiceAuto toolChoice = iota
	choiceNone
	choiceRequired
	choiceNamed
)

// tokens counts the prompt by rule of thumb.
func (p *prompt) tokens(bytesPerToken float64) int64 {
	return 3 + 4*int64(p.messages) + int64(float64(p.bytes)/bytesPerToken+0.999) + imageTokens*int64(p.images)
}

const imageTokens = 765 // of an image of 1024×1024 at high detail, at OpenAI

// fields reads the members of a JSON object with their types. The first fault stays.
type fields struct {
	obj   jsonscan.Object
	path  string // of the object, with a trailing dot; "" at the top
	fault *fault
}

// parseObject reads an object whose path is given; the body has path "".
func parseObject(raw []byte, path string) (*fields, *fault) {
	obj, err := jsonscan.Parse(raw)
	if err != nil {
		if path == "" {
			return nil, badRequest("The body could not be read as JSON: %v.", err)
		}
		return nil, badField(path, "want an object without duplicate keys")
	}
	if path != "" {
		path += "."
	}
	return &fields{obj: obj, path: path}, nil
}

// value returns a member that is there and not null.
func (f *fields) value(key string) ([]byte, bool) {
	v, ok := f.obj.Get(key)
	if !ok || v[0] == 'n' || f.fault != nil {
		return nil, false
	}
	return v, true
}

func (f *fields) bad(key, format string, args ...any) {
	if f.fault == nil {
		f.fault = badField(f.path+key, format, args...)
	}
}

func (f *fields) str(key string) string {
	v, ok := f.value(key)
	if !ok {
		return ""
	}
	s, err := jsonscan.Unquote(v)
	if err != nil {
		f.bad(key, "want a string, found %s", kindOf(v))
	}
	return s
}

func (f *fields) boolean(key string) bool {
	v, ok := f.value(key)
	if !ok {
		return false
	}
	if v[0] != 't' && v[0] != 'f' {
		f.bad(key, "want true or false, found %s", kindOf(v))
	}
	return v[0] == 't'
}

// integer reads a whole number from low to high; def if absent.
func (f *fields) integer(key string, def, low, high int64) int64 {
	v, ok := f.value(key)
	if !ok {
		return def
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		f.bad(key, "want an integer, found %s", kindOf(v))
		return def
	}
	if n < low || n > high {
		f.bad(key, "is %d: want %d to %d", n, low, high)
	}
	return n
}

// number checks a number from low to high; the mock has no use for its value.
func (f *fields) number(key string, low, high float64) {
	v, ok := f.value(key)
	if !ok {
		return
	}
	n, err := strconv.ParseFloat(string(v), 64)
	switch {
	case err != nil:
		f.bad(key, "want a number, found %s", kindOf(v))
	case n < low || n > high:
		f.bad(key, "is %v: want %v to %v", n, low, high)
	}
}

// array returns a member that must be an array, or nil.
func (f *fields) array(key string) []byte {
	v, ok := f.value(key)
	if !ok {
		return nil
	}
	if v[0] != '[' {
		f.bad(key, "want an array, found %s", kindOf(v))
		return nil
	}
	return v
}

// object returns a member that must be an object, or nil.
func (f *fields) object(key string) []byte {
	v, ok := f.value(key)
	if !ok {
		return nil
	}
	if v[0] != '{' {
		f.bad(key, "want an object, found %s", kindOf(v))
		return nil
	}
	return v
}

// strings reads a string or an array of at most limit strings.
func (f *fields) strings(key string, limit int) []string {
	v, ok := f.value(key)
	if !ok {
		return nil
	}
	if v[0] == '"' {
		return []string{f.str(key)}
	}
	var out []string
	jsonscan.Each(f.array(key), func(_, e []byte) bool {
		s, err := jsonscan.Unquote(e)
		if err != nil {
			f.bad(fmt.Sprintf("%s[%d]", key, len(out)), "want a string, found %s", kindOf(e))
		}
		out = append(out, s)
		return err == nil
	})
	if len(out) > limit {
		f.bad(key, "has %d entries: want at most %d", len(out), limit)
	}
	return out
}

// oneOf reads a string that must be one of the allowed; "" if absent.
func (f *fields) oneOf(key string, allowed ...string) string {
	s := f.str(key)
	if _, ok := f.value(key); !ok {
		return s
	}
	for _, a := range allowed {
		if s == a {
			return s
		}
	}
	f.bad(key, "is %q: want one of %s", s, strings.Join(allowed, ", "))
	return s
}

// require demands a member that is not null.
func (f *fields) require(keys ...string) {
	for _, key := range keys {
		if _, ok := f.value(key); !ok {
			f.bad(key, "is missing")
		}
	}
}

// refuseUnknown refuses members that are not known.
func (f *fields) refuseUnknown(known ...string) {
	for _, m := range f.obj.Members {
		found := false
		for _, k := range known {
			found = found || k == m.Key
		}
		if !found {
			f.bad(m.Key, "is not a field of this request")
		}
	}
}

// kindOf names the JSON type of a value.
func kindOf(v []byte) string {
	switch v[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	if bytes.ContainsAny(v, ".eE") {
		return "a number"
	}
	return "an integer"
}

const topicBytes = 240 // of raw text that are looked at for the topic

// topicOf returns the first words of a raw JSON string.
func topicOf(raw []byte) string {
	end := 1
	for end < len(raw)-1 && (end < topicBytes || !utf8.RuneStart(raw[end])) {
		if raw[end] != '\\' {
			end++
			continue
		}
		if raw[end+1] == 'u' {
			end += 6
		} else {
			end += 2
		}
	}
	s, err := jsonscan.Unquote(append(raw[:end:end], '"'))
	if err != nil {
		return ""
	}
	return topicWords(s)
}

// topicWords returns the first words of a text.
func topicWords(s string) string {
	words := strings.Fields(strings.NewReplacer(`"`, " ", "“", " ", "”", " ").Replace(s))
	topic := strings.Join(words[:min(len(words), 9)], " ")
	for len(topic) > 64 {
		_, size := utf8.DecodeLastRuneInString(topic)
		topic = topic[:len(topic)-size]
	}
	return strings.TrimRight(topic, "?!.,;: ")
}
