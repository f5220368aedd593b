package anthropic

import (
	"fmt"
	"strconv"

	"github.com/cartrita/cartrita/internal/jsonscan"
)

// readTools turns function tools into the API's own.
func (r *request) readTools(raw []byte) {
	out, i := []byte{'['}, 0
	jsonscan.Each(raw, func(_, tool []byte) bool {
		at := fmt.Sprintf("tools[%d]", i)
		if string(member(tool, "type")) != `"function"` {
			r.refuse(at+".type", "this model takes tools of type function only")
			return false
		}
		if i++; i > 1 {
			out = append(out, ',')
		}
		out = r.tool(out, at, tool)
		return r.err == nil
	})
	if i > 0 {
		r.tools = append(out, ']')
	}
}

func (r *request) tool(out []byte, at string, tool []byte) []byte {
	function := member(tool, "function")
	name, schema := member(function, "name"), member(function, "parameters")
	if name == nil {
		r.refuse(at+".function.name", "want the name of the function")
		return out
	}
	if schema == nil || isNull(schema) {
		schema = []byte(`{"type":"object","properties":{}}`)
	}
	out = append(append(out, `{"name":`...), name...)
	if d := member(function, "description"); d != nil && !isNull(d) {
		out = append(append(out, `,"description":`...), d...)
	}
	out = append(append(out, `,"input_schema":`...), schema...)
	if r.traits.structured && string(member(function, "strict")) == "true" {
		out = append(out, `,"strict":true`...)
	}
	if cache := member(tool, "cache_control"); cache != nil {
		out = append(append(out, `,"cache_control":`...), cache...)
	}
	return append(out, '}')
}

// toolChoice reads auto, none, required or a function.
func (r *request) toolChoice(raw []byte) {
	switch string(raw) {
	case `"auto"`:
		r.choice = []byte(`{"type":"auto"`)
	case `"none"`:
		r.choice = []byte(`{"type":"none"`)
	case `"required"`:
		r.choice, r.forced = []byte(`{"type":"any"`), true
	default:
		var name []byte
		if raw[0] == '{' {
			name = member(member(raw, "function"), "name")
		}
		if name == nil {
			r.refuse("tool_choice", "want auto, none, required or a function")
			return
		}
		r.choice, r.forced = append([]byte(`{"type":"tool","name":`), name...), true
	}
}

// choiceMember is tool_choice with what goes into it from other members.
func (r *request) choiceMember() []byte {
	choice := r.choice
	if r.tools == nil {
		return nil
	}
	if choice == nil && r.noParallel {
		choice = []byte(`{"type":"auto"`)
	}
	if choice == nil {
		return nil
	}
	if r.noParallel && string(choice) != `{"type":"none"` {
		choice = append(choice, `,"disable_parallel_tool_use":true`...)
	}
	return append(choice, '}')
}

// responseFormat reads text, json_object or json_schema.
func (r *request) responseFormat(raw []byte) {
	switch kind := string(member(raw, "type")); kind {
	case `"text"`:
	case `"json_object"`:
		r.jsonObject = true
	case `"json_schema"`:
		if r.schema = member(member(raw, "json_schema"), "schema"); r.schema == nil {
			r.refuse("response_format.json_schema.schema", "want a JSON schema")
		}
	default:
		r.refuse("response_format.type", "want text, json_object or json_schema")
	}
}

// demandAnswerTool adds the tool that stands for the answer, and demands a call.
func (r *request) demandAnswerTool() {
	tool := append([]byte(`{"name":"`+answerToolName+`","description":"Give the final answer.","input_schema":`), r.schema...)
	tool = append(tool, '}')
	if r.tools == nil {
		r.tools = append(append([]byte{'['}, tool...), ']')
		r.choice = []byte(`{"type":"tool","name":"` + answerToolName + `"`)
	} else {
		r.tools = append(append(append(r.tools[:len(r.tools)-1], ','), tool...), ']')
		r.choice = []byte(`{"type":"any"`)
	}
	r.forced = true
}

// Thinking budgets in tokens by effort, and the least that the API takes.
const (
	minBudget    = 1024
	budgetLow    = 2048
	budgetMedium = 8192
	budgetHigh   = 16384
	budgetXHigh  = 32768
)

// settleThinking works out the thinking member.
func (r *request) settleThinking(maxGiven bool) {
	mayNot := r.forced || (r.toolRound && r.thoughtsMissing)
	if r.thinking != nil { // given in the API's own shape
		if mayNot {
			r.thinking = nil
		}
		return
	}
	if mayNot || !thinks(r.effort) {
		return
	}
	switch {
	case r.traits.adaptive:
		r.thinking = []byte(`{"type":"adaptive"}`)
	case r.traits.budget:
		r.thinkWithin(r.budget(), maxGiven)
	}
}

func thinks(effort string) bool { return effort != "" && effort != "none" && effort != "minimal" }

func (r *request) budget() int64 {
	switch r.effort {
	case "low":
		return budgetLow
	case "high":
		return budgetHigh
	case "xhigh", "max":
		return budgetXHigh
	}
	return budgetMedium
}

// thinkWithin sets a budget. It counts towards max_tokens: a limit of the
// caller's is shared in halves, ours is raised.
func (r *request) thinkWithin(budget int64, maxGiven bool) {
	if maxGiven {
		budget = min(budget, r.maxTokens/2)
	} else {
		r.maxTokens += budget
	}
	if budget >= minBudget {
		r.thinking = append(strconv.AppendInt([]byte(`{"type":"enabled","budget_tokens":`), budget, 10), '}')
	}
}

// outputConfig is the effort and the format of the answer.
func (r *request) outputConfig() []byte {
	out := []byte{'{'}
	if e := r.effortLevel(); e != "" {
		out = append(append(append(out, `"effort":"`...), e...), '"')
	}
	if r.schema != nil && r.traits.structured {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, `"format":{"type":"json_schema","schema":`...), r.schema...), '}')
	}
	if len(out) == 1 {
		return nil
	}
	return append(out, '}')
}

func (r *request) effortLevel() string {
	if !r.traits.adaptive {
		return ""
	}
	switch r.effort {
	case "minimal", "low":
		return "low"
	case "medium", "high":
		return r.effort
	case "xhigh", "max":
		if r.traits.effortMax {
			return r.effort
		}
		return "high"
	}
	return ""
}

// prompt turns the prompt of the completions surface into a turn.
func (r *request) prompt(body jsonscan.Object) {
	raw, _ := body.Get("prompt")
	if len(raw) > 0 && raw[0] == '[' {
		n := 0
		jsonscan.Each(raw, func(_, value []byte) bool {
			n++
			raw = value
			return true
		})
		if n != 1 {
			raw = nil
		}
	}
	if len(raw) == 0 || raw[0] != '"' || blank(raw) {
		r.refuse("prompt", "want one string with text for this model")
		return
	}
	r.block("user", textBlock(raw, nil))
	r.closeTurn()
}
