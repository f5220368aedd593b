//go:build !race

package cost

import (
	"sync"

	"github.com/tiktoken-go/tokenizer"
)

// exactCounts says that the tokenizers are part of the build.
const exactCounts = true

var encodingNames = [encodingCount]tokenizer.Encoding{
	encodingO200k:  tokenizer.O200kBase,
	encodingCL100k: tokenizer.Cl100kBase,
}

// tokenizers holds the vocabularies that were needed so far. They are safe
// for concurrent use.
type tokenizers struct {
	once [encodingCount]sync.Once
	all  [encodingCount]tokenizer.Codec
}

// count counts the tokens of text; false if there is no tokenizer.
func (t *tokenizers) count(e encoding, text string) (int64, bool) {
	if e == encodingNone {
		return 0, false
	}
	t.once[e].Do(func() { t.all[e], _ = tokenizer.Get(encodingNames[e]) })
	if t.all[e] == nil {
		return 0, false
	}
	n, err := t.all[e].Count(text)
	return int64(n), err == nil
}
