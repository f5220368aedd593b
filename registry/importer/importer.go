package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cartrita/cartrita/internal/near"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/schema"
)

// Format is the shape of a file.
type Format string

// The formats.
const (
	Auto        Format = "auto"
	Cartrita    Format = "cartrita"
	LiteLLM     Format = "litellm"
	OpenRouter  Format = "openrouter"
	HuggingFace Format = "huggingface"
)

// Formats lists the formats by name.
func Formats() []string {
	return []string{string(Auto), string(Cartrita), string(LiteLLM), string(OpenRouter), string(HuggingFace)}
}

// ParseFormat reads a format by name; "" is Auto.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case "":
		return Auto, nil
	case Auto, Cartrita, LiteLLM, OpenRouter, HuggingFace:
		return f, nil
	}
	return "", model.Invalidf("registry.Import", "format", "unknown format %q: want one of %s%s",
		s, strings.Join(Formats(), ", "), near.Suggest(s, Formats()))
}

// MaxBytes is the size of the largest file that is read.
const MaxBytes = 64 << 20

// Record is one entry of a file.
type Record struct {
	Path  string       // where in the file: "models[3]", "line 4", a key
	Model *model.Model // what the source says; nil when Problems or Skip is set
	Full  bool         // a complete record of our own format

	Problems []schema.Problem // why it cannot be read; paths are within the record
	Skip     string           // why it is left out without being wrong
	Ignored  []string         // keys without a place in a record, within the entry
}

// File is a parsed file.
type File struct {
	Format  Format // never Auto
	Records []Record
}

// Options steer Parse. The zero value reads with no name and no clock.
type Options struct {
	Name      string    // of the file: its ending tells YAML from JSONL
	Now       time.Time // tells which deprecation dates have passed; zero: none has
	Validator *schema.Validator
}

// Parse reads a file. Errors are KindInvalid, or KindTooLarge above MaxBytes.
func Parse(f Format, data []byte, o Options) (*File, error) {
	const op = "registry.Import"
	if len(data) > MaxBytes {
		return nil, model.Errorf(op, model.KindTooLarge, "the file has %d bytes: want at most %d", len(data), MaxBytes)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, model.Invalidf(op, o.Name, "the file is empty: want model records")
	}
	if f == Auto || f == "" {
		f = detect(data)
	}
	var (
		recs []Record
		err  error
	)
	switch f {
	case Cartrita:
		recs, err = parseCartrita(data, o)
	case LiteLLM:
		recs, err = parseLiteLLM(data, o)
	case OpenRouter:
		recs, err = parseOpenRouter(data)
	case HuggingFace:
		recs, err = parseHub(data)
	default:
		_, err = ParseFormat(string(f))
	}
	if err != nil {
		e := *model.AsError(err)
		if e.Kind == model.KindInternal {
			e = model.Error{Kind: model.KindInvalid, Message: err.Error()}
		}
		e.Op = op
		if e.Param == "" {
			e.Param = o.Name
		}
		return nil, &e
	}
	return &File{Format: f, Records: recs}, nil
}

// detect tells the formats apart by the keys at the top and in the first entry.
func detect(data []byte) Format {
	entries, top, err := entriesOf(data, "data", "models")
	if err != nil || len(entries) == 0 {
		return Cartrita
	}
	has := func(raw json.RawMessage, keys ...string) bool {
		var m map[string]json.RawMessage
		if json.Unmarshal(raw, &m) != nil {
			return false
		}
		for _, k := range keys {
			if _, ok := m[k]; !ok {
				return false
			}
		}
		return true
	}
	for _, e := range entries[:min(3, len(entries))] {
		switch {
		case has(e.raw, "model_id"):
			return Cartrita
		case has(e.raw, "pricing", "id"), top == "data" && has(e.raw, "architecture"):
			return OpenRouter
		case has(e.raw, "litellm_provider"):
			return LiteLLM
		case has(e.raw, "modelId"), has(e.raw, "pipeline_tag"), has(e.raw, "siblings"), has(e.raw, "id", "tags"):
			return HuggingFace
		}
	}
	return Cartrita
}

// entry is one raw record of a JSON file.
type entry struct {
	path string
	key  string // in a map of records
	raw  json.RawMessage
	dup  bool // the key appeared before
}

// entriesOf splits a JSON file into records: an array, an object with the
// array under one of the wrap keys (returned as top), a map from name to
// record, or a single record. A wrapped array wins over the other readings.
func entriesOf(data []byte, wraps ...string) (out []entry, top string, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	tok, err := dec.Token()
	if err != nil {
		return nil, "", jsonError(data, err)
	}
	switch tok {
	case json.Delim('['):
		out, err = arrayEntries(dec, "")
		return out, "", finish(dec, data, err)
	case json.Delim('{'):
		out, err = objectEntries(dec)
		if err = finish(dec, data, err); err != nil {
			return nil, "", err
		}
	default:
		return nil, "", model.Invalidf("", "", "want a JSON object or array of model records, got %v", tok)
	}
	for _, e := range out {
		for _, w := range wraps {
			if e.key == w && bytes.HasPrefix(e.raw, []byte("[")) {
				dec := json.NewDecoder(bytes.NewReader(e.raw))
				_, _ = dec.Token()
				inner, err := arrayEntries(dec, w)
				return inner, w, err
			}
		}
	}
	for _, e := range out {
		if !bytes.HasPrefix(e.raw, []byte("{")) {
			return []entry{{raw: data}}, "", nil // fields of one record
		}
	}
	return out, "", nil
}

func arrayEntries(dec *json.Decoder, at string) (out []entry, err error) {
	for i := 0; dec.More(); i++ {
		e := entry{path: fmt.Sprintf("%s[%d]", at, i)}
		if err = dec.Decode(&e.raw); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	_, err = dec.Token()
	return out, err
}

func objectEntries(dec *json.Decoder) (out []entry, err error) {
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := tok.(string)
		e := entry{path: key, key: key, dup: seen[key]}
		if err = dec.Decode(&e.raw); err != nil {
			return nil, err
		}
		seen[key] = true
		out = append(out, e)
	}
	_, err = dec.Token()
	return out, err
}

// finish checks that nothing follows the value.
func finish(dec *json.Decoder, data []byte, err error) error {
	if err != nil {
		return jsonError(data, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return model.Invalidf("", "", "%s: want the end of the file after the JSON value", position(data, dec.InputOffset()))
	}
	return nil
}

// jsonError words a syntax error with its line and column.
func jsonError(data []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return model.Invalidf("", "", "%s: %s", position(data, syntax.Offset), syntax)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return model.Invalidf("", "", "%s: the file ends inside a JSON value", position(data, int64(len(data))))
	}
	return model.Invalidf("", "", "%s", err)
}

func position(data []byte, offset int64) string {
	head := data[:min(max(offset-1, 0), int64(len(data)))]
	line := bytes.Count(head, []byte("\n")) + 1
	col := len(head) - bytes.LastIndexByte(head, '\n')
	return fmt.Sprintf("line %d column %d", line, col)
}
