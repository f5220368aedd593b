package anthropic

import (
	"bytes"
	"math"
	"strconv"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/upstream"
)

// answerToolName is the tool that stands for a JSON answer where the API has
// no other way to demand one.
const answerToolName = "cartrita_json_answer"

// request is a request for the Messages API in the making. Raw values point
// into the caller's body.
type request struct {
	err    error
	model  string
	traits traits

	turns, system   []byte // the members of the arrays
	role            string // of the turn that is open
	toolRound       bool   // the last turn brings results of tools
	thoughtsMissing bool   // the last assistant turn calls tools and shows no thoughts

	maxTokens           int64
	stop                []byte
	temperature, topP   []byte
	topK, cache, user   []byte
	tools, choice       []byte
	forced              bool // a tool must be called
	noParallel          bool
	thinking            []byte
	effort              string
	schema, serviceTier []byte
	jsonObject          bool
	answerTool          bool
	stream              bool
}

// translate reads the call.
func translate(defaultMax int64, upstreamName string, call *model.Call) (*request, error) {
	r := &request{model: upstreamName, traits: traitsOf(upstreamName), stream: call.Stream,
		turns: make([]byte, 0, len(call.Body.Raw)+512)}
	var messages []byte
	switch call.Surface {
	case model.SurfaceChat:
		messages, _ = call.Body.Get("messages")
	case model.SurfaceCompletions:
		r.prompt(call.Body)
	default:
		return nil, model.Errorf(op, model.KindInvalid, "the Messages API has no counterpart for %s", call.Surface)
	}
	for _, m := range call.Body.Members {
		if value := call.Body.Raw[m.Start:m.End]; !isNull(value) {
			r.option(m.Key, value)
		}
	}
	if call.Surface == model.SurfaceChat {
		r.messages(messages)
	}
	if r.err != nil {
		return nil, r.err
	}
	r.settle(defaultMax)
	return r, nil
}

func (r *request) refuse(param, format string, args ...any) {
	if r.err == nil {
		r.err = model.Invalidf(op, param, format, args...)
	}
}

// option takes in one member of the caller's body; messages are read apart.
func (r *request) option(key string, value []byte) {
	switch key {
	case "max_completion_tokens":
		r.maxTokens = r.positive(key, value)
	case "max_tokens":
		if r.maxTokens == 0 {
			r.maxTokens = r.positive(key, value)
		}
	case "stop":
		r.stop = stopSequences(value)
	case "temperature":
		r.temperature = atMostOne(value)
	case "top_p":
		r.topP = value
	case "top_k":
		r.topK = value
	case "cache_control":
		r.cache = value
	case "thinking":
		r.thinking = value
	case "reasoning_effort":
		r.effort, _ = jsonscan.Unquote(value)
	case "user", "safety_identifier":
		r.user = value
	case "tools":
		r.readTools(value)
	case "tool_choice":
		r.toolChoice(value)
	case "parallel_tool_calls":
		r.noParallel = string(value) == "false"
	case "response_format":
		r.responseFormat(value)
	case "service_tier":
		switch string(value) {
		case `"auto"`:
			r.serviceTier = value
		case `"default"`:
			r.serviceTier = []byte(`"standard_only"`)
		}
	default:
		r.refuseOption(key, value)
	}
}

// refuseOption refuses members that ask for something else than the API gives.
func (r *request) refuseOption(key string, value []byte) {
	switch key {
	case "n", "best_of":
		if string(value) != "1" {
			r.refuse(key, "must be 1 for this model: its API gives one answer")
		}
	case "logprobs", "echo":
		if string(value) != "false" {
			r.refuse(key, "is not available from this model")
		}
	case "top_logprobs", "audio", "functions", "function_call", "web_search_options", "suffix":
		r.refuse(key, "is not available from this model")
	case "modalities":
		jsonscan.Each(value, func(_, v []byte) bool {
			if string(v) != `"text"` {
				r.refuse(key, "this model answers in text only")
			}
			return true
		})
	}
}

// settle decides what depends on several members.
func (r *request) settle(defaultMax int64) {
	given := r.maxTokens > 0
	if !given {
		r.maxTokens = defaultMax
	}
	if r.jsonObject {
		r.systemLine("Answer with one JSON object and nothing else.")
	}
	r.answerTool = r.schema != nil && !r.traits.structured
	if r.answerTool {
		r.demandAnswerTool()
	}
	r.settleThinking(given)
	if r.thinking != nil && !bytes.Contains(r.thinking, []byte(`"disabled"`)) || !r.traits.sampling {
		r.temperature, r.topP, r.topK = nil, nil, nil
	}
	if r.temperature != nil {
		r.topP = nil
	}
}

// body writes the request.
func (r *request) body() []byte {
	dst := make([]byte, 0, len(r.turns)+len(r.system)+len(r.tools)+len(r.schema)+512)
	dst = append(dst, `{"model":`...)
	dst = upstream.Quote(dst, r.model)
	dst = append(dst, `,"max_tokens":`...)
	dst = strconv.AppendInt(dst, r.maxTokens, 10)
	dst = append(append(append(dst, `,"messages":[`...), r.turns...), ']')
	if len(r.system) > 0 {
		dst = append(append(append(dst, `,"system":[`...), r.system...), ']')
	}
	if r.user != nil {
		dst = append(append(append(dst, `,"metadata":{"user_id":`...), r.user...), '}')
	}
	for _, m := range []struct {
		key   string
		value []byte
	}{
		{"tools", r.tools}, {"tool_choice", r.choiceMember()}, {"output_config", r.outputConfig()},
		{"thinking", r.thinking}, {"stop_sequences", r.stop}, {"temperature", r.temperature}, {"top_p", r.topP},
		{"top_k", r.topK}, {"cache_control", r.cache}, {"service_tier", r.serviceTier},
	} {
		if m.value != nil {
			dst = append(append(append(append(dst, ',', '"'), m.key...), '"', ':'), m.value...)
		}
	}
	if r.stream {
		dst = append(dst, `,"stream":true`...)
	}
	return append(dst, '}')
}

func isNull(value []byte) bool { return string(value) == "null" }

func (r *request) positive(key string, value []byte) int64 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < 1 {
		r.refuse(key, "want a positive whole number")
	}
	return n
}

// atMostOne cuts a temperature off at 1: OpenAI's scale goes to 2.
func atMostOne(value []byte) []byte {
	if f, err := strconv.ParseFloat(string(value), 64); err == nil && !math.IsNaN(f) && f > 1 {
		return []byte("1")
	}
	return value
}

// stopSequences makes an array, without the blank ones that the API refuses.
func stopSequences(value []byte) []byte {
	out := []byte{'['}
	add := func(_, v []byte) bool {
		if !blank(v) {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, v...)
		}
		return true
	}
	if value[0] == '"' {
		add(nil, value)
	}
	jsonscan.Each(value, add)
	if len(out) == 1 {
		return nil
	}
	return append(out, ']')
}

// blank reports a raw string of nothing but white space.
func blank(raw []byte) bool {
	for i := 1; i < len(raw)-1; i++ {
		switch raw[i] {
		case ' ':
		case '\\':
			if i++; raw[i] != 'n' && raw[i] != 't' && raw[i] != 'r' {
				return false
			}
		default:
			return false
		}
	}
	return true
}
