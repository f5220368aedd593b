package mock

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/internal/jsonscan"
)

const (
	maxDimensions = 4096
	maxInputs     = 2048 // texts in one request
)

// embedding is an embeddings request.
type embedding struct {
	prompt
	inputs     []string
	dimensions int // 0 the model's
	base64     bool
}

// parseEmbedding reads an embeddings request.
func parseEmbedding(body []byte, strict bool) (*embedding, *fault) {
	f, bad := parseObject(body, "")
	if bad != nil {
		return nil, bad
	}
	if strict {
		f.refuseUnknown(embeddingFields...)
	}
	f.require("model", "input")
	e := &embedding{prompt: prompt{model: f.str("model"), raw: body}}
	e.dimensions = int(f.integer("dimensions", 0, 1, maxDimensions))
	e.base64 = f.oneOf("encoding_format", "float", "base64") == "base64"
	f.str("user")
	if v, ok := f.value("input"); ok {
		e.input(f, v)
	}
	for i, in := range e.inputs {
		if in == "" {
			f.bad("input", "text %d is empty", i)
		}
		e.bytes += int64(len(in))
	}
	return e, f.fault
}

// input reads a text, several texts, tokens, or several arrays of tokens.
func (e *embedding) input(f *fields, v []byte) {
	if v[0] == '"' {
		e.inputs = []string{f.str("input")}
		return
	}
	var tokens []string // of a text given as one array of tokens
	jsonscan.Each(f.array("input"), func(_, item []byte) bool {
		switch kindOf(item) {
		case "a string":
			text, _ := jsonscan.Unquote(item) // validated with the body
			e.inputs = append(e.inputs, text)
		case "an integer":
			tokens = append(tokens, string(item))
		case "an array":
			e.inputs = append(e.inputs, strings.Trim(string(item), "[] "))
		default:
			f.bad(fmt.Sprintf("input[%d]", len(e.inputs)), "want a string or tokens, found %s", kindOf(item))
		}
		return f.fault == nil
	})
	if tokens != nil {
		e.inputs = append(e.inputs, strings.Join(tokens, " "))
	}
	if n := len(e.inputs); n == 0 || n > maxInputs {
		f.bad("input", "has %d texts: want 1 to %d", n, maxInputs)
	}
}

// handleEmbeddings answers POST /v1/embeddings.
func (s *Server) handleEmbeddings(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	body, f := s.body(w, r)
	if f == nil {
		f = s.unauthorized(r)
	}
	var e *embedding
	if f == nil {
		e, f = parseEmbedding(body, s.cfg.Strict)
	}
	var m *llm
	if f == nil {
		m, f = s.find(e.model)
	}
	if f != nil {
		f.write(w, f.openAIError())
		return
	}
	e.n = 1
	s.serve(w, r, &embeddingDialect{e: e}, m, &e.prompt, start)
}

// embeddingDialect words the answer to one embeddings request.
type embeddingDialect struct {
	chatDialect // its stream is never used: an embeddings request does not stream
	e           *embedding
}

func (*embeddingDialect) ability() string  { return "embeddings" }
func (*embeddingDialect) idPrefix() string { return "embd-" }

func (d *embeddingDialect) unary(dst []byte, t *turn) []byte {
	dims := d.e.dimensions
	if dims == 0 {
		dims = t.profile.Dimensions
	}
	dst = append(dst, `{"object":"list","data":[`...)
	for i, text := range d.e.inputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendInt(append(dst, `{"object":"embedding",`...), "index", int64(i))
		dst = appendVector(append(dst, `,"embedding":`...), vector(text, dims), d.e.base64)
		dst = append(dst, '}')
	}
	dst = appendField(append(dst, `],`...), "model", t.profile.Name)
	if !t.profile.NoUsage {
		n := t.answers[0].inputTokens
		dst = appendInt(append(dst, `,"usage":{`...), "prompt_tokens", n)
		dst = append(appendInt(append(dst, ','), "total_tokens", n), '}')
	}
	return append(dst, "}\n"...)
}

// vector hashes the words of a text and their letters in threes into dims
// numbers of length 1: texts that share words lie near each other.
func vector(text string, dims int) []float32 {
	sums := make([]float64, dims)
	put := func(s string, weight float64) {
		h := hashString(s)
		if h&1 == 0 {
			weight = -weight
		}
		sums[(h>>1)%uint64(dims)] += weight
	}
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		word = strings.Trim(word, `.,;:!?"'()[]`)
		put(word, 1)
		for i := 0; i+3 <= len(word); i++ {
			put(word[i:i+3], 0.4)
		}
	}
	norm := 0.0
	for _, v := range sums {
		norm += v * v
	}
	if norm == 0 {
		sums[0], norm = 1, 1
	}
	out := make([]float32, dims)
	for i, v := range sums {
		out[i] = float32(v / math.Sqrt(norm))
	}
	return out
}

// appendVector appends numbers, or their little-endian bytes in base 64.
func appendVector(dst []byte, v []float32, encoded bool) []byte {
	if encoded {
		raw := make([]byte, 0, 4*len(v))
		for _, x := range v {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
		}
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), raw)
		return append(dst, '"')
	}
	dst = append(dst, '[')
	for i, x := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, float64(x), 'g', -1, 32)
	}
	return append(dst, ']')
}
