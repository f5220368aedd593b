package huggingface

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strconv"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/upstream"
)

// task sends a call of the chat surface to a pipeline.
func (c *Client) task(ctx context.Context, ep *model.Endpoint, call *model.Call, pipeline string) (*provider.Response, error) {
	input, err := lastUserText(call.Body)
	if err != nil {
		return nil, err
	}
	reply, err := c.post(ctx, ep, pipeline, func(dst []byte) []byte {
		dst = upstream.Quote(append(dst, `{"inputs":`...), input)
		if p, ok := call.Body.Get("parameters"); ok && p[0] == '{' {
			dst = append(append(dst, `,"parameters":`...), p...)
		}
		return append(dst, '}')
	})
	if err != nil {
		return nil, err
	}
	text, ok := taskText(pipeline, reply.Body)
	if !ok {
		return nil, &model.Error{Op: op, Kind: model.KindUpstream, Status: reply.Status,
			Message: "the upstream's answer is not one of the task " + pipeline}
	}
	a := answer{id: "hf-" + call.ID.String(), created: c.clock().Unix(), model: ep.Upstream, text: text}
	out := &provider.Response{Status: reply.Status, Header: reply.Header}
	if call.Stream {
		out.Header.Set("Content-Type", "text/event-stream")
		out.Stream = a.stream()
	} else {
		out.Body = a.unary()
	}
	return out, nil
}

// lastUserText returns the text of the last message of the user.
func lastUserText(body jsonscan.Object) (string, error) {
	raw, _ := body.Get("messages")
	var text string
	for _, m := range children(raw) {
		var role string
		var content []byte
		jsonscan.Each(m, func(key, v []byte) bool {
			switch string(key) {
			case `"role"`:
				role, _ = jsonscan.Unquote(v)
			case `"content"`:
				content = v
			}
			return true
		})
		if role == "user" {
			text = contentText(content)
		}
	}
	if text == "" {
		return "", model.Invalidf(op, "messages", "want a user message with text, which this task works on")
	}
	return text, nil
}

func contentText(raw []byte) string {
	if s, err := jsonscan.Unquote(raw); err == nil {
		return s
	}
	var text []byte
	for _, part := range children(raw) {
		jsonscan.Each(part, func(key, v []byte) bool {
			if string(key) == `"text"` {
				s, _ := jsonscan.Unquote(v)
				text = append(text, s...)
			}
			return true
		})
	}
	return string(text)
}

// taskText reads the answer of a pipeline.
func taskText(pipeline string, body []byte) (string, bool) {
	if !json.Valid(body) {
		return "", false
	}
	if pipeline == "text-classification" {
		labels := body
		if rows := children(body); len(rows) == 1 && rows[0][0] == '[' { // a list per input
			labels = rows[0]
		}
		rows := children(labels)
		if len(rows) == 0 || !hasMember(rows[0], `"label"`) {
			return "", false
		}
		var b bytes.Buffer
		_ = json.Compact(&b, labels) // valid, as checked
		return b.String(), true
	}
	one := body
	if rows := children(body); len(rows) > 0 {
		one = rows[0]
	}
	text, found := "", false
	jsonscan.Each(one, func(key, v []byte) bool {
		switch string(key) {
		case `"summary_text"`, `"translation_text"`, `"generated_text"`:
			s, err := jsonscan.Unquote(v)
			text, found = s, err == nil
		}
		return !found
	})
	return text, found
}

func hasMember(raw []byte, quoted string) (found bool) {
	jsonscan.Each(raw, func(key, _ []byte) bool {
		found = string(key) == quoted
		return !found
	})
	return found
}

// answer is what a task said, to be written in OpenAI's shape.
type answer struct {
	id      string
	created int64
	model   string
	text    string
}

func (a answer) head(dst []byte, object string) []byte {
	dst = upstream.Quote(append(dst, `{"id":`...), a.id)
	dst = append(append(append(dst, `,"object":"`...), object...), `","created":`...)
	dst = strconv.AppendInt(dst, a.created, 10)
	return upstream.Quote(append(dst, `,"model":`...), a.model)
}

func (a answer) unary() []byte {
	b := a.head(nil, "chat.completion")
	b = upstream.Quote(append(b, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...), a.text)
	return append(b, `},"logprobs":null,"finish_reason":"stop"}]}`...)
}

// stream gives the answer in one piece.
func (a answer) stream() provider.Stream {
	b := a.head([]byte("data: "), "chat.completion.chunk")
	b = upstream.Quote(append(b, `,"choices":[{"index":0,"delta":{"role":"assistant","content":`...), a.text)
	b = append(b, `},"logprobs":null,"finish_reason":null}]}`+"\n\n"...)
	b = a.head(append(b, "data: "...), "chat.completion.chunk")
	b = append(b, `,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}`+"\n\n"...)
	return &pieces{chunks: []provider.Chunk{
		{Data: b, Content: a.text != "", OutputBytes: len(a.text)},
		{Data: []byte("data: [DONE]\n\n"), Done: true},
	}, end: io.EOF}
}

// pieces is a stream that is already there.
type pieces struct {
	chunks []provider.Chunk
	end    error
}

// Next implements provider.Stream.
func (p *pieces) Next() (provider.Chunk, error) {
	if len(p.chunks) == 0 {
		return provider.Chunk{}, p.end
	}
	c := p.chunks[0]
	p.chunks = p.chunks[1:]
	return c, nil
}

// Close implements provider.Stream.
func (p *pieces) Close() error {
	if len(p.chunks) > 0 {
		p.chunks, p.end = nil, model.Errorf(op, model.KindCanceled, "the stream was closed")
	}
	return nil
}
