package providertest

import (
	"time"

	"github.com/cartrita/cartrita/model"
)

// What the recordings say. The words are the same for every vendor.
const (
	question = `{"role":"user","content":"What is the capital of France?"}`
	// Text is the answer in the recordings.
	Text = "Paris is the capital of France. 🗼\nAnything else?"
	// Thought is the reasoning in the recordings.
	Thought = "France is a country. Its capital is Paris."

	weatherTool = `{"type":"function","function":{"name":"get_weather","description":"Weather of a city",` +
		`"parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}`
)

func chat(extra string) string {
	return `{"model":"auto","messages":[{"role":"system","content":"Be brief."},` + question + `],"max_tokens":256` + extra + `}`
}

func usage(in, out int64) model.Usage {
	return model.Usage{Input: model.Known(in), Output: model.Known(out), Source: model.UsageUpstream}
}

// Scenarios returns the scenarios of the suite.
func Scenarios() []Scenario {
	cached, reasoned := usage(1040, 12), usage(24, 60)
	cached.CachedRead = model.Known(1000)
	reasoned.Reasoning = model.Known(40)
	chatCall := func(s Scenario) Scenario {
		s.Surface, s.Task = model.SurfaceChat, model.TaskChat
		return s
	}
	fails := func(name string, kind model.Kind, after time.Duration) Scenario {
		return chatCall(Scenario{Name: name, Body: chat(""), Fails: true, Kind: kind, RetryAfter: after})
	}
	tools := []ToolCall{{"get_weather", `{"city":"Paris"}`}, {"get_weather", `{"city":"Lyon"}`}}
	return []Scenario{
		chatCall(Scenario{Name: "plain", Body: chat(""), Text: Text, Finish: "stop", Usage: usage(24, 12)}),
		chatCall(Scenario{Name: "stream", Stream: true, Body: chat(`,"stream":true`), Text: Text, Finish: "stop", Usage: usage(24, 12)}),
		chatCall(Scenario{Name: "length", Body: chat(""), Text: "Paris is", Finish: "length", Usage: usage(24, 256)}),
		chatCall(Scenario{Name: "tools", Body: chat(`,"tools":[` + weatherTool + `],"tool_choice":"auto"`),
			Tools: tools, Finish: "tool_calls", Usage: usage(80, 40)}),
		chatCall(Scenario{Name: "stream_tools", Stream: true, Body: chat(`,"stream":true,"tools":[` + weatherTool + `]`),
			Tools: tools, Finish: "tool_calls", Usage: usage(80, 40)}),
		chatCall(Scenario{Name: "reasoning", Body: chat(`,"reasoning_effort":"low"`),
			Text: Text, Reasoning: Thought, Finish: "stop", Usage: reasoned}),
		chatCall(Scenario{Name: "stream_reasoning", Stream: true, Body: chat(`,"stream":true,"reasoning_effort":"low"`),
			Text: Text, Reasoning: Thought, Finish: "stop", Usage: reasoned}),
		chatCall(Scenario{Name: "cached", Body: chat(""), Text: Text, Finish: "stop", Usage: cached}),
		chatCall(Scenario{Name: "stream_cached", Stream: true, Body: chat(`,"stream":true`), Text: Text, Finish: "stop", Usage: cached}),
		chatCall(Scenario{Name: "usage_zero", Body: chat(""), Finish: "stop", Usage: usage(24, 0)}),
		chatCall(Scenario{Name: "usage_absent", Body: chat(""), Text: Text, Finish: "stop"}),
		chatCall(Scenario{Name: "stream_usage_absent", Stream: true, Body: chat(`,"stream":true`), Text: Text, Finish: "stop"}),
		{Name: "completions", Surface: model.SurfaceCompletions, Task: model.TaskTextGeneration,
			Body: `{"model":"auto","prompt":"The capital of France is","max_tokens":256}`, Text: Text, Finish: "stop", Usage: usage(24, 12)},
		{Name: "stream_completions", Surface: model.SurfaceCompletions, Task: model.TaskTextGeneration, Stream: true,
			Body: `{"model":"auto","prompt":"The capital of France is","max_tokens":256,"stream":true}`, Text: Text, Finish: "stop", Usage: usage(24, 12)},
		{Name: "embeddings", Surface: model.SurfaceEmbeddings, Task: model.TaskEmbeddings,
			Body: `{"model":"auto","input":["one","two"],"encoding_format":"float"}`, Vectors: 2},

		fails("rate_limited", model.KindRateLimited, 7*time.Second),
		fails("context_length", model.KindContextLength, 0),
		fails("content_policy", model.KindContentPolicy, 0),
		fails("invalid", model.KindInvalid, 0),
		fails("auth", model.KindUpstreamAuth, 0),
		fails("no_credit", model.KindUpstreamAuth, 0),
		fails("unknown_model", model.KindUpstream, 0),
		fails("overloaded", model.KindUnavailable, 0),
		fails("server_error", model.KindUpstream, 0),
		fails("html_502", model.KindUpstream, 0),
		fails("html_200", model.KindUpstream, 0),
		chatCall(Scenario{Name: "stream_refused", Stream: true, Body: chat(`,"stream":true`),
			Fails: true, Kind: model.KindRateLimited, RetryAfter: 7 * time.Second}),
		chatCall(Scenario{Name: "stream_error_first", Stream: true, Body: chat(`,"stream":true`),
			Fails: true, Kind: model.KindUnavailable}),
		chatCall(Scenario{Name: "stream_error_later", Stream: true, Body: chat(`,"stream":true`),
			Fails: true, Kind: model.KindUnavailable, AfterContent: true}),
		chatCall(Scenario{Name: "stream_malformed", Stream: true, Body: chat(`,"stream":true`),
			Fails: true, Kind: model.KindUpstream, AfterContent: true}),
	}
}
