package openai

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/upstream"
)

// quirk is a set of members that a server refuses.
type quirk uint8

const (
	noStreamOptions     quirk = 1 << iota // leaves stream_options out
	noMaxTokens                           // max_tokens → max_completion_tokens
	noMaxCompletion                       // max_completion_tokens → max_tokens
	keyStreamOptions    = "stream_options"
	keyMaxTokens        = "max_tokens"
	keyMaxCompletion    = "max_completion_tokens"
	includeUsage        = `{"include_usage":true}`
	includeUsageMembers = `,"include_usage":true}`
)

// quirks remembers what servers refuse. There are as many entries as endpoints
// that refused something.
type quirks struct {
	any atomic.Bool
	m   sync.Map // quirkKey → quirk
}

type quirkKey struct{ base, upstream string }

func (q *quirks) of(ep *model.Endpoint) quirk {
	if !q.any.Load() {
		return 0
	}
	if v, ok := q.m.Load(quirkKey{ep.BaseURL, ep.Upstream}); ok {
		return v.(quirk)
	}
	return 0
}

// keep remembers what made the server take a call. What did not help is not
// kept: one caller's odd request must not change what is sent for others.
func (q *quirks) keep(ep *model.Endpoint, known quirk) {
	q.m.Store(quirkKey{ep.BaseURL, ep.Upstream}, known)
	q.any.Store(true)
}

// refusals are the words by which servers say that they do not take a member,
// as opposed to its value.
var refusals = []string{
	"extra inputs", "extra_forbidden", "extra fields", "not permitted", "unrecognized", "unknown", "unexpected",
	"unsupported parameter", "not supported", "does not support", "additional properties",
}

// learn returns known and what the error adds to it: a member that the error
// names and that was really sent.
func (c *Client) learn(known quirk, call *model.Call, err error) quirk {
	e := model.AsError(err)
	if e.Kind != model.KindInvalid || e.Status == 0 || !refuses(e) {
		return known
	}
	_, maxTokens := call.Body.Get(keyMaxTokens)
	_, maxCompletion := call.Body.Get(keyMaxCompletion)
	switch {
	case c.addsStreamOptions(call, known) && names(e, keyStreamOptions):
		return known | noStreamOptions
	case known&(noMaxTokens|noMaxCompletion) != 0:
		return known
	case maxTokens && !maxCompletion && names(e, keyMaxTokens):
		return known | noMaxTokens
	case maxCompletion && !maxTokens && names(e, keyMaxCompletion):
		return known | noMaxCompletion
	}
	return known
}

func refuses(e *model.Error) bool {
	said := strings.ToLower(e.Message)
	for _, r := range refusals {
		if strings.Contains(said, r) {
			return true
		}
	}
	return false
}

// names reports whether the error is about the member. Where it has a
// parameter, that alone tells; otherwise the name must stand in the words as a
// whole, not as a part of x_max_tokens or metadata.max_tokens.
func names(e *model.Error, member string) bool {
	if e.Param != "" {
		return e.Param == member
	}
	for rest := e.Message; ; {
		before, after, found := strings.Cut(rest, member)
		if !found {
			return false
		}
		rest = after
		if before != "" && isNamePart(before[len(before)-1]) || after != "" && isNamePart(after[0]) && !endsSentence(after) {
			continue
		}
		return true
	}
}

func isNamePart(c byte) bool {
	return c == '_' || c == '-' || c == '.' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func endsSentence(after string) bool {
	return after[0] == '.' && (len(after) == 1 || !isNamePart(after[1]))
}

// addsStreamOptions reports whether the body gets stream_options that the
// caller did not send.
func (c *Client) addsStreamOptions(call *model.Call, known quirk) bool {
	_, own := call.Body.Get(keyStreamOptions)
	return call.Stream && call.Surface != model.SurfaceEmbeddings && !own &&
		!c.cfg.OmitStreamOptions && known&noStreamOptions == 0
}

// body is the caller's body with our members rewritten.
func (c *Client) body(ep *model.Endpoint, call *model.Call, known quirk) []byte {
	var name [96]byte
	edits := append(make([]jsonscan.Edit, 0, 4), jsonscan.Edit{Key: "model", Value: upstream.Quote(name[:0], ep.Upstream)})
	if call.Stream && call.Surface != model.SurfaceEmbeddings {
		own, ok := call.Body.Get(keyStreamOptions)
		if ok || c.addsStreamOptions(call, known) {
			edits = append(edits, jsonscan.Edit{Key: keyStreamOptions, Value: withUsage(own)})
		}
	}
	switch {
	case known&noMaxTokens != 0:
		edits = rename(edits, call.Body, keyMaxTokens, keyMaxCompletion)
	case known&noMaxCompletion != 0:
		edits = rename(edits, call.Body, keyMaxCompletion, keyMaxTokens)
	}
	return call.Body.Rewrite(make([]byte, 0, len(call.Body.Raw)+len(ep.Upstream)+64), edits...)
}

func rename(edits []jsonscan.Edit, body jsonscan.Object, from, to string) []jsonscan.Edit {
	value, ok := body.Get(from)
	if _, taken := body.Get(to); !ok || taken {
		return edits
	}
	return append(edits, jsonscan.Edit{Key: from}, jsonscan.Edit{Key: to, Value: value})
}

// withUsage returns stream options that ask for usage and are otherwise the caller's.
func withUsage(own []byte) []byte {
	if len(own) == 0 || own[0] != '{' {
		return []byte(includeUsage)
	}
	out := []byte{'{'}
	jsonscan.Each(own, func(key, value []byte) bool {
		if name, _ := jsonscan.Unquote(key); name == "include_usage" {
			return true
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, key...), ':'), value...)
		return true
	})
	if len(out) == 1 {
		return []byte(includeUsage)
	}
	return append(out, includeUsageMembers...)
}
