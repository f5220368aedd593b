package gateway

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/internal/prompt"
	"github.com/cartrita/cartrita/model"
)

func TestParseRefusesBadBodiesByField(t *testing.T) {
	const ok = `"messages":[{"role":"user","content":"x"}]`
	for _, c := range []struct {
		name, body, param, message string
	}{
		{"empty object", `{}`, "model", `is missing; want the name of a model, or "auto"`},
		{"not JSON", `{"model":`, "", "not a valid JSON object"},
		{"array", `[]`, "", "want a JSON object"},
		{"trailing text", `{"model":"x",` + ok + `} x`, "", "text after the end"},
		{"invalid UTF-8", "{\"model\":\"\xff\"," + ok + "}", "", "invalid UTF-8"},
		{"duplicate", `{"model":"a","model":"b",` + ok + `}`, "model", "stands twice"},
		{"escaped duplicate", `{"model":"a","\u006dodel":"b",` + ok + `}`, "model", "stands twice"},
		{"case variant", `{"model":"a","Model":"b",` + ok + `}`, "Model", `differs from "model" in letter case only`},
		{"folded letter", `{"model":"a","max_to\u212aens":5,` + ok + `}`, "max_to\u212aens", `differs from "max_tokens"`},
		{"case variant of ours", `{"model":"a","CARTRITA":{},` + ok + `}`, "CARTRITA", `differs from "cartrita"`},
		{"model type", `{"model":5,` + ok + `}`, "model", "want a string, found a number"},
		{"model empty", `{"model":"",` + ok + `}`, "model", "is empty"},
		{"model null", `{"model":null,` + ok + `}`, "model", "is empty"},
		{"no messages", `{"model":"a"}`, "messages", "is missing"},
		{"messages type", `{"model":"a","messages":"x"}`, "messages", "want an array"},
		{"no message", `{"model":"a","messages":[]}`, "messages", "at least one"},
		{"message type", `{"model":"a","messages":["x"]}`, "messages[0]", "want an object"},
		{"no role", `{"model":"a","messages":[{"role":"user","content":"x"},{"content":"x"}]}`, "messages[1].role", "want a string"},
		{"content type", `{"model":"a","messages":[{"role":"user","content":5}]}`, "messages[0].content", "want a string or an array"},
		{"part type", `{"model":"a","messages":[{"role":"user","content":[5]}]}`, "messages[0].content[0]", "want an object"},
		{"stream", `{"model":"a","stream":"yes",` + ok + `}`, "stream", "want true or false, found a string"},
		{"stream options", `{"model":"a","stream_options":[],` + ok + `}`, "stream_options", "want an object, found an array"},
		{"include usage", `{"model":"a","stream_options":{"include_usage":1},` + ok + `}`, "stream_options.include_usage", "want true or false"},
		{"max tokens zero", `{"model":"a","max_tokens":0,` + ok + `}`, "max_tokens", "want an integer from 1"},
		{"max tokens fraction", `{"model":"a","max_tokens":1.5,` + ok + `}`, "max_tokens", "want an integer from 1"},
		{"max tokens huge", `{"model":"a","max_completion_tokens":99999999999999999999,` + ok + `}`, "max_completion_tokens", "want an integer from 1"},
		{"max tokens type", `{"model":"a","max_tokens":"5",` + ok + `}`, "max_tokens", "want a positive integer, found a string"},
		{"n", `{"model":"a","n":-1,` + ok + `}`, "n", "want an integer from 1"},
		{"tools", `{"model":"a","tools":{},` + ok + `}`, "tools", "want an array, found an object"},
		{"response format", `{"model":"a","response_format":"json",` + ok + `}`, "response_format", "want an object"},
		{"response format type", `{"model":"a","response_format":{"type":1},` + ok + `}`, "response_format.type", "want a string"},
		{"user", `{"model":"a","user":5,` + ok + `}`, "user", "want a string"},
		{"metadata", `{"model":"a","metadata":"x",` + ok + `}`, "metadata", "want an object"},
		{"ours", `{"model":"a","cartrita":"x",` + ok + `}`, "cartrita", "want an object"},
	} {
		_, err := parseChat([]byte(c.body))
		checkError(t, c.name, err, c.param, c.message)
	}
}

func checkError(t *testing.T, name string, err *model.Error, param, message string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s: accepted", name)
	case err.Kind != model.KindInvalid || err.Param != param || !strings.Contains(err.Message, message):
		t.Errorf("%s: %s, param %q, %q; want param %q, %q", name, err.Kind, err.Param, err.Message, param, message)
	}
}

func TestParseTextRefusesBadInputs(t *testing.T) {
	for _, c := range []struct{ body, param, message string }{
		{`{"model":"a"}`, "input", "is missing"},
		{`{"model":"a","input":null}`, "input", "found null"},
		{`{"model":"a","input":""}`, "input", "is empty"},
		{`{"model":"a","input":[ ]}`, "input", "is empty"},
		{`{"model":"a","input":[{}]}`, "input[0]", "found an object"},
		{`{"model":"a","input":{}}`, "input", "found an object"},
		{`{"model":"a","stream":true,"input":"x"}`, "stream", "not for embeddings"},
	} {
		_, err := parseEmbeddings([]byte(c.body))
		checkError(t, c.body, err, c.param, c.message)
	}
	_, err := parseCompletion([]byte(`{"model":"a"}`))
	checkError(t, "completion", err, "prompt", "is missing")
}

func TestParseReadsWhatRoutingNeeds(t *testing.T) {
	q, err := parseChat([]byte(`{"model":"auto:speed-first","temperature":0.5,"unknown":{"a":[1]},"stream":true,
		"stream_options":{"include_usage":true},"max_tokens":10,"max_completion_tokens":20,"n":2,
		"tools":[{"type":"function"}],"response_format":{"type":"json_schema","json_schema":{}},"modalities":["text","audio"],
		"messages":[{"role":"system","content":"abc"},{"role":"user","content":[{"type":"text","text":"de\n"},
		{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAAAAAA"}},{"type":"input_audio","input_audio":{"data":"AAAA"}},
		{"type":"file","file":{"file_id":"f"}}]},{"role":"assistant","content":null}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c := q.call
	needs := model.Features(model.FeatureTools, model.FeatureJSONSchema, model.FeatureVision, model.FeatureAudioInput,
		model.FeatureFileInput, model.FeatureAudioOutput)
	if c.Model != "auto:speed-first" || !c.Stream || !c.WantsUsage || c.MaxOutput != model.Known(20) || c.Images != 1 || c.Attached != prompt.Anything || c.Needs != needs {
		t.Errorf("call %+v, needs %s", c, c.Needs)
	}
	if want := int64(len(`abcde\n`) + len(`[{"type":"function"}]`) + len(`{}`)); c.PromptBytes != want {
		t.Errorf("%d prompt bytes, want %d", c.PromptBytes, want)
	}
}

func TestParseTakesNullsAndEmptyListsAsAbsent(t *testing.T) {
	q, err := parseChat([]byte(`{"model":"a","stream":null,"stream_options":null,"max_tokens":null,"n":null,"tools":null,"functions":[ ],
		"response_format":null,"modalities":null,"user":null,"metadata":null,"cartrita":null,"messages":[{"role":"user","content":"x"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if q.call.Stream || q.call.MaxOutput.Known || q.call.Needs != 0 {
		t.Errorf("call %+v", q.call)
	}
}

func TestParseCountsTokenNumbersExactly(t *testing.T) {
	for body, want := range map[string]int64{
		`{"model":"a","input":[1,2,3]}`:     3,
		`{"model":"a","input":[[1,2],[3]]}`: 3,
		`{"model":"a","input":["ab","c"]}`:  0,
		`{"model":"a","input":"abc"}`:       0,
	} {
		q, err := parseEmbeddings([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if got := q.call.PromptTokens.Or(0); got != want || want == 0 && q.call.PromptBytes != 3 {
			t.Errorf("%s: %d tokens, %d bytes", body, got, q.call.PromptBytes)
		}
	}
}

func TestOurOwnMemberIsNotForwarded(t *testing.T) {
	q, err := parseChat([]byte(`{"model":"a","cartrita":{"strategy":"balanced"},"messages":[{"role":"user","content":"x"}],"seed":7}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(q.call.Body.Raw), `{"model":"a","messages":[{"role":"user","content":"x"}],"seed":7}`; got != want {
		t.Errorf("body %s, want %s", got, want)
	}
	if v, ok := q.call.Body.Get("seed"); !ok || string(v) != "7" {
		t.Errorf("the index of the new body is wrong: seed is %s", v)
	}
}

// FuzzParseChat checks on any body: no panic; what is accepted is valid JSON
// with one exact model member; the body to forward holds nothing of ours; and
// the measures are within the body.
func FuzzParseChat(f *testing.F) {
	for _, seed := range []string{
		chatBody, streamBody, `{}`, `{"model":"a","cartrita":{"strategy":"x"},"messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}`,
		`{"model":"a","messages":[{"role":"user","content":null,"tool_calls":[{}]}],"tools":[{}],"response_format":{"type":"json_schema"}}`,
		`{"model":"a","Messages":[],"messages":[{"role":"r"}],"metadata":{"user_id":"u\u0000"},"user":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	g := &Gateway{criteria: newCriteriaDecoder()}
	f.Fuzz(func(t *testing.T, raw []byte) {
		q, err := parseChat(raw)
		if err != nil {
			if err.Kind != model.KindInvalid || err.Message == "" {
				t.Errorf("error %+v", err)
			}
			return
		}
		c := q.call
		if !json.Valid(raw) || !json.Valid(c.Body.Raw) {
			t.Fatalf("accepted invalid JSON %q", raw)
		}
		if c.Model == "" || c.PromptBytes < 0 || c.PromptBytes > int64(len(raw)) || c.Images > len(raw) {
			t.Errorf("call %+v from %q", c, raw)
		}
		if _, ours := c.Body.Get("cartrita"); ours {
			t.Errorf("our member is forwarded: %s", c.Body.Raw)
		}
		var loose struct{ Model string }
		if json.Unmarshal(c.Body.Raw, &loose) == nil && loose.Model != c.Model {
			t.Errorf("a case-insensitive reader sees the model %q, we see %q", loose.Model, c.Model)
		}
		if err := g.wishes(q, nil, anybody); err != nil && err.Kind != model.KindInvalid {
			t.Errorf("wishes: %v", err)
		}
	})
}

func FuzzParseText(f *testing.F) {
	f.Add([]byte(`{"model":"a","input":[[1,2],[3]]}`))
	f.Add([]byte(`{"model":"a","input":"x","prompt":["a","b"]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, parse := range []func([]byte) (*request, *model.Error){parseEmbeddings, parseCompletion} {
			if q, err := parse(raw); err == nil && (!json.Valid(raw) || q.call.PromptBytes > int64(len(raw))) {
				t.Errorf("accepted %q as %+v", raw, q.call)
			}
		}
	})
}
