package mock

import (
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxAnswerTokens bounds what a model writes.
const maxAnswerTokens = 100_000

// finish is why an answer ends.
type finish uint8

const (
	finishStop finish = iota
	finishLength
	finishTools
)

// answer is what a model says, before a surface words it.
type answer struct {
	id        uint64
	model     string
	reasoning string // shown before the text
	text      string
	calls     []call
	finish    finish

	reasoningTokens int64 // counted, shown or not
	outputTokens    int64 // all generated tokens, reasoning included
	inputTokens     int64
	cachedTokens    int64 // of the input, read from the cache
	writtenTokens   int64 // of the input, written to the cache
}

// call is a tool call.
type call struct{ id, name, args string }

// partKind is what a part of a streamed answer is.
type partKind uint8

const (
	partReasoning partKind = iota
	partText
	partCall // the beginning of a tool call
	partArgs // some of its arguments
)

// part is one token of an answer.
type part struct {
	kind  partKind
	index int // of the tool call
	text  string
}

// parts cuts the answer into tokens.
func (a *answer) parts() iter.Seq[part] {
	return func(yield func(part) bool) {
		for piece := range pieces(a.reasoning) {
			if !yield(part{partReasoning, 0, piece}) {
				return
			}
		}
		for piece := range pieces(a.text) {
			if !yield(part{partText, 0, piece}) {
				return
			}
		}
		for i, c := range a.calls {
			if !yield(part{partCall, i, ""}) {
				return
			}
			for piece := range pieces(c.args) {
				if !yield(part{partArgs, i, piece}) {
					return
				}
			}
		}
	}
}

const pieceLetters = 6

// pieces cuts text into tokens: a space and up to six letters or digits, or
// one other character.
func pieces(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(text) > 0 {
			n := pieceLen(text)
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}

func pieceLen(text string) int {
	n, letters := 0, 0
	if text[0] == ' ' {
		n = 1
	}
	for n < len(text) && letters < pieceLetters {
		c := text[n]
		if c < utf8.RuneSelf && !isWord(c) {
			break
		}
		_, size := utf8.DecodeRuneInString(text[n:])
		n += size
		letters++
	}
	if letters > 0 {
		return n
	}
	if n < len(text) { // one other character, with its space
		n++
	}
	return n
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// firstPieces returns at most limit tokens of text, and how many they are.
func firstPieces(text string, limit int64) (first string, n int64) {
	end := 0
	for ; end < len(text) && n < limit; n++ {
		end += pieceLen(text[end:])
	}
	return text[:end], n
}

func countPieces(text string) int64 {
	_, n := firstPieces(text, int64(len(text)))
	return n
}

// compose makes the answer to a prompt. choice numbers the answers where
// several are asked for.
func (m *llm) compose(p *Profile, q *prompt, choice int) *answer {
	seed := hashString(q.topic) ^ uint64(q.bytes) ^ uint64(q.seed)<<32 ^ uint64(choice)<<56
	rng := rand.New(rand.NewPCG(m.salt, seed))
	a := &answer{id: rng.Uint64(), model: p.Name}
	limit := outputLimit(p, q)
	a.reason(p, q, limit)
	switch {
	case q.callsTools():
		a.callTools(p, q, rng)
	case q.schema != nil:
		a.text = string(sample(q.schema, q.topic, rng))
	case q.json:
		a.text = jsonSpeech(p, q)
	default:
		a.text = speech(p, q, rng, p.length(rng))
	}
	a.stopAt(q.stops)
	a.count(limit)
	return a
}

// callsTools reports whether the answer is to call tools: where they are
// offered, unless one has just answered.
func (q *prompt) callsTools() bool {
	switch q.choice {
	case choiceNone:
		return false
	case choiceAuto:
		return len(q.tools) > 0 && !q.fromTool
	}
	return len(q.tools) > 0
}

// outputLimit is the largest number of tokens that the answer may have.
func outputLimit(p *Profile, q *prompt) int64 {
	limit := int64(maxAnswerTokens)
	for _, n := range [...]int64{p.MaxOutputTokens, q.maxTokens} {
		if n > 0 {
			limit = min(limit, n)
		}
	}
	if p.ContextLength > 0 {
		limit = min(limit, max(p.ContextLength-q.tokens(p.BytesPerToken), 1))
	}
	return limit
}

// reason thinks for a while, if the model does.
func (a *answer) reason(p *Profile, q *prompt, limit int64) {
	n := int(min(int64(p.ReasoningTokens), limit))
	if n == 0 {
		return
	}
	a.reasoningTokens = int64(n)
	if !p.HideReasoning {
		a.reasoning, _ = firstPieces(thoughts(q.topic, n), limit)
		a.reasoningTokens = countPieces(a.reasoning)
	}
}

// callTools calls the forced tool, or the first ones that are offered.
func (a *answer) callTools(p *Profile, q *prompt, rng *rand.Rand) {
	a.finish = finishTools
	for _, t := range q.tools {
		if q.choice == choiceNamed && t.name != q.forced {
			continue
		}
		args := "{}"
		if t.schema != nil {
			args = string(sample(t.schema, q.topic, rng))
		}
		a.calls = append(a.calls, call{"call_" + base36(rng.Uint64()), t.name, args})
		if q.choice == choiceNamed || len(a.calls) == p.ToolCalls {
			return
		}
	}
}

// stopAt ends the text before the first stop sequence.
func (a *answer) stopAt(stops []string) {
	for _, s := range stops {
		if i := strings.Index(a.text, s); i >= 0 && s != "" {
			a.text = a.text[:i]
		}
	}
}

// count counts the tokens and cuts the text at the limit. Tool calls are never cut.
func (a *answer) count(limit int64) {
	whole := len(a.text)
	text, n := firstPieces(a.text, limit-a.reasoningTokens)
	if a.text = text; len(text) < whole {
		a.finish = finishLength
	}
	for _, c := range a.calls {
		n += 1 + countPieces(c.args)
	}
	a.outputTokens = a.reasoningTokens + n
}

// base36 writes an id.
func base36(n uint64) string { return strconv.FormatUint(n, 36) }
