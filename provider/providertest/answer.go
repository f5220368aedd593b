package providertest

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/openai/openai-go/v3"

	"github.com/cartrita/cartrita/internal/sse"
	"github.com/cartrita/cartrita/model"
)

// answer is what a caller understands.
type answer struct {
	Text      string
	Reasoning string
	Tools     []ToolCall
	Finish    string
	Vectors   int
}

// read understands the result by the types of OpenAI's official client.
func (r *result) read(sc Scenario) (answer, error) {
	if sc.Stream {
		return r.readStream(sc.Surface)
	}
	var a answer
	switch sc.Surface {
	case model.SurfaceEmbeddings:
		var out openai.CreateEmbeddingResponse
		if err := json.Unmarshal(r.body, &out); err != nil {
			return a, err
		}
		for i, d := range out.Data {
			if int(d.Index) != i || len(d.Embedding) == 0 || d.Object != "embedding" {
				return a, fmt.Errorf("vector %d is %+v", i, d)
			}
		}
		a.Vectors = len(out.Data)
	case model.SurfaceCompletions:
		var out openai.Completion
		if err := json.Unmarshal(r.body, &out); err != nil {
			return a, err
		}
		if len(out.Choices) != 1 || out.Object != "text_completion" {
			return a, fmt.Errorf("not one completion: %s", r.body)
		}
		a.Text, a.Finish = out.Choices[0].Text, string(out.Choices[0].FinishReason)
	default:
		var out openai.ChatCompletion
		if err := json.Unmarshal(r.body, &out); err != nil {
			return a, err
		}
		if len(out.Choices) != 1 || out.Object != "chat.completion" || out.ID == "" || out.Choices[0].Message.Role != "assistant" {
			return a, fmt.Errorf("not one chat completion: %s", r.body)
		}
		m := out.Choices[0].Message
		a.Text, a.Finish, a.Reasoning = m.Content, out.Choices[0].FinishReason, reasoningOf(m.RawJSON())
		for _, call := range m.ToolCalls {
			if call.ID == "" || call.Type != "function" {
				return a, fmt.Errorf("tool call without id or type: %s", call.RawJSON())
			}
			a.Tools = append(a.Tools, ToolCall{call.Function.Name, call.Function.Arguments})
		}
	}
	return a, nil
}

func reasoningOf(raw string) string {
	var m struct {
		Reasoning string `json:"reasoning_content"`
	}
	_ = json.Unmarshal([]byte(raw), &m)
	return m.Reasoning
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
		if surface == model.SurfaceCompletions {
			err = a.addCompletion(ev.Data)
		} else {
			err = a.addChunk(ev.Data)
		}
		if err != nil {
			return a, err
		}
	}
}

func (a *answer) addCompletion(data []byte) error {
	var out openai.Completion
	if err := json.Unmarshal(data, &out); err != nil || out.Object != "text_completion" {
		return fmt.Errorf("no completion: %v: %s", err, data)
	}
	for _, c := range out.Choices {
		a.Text += c.Text
		a.Finish += string(c.FinishReason)
	}
	return nil
}

func (a *answer) addChunk(data []byte) error {
	var out openai.ChatCompletionChunk
	if err := json.Unmarshal(data, &out); err != nil || out.Object != "chat.completion.chunk" || out.ID == "" {
		return fmt.Errorf("no chunk: %v: %s", err, data)
	}
	for _, c := range out.Choices {
		a.Text += c.Delta.Content
		a.Reasoning += reasoningOf(c.Delta.RawJSON())
		a.Finish += c.FinishReason
		for _, call := range c.Delta.ToolCalls {
			if call.ID != "" {
				a.Tools = append(a.Tools, ToolCall{Name: call.Function.Name})
			}
			if int(call.Index) != len(a.Tools)-1 {
				return fmt.Errorf("tool call out of order: %s", data)
			}
			a.Tools[call.Index].Arguments += call.Function.Arguments
		}
	}
	return nil
}
