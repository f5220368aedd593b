package gateway

import (
	"bytes"

	"github.com/cartrita/cartrita/internal/prompt"
	"github.com/cartrita/cartrita/model"
)

// parseCompletion reads the body of POST /v1/completions.
func parseCompletion(raw []byte) (*request, *model.Error) {
	return parseText(raw, "prompt", model.SurfaceCompletions, model.TaskTextGeneration)
}

// parseEmbeddings reads the body of POST /v1/embeddings.
func parseEmbeddings(raw []byte) (*request, *model.Error) {
	q, err := parseText(raw, "input", model.SurfaceEmbeddings, model.TaskEmbeddings)
	if err == nil && q.call.Stream {
		err = model.Invalidf(opParse, "stream", "is not for embeddings; leave it out")
	}
	return q, err
}

func parseText(raw []byte, member string, surface model.Surface, task model.Task) (*request, *model.Error) {
	q, err := parse(raw, surface, task, func(q *request, key string, v []byte) *model.Error {
		if key != member {
			return nil
		}
		return q.text(member, v)
	})
	if err == nil && !q.given {
		err = model.Invalidf(opParse, member, "is missing; want %s", wantText)
	}
	return q, err
}

const wantText = "a string, an array of strings, or token numbers"

// text measures a prompt or embeddings input. Of an array the first element
// says what it holds; the upstream judges the rest.
func (q *request) text(param string, v []byte) *model.Error {
	switch v[0] {
	case '"':
		if len(v) == 2 {
			return model.Invalidf(opParse, param, "is empty; want %s", wantText)
		}
	case '[':
		first := bytes.TrimLeft(v[1:], " \t\r\n")
		if c := first[0]; c == ']' {
			return model.Invalidf(opParse, param, "is empty; want %s", wantText)
		} else if c != '"' && c != '[' && (c < '0' || c > '9') {
			return wrongType(param+"[0]", wantText, first)
		}
	default:
		return wrongType(param, wantText, v)
	}
	t := prompt.Text(v)
	q.call.PromptBytes += t.Bytes
	q.call.Text = t.Text
	if t.Tokens > 0 {
		q.call.PromptTokens = model.Known(t.Tokens)
	}
	if t.Largest > 0 { // each text has the whole context to itself
		q.call.Texts, q.call.Largest = t.Count, float64(t.Largest)/float64(t.Bytes+t.Tokens)
	}
	if q.call.Surface == model.SurfaceCompletions {
		q.prompts = t.Count
	}
	q.given = true
	return nil
}
