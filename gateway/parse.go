package gateway

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita/gateway/internal/strict"
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
)

const opParse = "gateway.parse"

// request is a body on its way to a model.Call. Text is never decoded: the
// scan looks at structure and counts bytes.
type request struct {
	call      model.Call
	maxTokens [2]model.Count // max_tokens, max_completion_tokens
	prompts   int64          // each of which is answered
	extension []byte         // the raw "cartrita" member
	user      string         // from user, or safety_identifier
	metadata  []byte         // raw
	given     bool           // the prompt member stands in the body
}

// owned are the members that the gateway reads on any surface. A member that
// differs from one of them in letter case only is refused: a lenient upstream
// would read it where we do not.
var owned = []string{
	"model", "messages", "prompt", "input", "stream", "stream_options", "max_tokens", "max_completion_tokens",
	"n", "best_of", "tools", "functions", "response_format", "modalities", "user", "safety_identifier", "metadata", "cartrita",
}

// parse reads a body. member is called for every member that the surfaces do
// not share, and reports whether it knows it.
func parse(raw []byte, surface model.Surface, task model.Task, member func(q *request, key string, v []byte) *model.Error) (*request, *model.Error) {
	obj, err := jsonscan.Parse(raw)
	if err != nil {
		return nil, strict.ScanError(opParse, err)
	}
	q := &request{call: model.Call{Surface: surface, Task: task, Body: obj}}
	for i := range obj.Members {
		m := &obj.Members[i]
		if err := q.member(m.Key, obj.Raw[m.Start:m.End], member); err != nil {
			err.Op = opParse
			return nil, err
		}
	}
	if q.call.Model == "" {
		return nil, model.Invalidf(opParse, "model", `is missing; want the name of a model, or "auto"`)
	}
	return q, q.finish()
}

func (q *request) member(key string, v []byte, other func(q *request, key string, v []byte) *model.Error) (err *model.Error) {
	switch key {
	case "model":
		q.call.Model, err = stringValue(key, v)
	case "stream":
		q.call.Stream, err = boolValue(key, v)
	case "stream_options":
		err = q.streamOptions(key, v)
	case "max_tokens":
		q.maxTokens[0], err = countValue(key, v)
	case "max_completion_tokens":
		q.maxTokens[1], err = countValue(key, v)
	case "n", "best_of":
		var n model.Count
		n, err = countValue(key, v)
		q.call.Choices = max(q.call.Choices, n.N)
	case "user":
		q.user, err = optionalString(key, v)
	case "safety_identifier":
		if s, e := optionalString(key, v); q.user == "" {
			q.user, err = s, e
		}
	case "metadata":
		q.metadata, err = objectValue(key, v)
	case "cartrita":
		q.extension, err = objectValue(key, v)
	default:
		if err = other(q, key, v); err == nil && mayFold(key) {
			err = checkFold(key)
		}
	}
	return err
}

// mayFold reports whether key could differ from an owned one in case only;
// those are ASCII in lower case, but some letters beyond ASCII fold to ASCII.
func mayFold(key string) bool {
	for i := range len(key) {
		if c := key[i]; c >= 'A' && c <= 'Z' || c >= 0x80 {
			return true
		}
	}
	return false
}

func checkFold(key string) *model.Error {
	for _, o := range owned {
		if strings.EqualFold(o, key) {
			return model.Invalidf(opParse, key, "differs from %q in letter case only; want %q", o, o)
		}
	}
	return nil
}

func (q *request) streamOptions(key string, v []byte) (err *model.Error) {
	if v, err = objectValue(key, v); err != nil || v == nil {
		return err
	}
	return eachMember(v, key, func(name string, v []byte) (err *model.Error) {
		if name == "include_usage" {
			q.call.WantsUsage, err = boolValue(key+".include_usage", v)
		}
		return err
	})
}

// finish works out what more than one member decides, and removes our own
// member from the body.
func (q *request) finish() *model.Error {
	c := &q.call
	// Which of the two an upstream goes by, if both are there, is its own affair.
	if c.MaxOutput = q.maxTokens[0]; !c.MaxOutput.Known || q.maxTokens[1].Or(0) > c.MaxOutput.N {
		c.MaxOutput = q.maxTokens[1]
	}
	if q.prompts > 1 {
		c.Choices = times(max(c.Choices, 1), q.prompts)
	}
	if q.extension == nil {
		return nil
	}
	obj, err := jsonscan.Parse(c.Body.Rewrite(make([]byte, 0, len(c.Body.Raw)), jsonscan.Edit{Key: "cartrita"}))
	if err != nil {
		return &model.Error{Op: opParse, Kind: model.KindInternal, Err: err}
	}
	c.Body = obj
	return nil
}

// The readers of values. Each names the field and what it wanted. A null
// counts as absent, except where a value is required.

func isNull(v []byte) bool { return len(v) == 4 && v[0] == 'n' }

func wrongType(param, want string, v []byte) *model.Error {
	return model.Invalidf(opParse, param, "want %s, found %s", want, strict.Describe(v))
}

func stringValue(param string, v []byte) (string, *model.Error) {
	s, err := optionalString(param, v)
	if err == nil && s == "" {
		err = model.Invalidf(opParse, param, "is empty; want a string")
	}
	return s, err
}

func optionalString(param string, v []byte) (string, *model.Error) {
	if isNull(v) {
		return "", nil
	}
	if v[0] != '"' {
		return "", wrongType(param, "a string", v)
	}
	s, err := jsonscan.Unquote(v)
	if err != nil {
		return "", model.Invalidf(opParse, param, "is not a valid string: %v", err)
	}
	return s, nil
}

func boolValue(param string, v []byte) (bool, *model.Error) {
	switch v[0] {
	case 't':
		return true, nil
	case 'f', 'n':
		return false, nil
	}
	return false, wrongType(param, "true or false", v)
}

// countValue reads a positive integer.
func countValue(param string, v []byte) (model.Count, *model.Error) {
	if isNull(v) {
		return model.Count{}, nil
	}
	if v[0] != '-' && (v[0] < '0' || v[0] > '9') {
		return model.Count{}, wrongType(param, "a positive integer", v)
	}
	n, err := strconv.ParseInt(string(v), 10, 32)
	if err != nil || n < 1 {
		return model.Count{}, model.Invalidf(opParse, param, "want an integer from 1 to 2147483647, found %.40s", v)
	}
	return model.Known(n), nil
}

func objectValue(param string, v []byte) ([]byte, *model.Error) {
	if isNull(v) {
		return nil, nil
	}
	if v[0] != '{' {
		return nil, wrongType(param, "an object", v)
	}
	return v, nil
}

func arrayValue(param string, v []byte) ([]byte, *model.Error) {
	if isNull(v) {
		return nil, nil
	}
	if v[0] != '[' {
		return nil, wrongType(param, "an array", v)
	}
	return v, nil
}

// eachMember calls f for the members of a validated object until one fails.
// The first of two equal keys counts, as the second does not hide it.
func eachMember(raw []byte, param string, f func(key string, v []byte) *model.Error) (failed *model.Error) {
	jsonscan.Each(raw, func(k, v []byte) bool {
		if bytes.IndexByte(k, '\\') < 0 {
			failed = f(string(k[1:len(k)-1]), v)
		} else if key, err := jsonscan.Unquote(k); err != nil {
			failed = model.Invalidf(opParse, param, "has a key that is not a valid string: %v", err)
		} else {
			failed = f(key, v)
		}
		return failed == nil
	})
	return failed
}

// isEmptyArray reports whether a validated array has no elements.
func isEmptyArray(v []byte) bool {
	return len(bytes.TrimSpace(v[1:len(v)-1])) == 0
}
