package cost

import (
	"strings"

	"github.com/cartrita/cartrita/model"
)

// encoding is a vocabulary that a model's tokenizer uses.
type encoding uint8

const (
	encodingNone encoding = iota // not known to us
	encodingO200k
	encodingCL100k
	encodingCount
)

// families maps the beginnings of OpenAI model names to their vocabulary. A
// beginning ends the name or is followed by a separator; the first that fits
// counts.
var families = [...]struct {
	prefix   string
	encoding encoding
}{
	{"gpt-5", encodingO200k},
	{"gpt-4o", encodingO200k},
	{"gpt-4.1", encodingO200k},
	{"gpt-4.5", encodingO200k},
	{"gpt-oss", encodingO200k},
	{"chatgpt-4o", encodingO200k},
	{"o1", encodingO200k},
	{"o3", encodingO200k},
	{"o4", encodingO200k},
	{"gpt-4", encodingCL100k},
	{"gpt-3.5", encodingCL100k},
	{"gpt-35", encodingCL100k},
	{"text-embedding-3", encodingCL100k},
	{"text-embedding-ada-002", encodingCL100k},
}

// encodingOf finds the vocabulary of a model by its name; a provider in front
// and a fine-tuning mark are skipped.
func encodingOf(name string) encoding {
	name = strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	name = strings.TrimPrefix(name, "ft:")
	for _, f := range families {
		rest, ok := strings.CutPrefix(name, f.prefix)
		if ok && (rest == "" || strings.IndexByte("-.:@_", rest[0]) >= 0) {
			return f.encoding
		}
	}
	return encodingNone
}

// CountTokens counts the tokens of text as the endpoint's model would. For
// models of OpenAI's families it runs their tokenizer and the count is exact;
// for others it goes by the ratio learned for prose. It counts text alone: a
// chat request has about 4 tokens more for each message and 3 for the whole.
//
// A tokenizer reads a few MB/s. Its vocabulary is built on first use, which
// takes tens of milliseconds and some 6 MB of memory, once.
func (e *Estimator) CountTokens(p *Profile, text string) (n int64, exact bool) {
	if n, ok := e.tokenizers.count(p.encoding, text); ok {
		return n, true
	}
	return e.TokensOf(p, int64(len(text)), model.TextProse), false
}

// SameTokenizer reports whether two models count a text alike, so that it need
// be counted once only.
func SameTokenizer(a, b *Profile) bool { return a.encoding == b.encoding }

// TokensOf predicts the tokens in so many bytes of text, of a prompt or an
// answer, by the ratio learned for the model and kind of text. It is how usage is
// counted that an upstream did not report.
func (e *Estimator) TokensOf(p *Profile, bytes int64, kind model.TextKind) int64 {
	if bytes <= 0 {
		return 0
	}
	return max(tokens(p.ratios(&e.learning).of[kind].expected*float64(bytes)/perToken[kind]), 1)
}
