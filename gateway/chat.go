package gateway

import (
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/internal/prompt"
	"github.com/cartrita/cartrita/model"
)

// parseChat reads the body of POST /v1/chat/completions.
func parseChat(raw []byte) (*request, *model.Error) {
	q, err := parse(raw, model.SurfaceChat, model.TaskChat, chatMember)
	if err == nil && !q.given {
		err = model.Invalidf(opParse, "messages", "is missing; want an array of messages")
	}
	return q, err
}

func chatMember(q *request, key string, v []byte) (err *model.Error) {
	switch key {
	case "messages":
		err = q.messages(v)
	case "tools", "functions":
		err = q.tools(key, v)
	case "response_format":
		err = q.responseFormat(key, v)
	case "modalities":
		err = q.modalities(key, v)
	}
	return err
}

func (q *request) need(f model.Feature) { q.call.Needs |= model.Features(f) }

func (q *request) tools(key string, v []byte) (err *model.Error) {
	if v, err = arrayValue(key, v); err != nil || v == nil || isEmptyArray(v) {
		return err
	}
	q.need(model.FeatureTools)
	q.call.PromptBytes += int64(len(v)) // definitions are sent to the model like text
	return nil
}

func (q *request) responseFormat(key string, v []byte) (err *model.Error) {
	if v, err = objectValue(key, v); err != nil || v == nil {
		return err
	}
	return eachMember(v, key, func(name string, v []byte) *model.Error {
		if name != "type" {
			q.call.PromptBytes += int64(len(v)) // the schema is sent to the model like text
			return nil
		}
		kind, err := stringValue(key+".type", v)
		if kind == "json_schema" {
			q.need(model.FeatureJSONSchema)
		}
		return err
	})
}

func (q *request) modalities(key string, v []byte) (err *model.Error) {
	if v, err = arrayValue(key, v); err != nil || v == nil {
		return err
	}
	jsonscan.Each(v, func(_, v []byte) bool {
		if string(v) == `"audio"` {
			q.need(model.FeatureAudioOutput)
		}
		return true
	})
	return nil
}

// messages checks the shape of the messages and measures their text.
func (q *request) messages(v []byte) *model.Error {
	size, err := prompt.Messages(v)
	if err != nil {
		return model.AsError(err)
	}
	q.given = true
	q.call.PromptBytes += size.Bytes
	q.call.Text = size.Text
	q.call.Images, q.call.Attached = size.Images, size.Attached
	q.call.Needs |= size.Needs
	return nil
}
