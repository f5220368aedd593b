package openai

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/provider/usage"
)

func TestScan(t *testing.T) {
	tests := map[string]struct {
		in   string
		want facts
	}{
		"text":            {`{"choices":[{"delta":{"content":"héé"}}]}`, facts{content: true, bytes: 5, choices: 1}},
		"escapes":         {`{"choices":[{"delta":{"content":"a\n\"\\\u00e9\ud83d\uddfc\/"}}]}`, facts{content: true, bytes: 11, choices: 1}},
		"role":            {`{"choices":[{"delta":{"role":"assistant","content":""}}]}`, facts{choices: 1}},
		"null content":    {`{"choices":[{"delta":{"content":null}}]}`, facts{choices: 1}},
		"reasoning":       {`{"choices":[{"delta":{"reasoning_content":"ab"}}]}`, facts{content: true, bytes: 2, choices: 1}},
		"reasoning twice": {`{"choices":[{"delta":{"reasoning":"ab","reasoning_details":[{"type":"reasoning.text","text":"ab"}]}}]}`, facts{content: true, bytes: 2, choices: 1}},
		"refusal":         {`{"choices":[{"delta":{"refusal":"no"}}]}`, facts{content: true, bytes: 2, choices: 1}},
		"tool call":       {`{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}}]}`, facts{content: true, bytes: 2, choices: 1}},
		"no tool call":    {`{"choices":[{"delta":{"content":"","tool_calls":[]}}]}`, facts{choices: 1}},
		"content parts":   {`{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"abc"}]}]}}]}`, facts{content: true, bytes: 3, choices: 1}},
		"completion":      {`{"choices":[{"text":"abc","logprobs":{"tokens":["text"],"text_offset":[0]}}]}`, facts{content: true, bytes: 3, choices: 1}},
		"logprobs":        {`{"choices":[{"delta":{"content":"a"},"logprobs":{"content":[{"token":"a","text":"zzz"}]}}]}`, facts{content: true, bytes: 1, choices: 1}},
		"finish":          {`{"choices":[{"delta":{},"finish_reason":"stop"}]}`, facts{choices: 1, finished: 1}},
		"choices by index": {`{"x":[{"index":5,"finish_reason":"no"}],"choices":[{"index":2,"finish_reason":"stop"},{"index":10,"finish_reason":null},{"index":999}],"y":[{"index":6}]}`,
			facts{choices: 1<<2 | 1<<10 | 1<<63, finished: 1 << 2}},
		"usage null":        {`{"choices":[],"usage":null}`, facts{}},
		"usage":             {`{"choices":[],"usage": {"prompt_tokens":1}}`, facts{usage: []byte(`{"prompt_tokens":1}`), depth: 1}},
		"usage in x_groq":   {`{"choices":[],"x_groq":{"usage":{"a":"}"}}}`, facts{usage: []byte(`{"a":"}"}`), depth: 2}},
		"usage at the top":  {`{"x_groq":{"usage":{"a":1}},"usage":{"b":2},"choices":[{"usage":{"c":3}}]}`, facts{usage: []byte(`{"b":2}`), depth: 1, choices: 1}},
		"words in text":     {`{"choices":[{"delta":{"content":"\"usage\":{\"error\":1}"}}]}`, facts{content: true, bytes: 19, choices: 1}},
		"error":             {`{"error":{"message":"x"}}`, facts{fault: true}},
		"error null":        {`{"error":null,"choices":[]}`, facts{}},
		"error of old vLLM": {`{"object":"error","message":"x"}`, facts{fault: true}},
		"content elsewhere": {`{"content":"x","meta":{"text":"y"}}`, facts{}},
	}
	for name, tt := range tests {
		got, ok := scan([]byte(tt.in))
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(facts{})); diff != "" || !ok {
			t.Errorf("%s: ok %v (-want +got):\n%s", name, ok, diff)
		}
	}
	for _, in := range []string{``, ` `, `[]`, `"x"`, `{`, `{"a":"b`, `{"a":}`, `{"a":[}`, `{"a":1}}`, `{"usage":{`, `{"choices":[{"delta":{"content":"x\"`, `{"a":`} {
		if f, ok := scan([]byte(in)); ok && json.Valid([]byte(in)) {
			t.Errorf("%q passed: %+v", in, f)
		}
	}
}

// TestScanAgreesWithAParser: on valid events the walk finds what a parser finds.
func TestScanAgreesWithAParser(t *testing.T) {
	type delta struct {
		Content   string `json:"content"`
		Reasoning string `json:"reasoning_content,omitempty"`
	}
	type choice struct {
		Index  int     `json:"index"`
		Delta  delta   `json:"delta"`
		Finish *string `json:"finish_reason"`
	}
	type event struct {
		ID      string         `json:"id"`
		Choices []choice       `json:"choices"`
		Usage   map[string]int `json:"usage"`
	}
	rapid.Check(t, func(t *rapid.T) {
		ev := event{ID: rapid.String().Draw(t, "id")}
		size, seen, finished := 0, choices(0), choices(0)
		for range rapid.IntRange(0, 3).Draw(t, "choices") {
			c := choice{Index: rapid.IntRange(0, 40).Draw(t, "index"), Delta: delta{rapid.String().Draw(t, "text"), rapid.String().Draw(t, "thought")}}
			if rapid.Bool().Draw(t, "finished") {
				stop := rapid.String().Draw(t, "finish")
				c.Finish = &stop
				finished |= 1 << c.Index
			}
			seen |= 1 << c.Index
			size += len(c.Delta.Content) + len(c.Delta.Reasoning)
			ev.Choices = append(ev.Choices, c)
		}
		if rapid.Bool().Draw(t, "counted") {
			ev.Usage = map[string]int{rapid.String().Draw(t, "key"): 1}
		}
		raw, err := json.Marshal(ev)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "indented") {
			raw, _ = json.MarshalIndent(ev, " ", "\t")
		}
		f, ok := scan(raw)
		if !ok || f.bytes != size || f.content != (size > 0) || f.finished != finished || (f.usage != nil) != (ev.Usage != nil) || f.choices != seen {
			t.Fatalf("%s: %+v, ok %v, want %d bytes", raw, f, ok, size)
		}
	})
}

// FuzzEvent: whatever a server sends as an event, nothing breaks, and what is
// called whole is at least balanced.
func FuzzEvent(f *testing.F) {
	f.Add(`{"choices":[{"delta":{"content":"a\u00e9\\"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens_details":{"reasoning_tokens":1}}}`)
	f.Add(`{"error":{"message":"x"},"x_groq":{"usage":{}}}`)
	f.Fuzz(func(t *testing.T, in string) {
		ev := event{}
		ev.Data = []byte(in)
		ev.inspect()
		if ev.kind == eventUsage {
			usage.OpenAI(ev.usage)
		}
		if facts, ok := scan([]byte(in)); ok {
			if facts.bytes > len(in) || facts.bytes < 0 {
				t.Fatalf("%d bytes of text in %q", facts.bytes, in)
			}
		} else if json.Valid([]byte(in)) && strings.HasPrefix(strings.TrimSpace(in), "{") {
			t.Fatalf("valid object %q was refused", in)
		}
	})
}
