package providertest

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/cartrita/cartrita/internal/sse"
	"github.com/cartrita/cartrita/model"
)

// object is an answer or a chunk in OpenAI's shape, as far as callers use it.
type object struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Choices []struct {
		Text    string  `json:"text"`
		Message message `json:"message"`
		Delta   message `json:"delta"`
		Finish  string  `json:"finish_reason"`
	} `json:"choices"`
	Data []struct {
		Object    string    `json:"object"`
		Index     int       `json:"index"`
		Embedding []float64 `json:"embedding"`
	} `json:"data"`
}

type message struct {
	Role      string `json:"role"`
	Content   string `json:"content"`
	Reasoning string `json:"reasoning_content"`
	ToolCalls []struct {
		Index    int    `json:"index"`
		ID       string `json:"id"`
		Type     string `json:"type"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

// answer is what a caller understands.
type answer struct {
	Text      string
	Reasoning string
	Tools     []ToolCall
	Finish    string
	Vectors   int
}

// objects are the values of the member object, by surface: of an answer in one
// piece, and of a chunk.
var objects = map[model.Surface][2]string{
	model.SurfaceChat:        {"chat.completion", "chat.completion.chunk"},
	model.SurfaceCompletions: {"text_completion", "text_completion"},
	model.SurfaceEmbeddings:  {"list", ""},
}

func decode(data []byte, kind string, out *object) error {
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%w: %s", err, data)
	}
	if out.Object != kind {
		return fmt.Errorf("is %q, want %q: %s", out.Object, kind, data)
	}
	return nil
}

// read understands the result as a caller does.
func (r *result) read(sc Scenario) (answer, error) {
	if sc.Stream {
		return r.readStream(sc.Surface)
	}
	var a answer
	var out object
	if err := decode(r.body, objects[sc.Surface][0], &out); err != nil {
		return a, err
	}
	if sc.Surface == model.SurfaceEmbeddings {
		for i, d := range out.Data {
			if d.Index != i || len(d.Embedding) == 0 || d.Object != "embedding" {
				return a, fmt.Errorf("vector %d is %+v", i, d)
			}
		}
		a.Vectors = len(out.Data)
		return a, nil
	}
	if len(out.Choices) != 1 || out.ID == "" {
		return a, fmt.Errorf("not one choice, or no id: %s", r.body)
	}
	c := out.Choices[0]
	if sc.Surface == model.SurfaceChat && c.Message.Role != "assistant" {
		return a, fmt.Errorf("not a message of the assistant: %s", r.body)
	}
	a.Text, a.Finish, a.Reasoning = c.Message.Content+c.Text, c.Finish, c.Message.Reasoning
	for _, call := range c.Message.ToolCalls {
		if call.ID == "" || call.Type != "function" {
			return a, fmt.Errorf("tool call without id or type: %s", r.body)
		}
		a.Tools = append(a.Tools, ToolCall{call.Function.Name, call.Function.Arguments})
	}
	return a, nil
}

func (r *result) readStream(surface model.Surface) (a answer, err error) {
	events := sse.NewReader(bytes.NewReader(bytes.Join(r.chunks, nil)), nil, 1<<20)
	for {
		ev, err := events.Next()
		if err != nil {
			return a, fmt.Errorf("the stream ends without [DONE]: %w", err)
		}
		if ev.Data == nil {
			continue
		}
		if string(ev.Data) == "[DONE]" {
			return a, nil
		}
		if err := a.addChunk(objects[surface][1], ev.Data); err != nil {
			return a, err
		}
	}
}

func (a *answer) addChunk(kind string, data []byte) error {
	var out object
	if err := decode(data, kind, &out); err != nil {
		return err
	}
	if out.ID == "" {
		return fmt.Errorf("a chunk without id: %s", data)
	}
	for _, c := range out.Choices {
		a.Text += c.Delta.Content + c.Text
		a.Reasoning += c.Delta.Reasoning
		a.Finish += c.Finish
		for _, call := range c.Delta.ToolCalls {
			if call.ID != "" {
				a.Tools = append(a.Tools, ToolCall{Name: call.Function.Name})
			}
			if call.Index != len(a.Tools)-1 {
				return fmt.Errorf("tool call out of order: %s", data)
			}
			a.Tools[call.Index].Arguments += call.Function.Arguments
		}
	}
	return nil
}
