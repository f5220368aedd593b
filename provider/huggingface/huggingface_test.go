package huggingface_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/huggingface"
	"github.com/cartrita/cartrita/provider/providertest"
	"github.com/cartrita/cartrita/provider/upstream"
)

var update = flag.Bool("update", false, "write the golden sections of the recordings")

func newClient(t testing.TB, cfg upstream.Config) *huggingface.Client {
	c, err := huggingface.New(huggingface.Config{Config: cfg, Clock: func() time.Time { return time.Unix(1790000000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConformance(t *testing.T) {
	providertest.Run(t, providertest.Vendor{
		New: func(t testing.TB, cfg upstream.Config) provider.Client { return newClient(t, cfg) },
		Endpoint: model.Endpoint{ID: "huggingface/llama", Provider: "huggingface", Kind: model.ProviderHuggingFace,
			BaseURL: "/v1", Upstream: "meta-llama/Llama-3.1-8B-Instruct:hf-inference"},
		Dir:    "testdata/conformance",
		Update: *update,
	})
}

// exchange plays one answer and returns what was sent.
func exchange(t *testing.T, base, upstreamName, answer string, call *model.Call) (sent string, resp *provider.Response, err error) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		sent = req.URL.Path + " " + string(body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	c := newClient(t, upstream.Config{})
	t.Cleanup(func() { _ = c.Close() })
	resp, err = c.Do(context.Background(), &model.Endpoint{BaseURL: srv.URL + base, Upstream: upstreamName}, call)
	return sent, resp, err
}

func newCall(t *testing.T, surface model.Surface, task model.Task, body string) *model.Call {
	obj, err := jsonscan.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return &model.Call{Surface: surface, Task: task, Body: obj, Stream: strings.Contains(body, `"stream":true`)}
}

func TestTasks(t *testing.T) {
	const messages = `{"messages":[{"role":"user","content":"no"},{"role":"assistant","content":"x"},` +
		`{"role":"user","content":[{"type":"text","text":"Nice \"day\""},{"type":"text","text":"!"}]}],"parameters":{"top_k":2}}`
	tests := map[string]struct {
		base, upstream string
		task           model.Task
		answer         string
		sent, text     string
	}{
		"classification": {"/hf-inference", "a/b", model.TaskClassification,
			`[[{"label":"POSITIVE","score":0.99},{"label":"NEGATIVE","score":0.01}]]`,
			`/hf-inference/models/a/b/pipeline/text-classification {"inputs":"Nice \"day\"!","parameters":{"top_k":2}}`,
			`[{"label":"POSITIVE","score":0.99},{"label":"NEGATIVE","score":0.01}]`},
		"classification, flat": {"/hf-inference", "a/b:hf-inference", model.TaskClassification, `[{"label":"A","score":1}]`,
			`/hf-inference/models/a/b/pipeline/text-classification {"inputs":"Nice \"day\"!","parameters":{"top_k":2}}`, `[{"label":"A","score":1}]`},
		"summarization": {"/hf-inference", "a/b", model.TaskSummarization, `[{"summary_text":"A day."}]`,
			`/hf-inference/models/a/b/pipeline/summarization {"inputs":"Nice \"day\"!","parameters":{"top_k":2}}`, "A day."},
		"translation, dedicated": {"", "a/b", model.TaskTranslation, `{"translation_text":"Schöner \"Tag\"!"}`,
			`/ {"inputs":"Nice \"day\"!","parameters":{"top_k":2}}`, `Schöner "Tag"!`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sent, resp, err := exchange(t, tt.base, tt.upstream, tt.answer, newCall(t, model.SurfaceChat, tt.task, messages))
			if err != nil {
				t.Fatal(err)
			}
			if sent != tt.sent {
				t.Errorf("sent %s\nwant %s", sent, tt.sent)
			}
			var got struct {
				Choices []struct{ Message struct{ Content string } }
			}
			if err := json.Unmarshal(resp.Body, &got); err != nil || len(got.Choices) != 1 {
				t.Fatalf("%s: %v", resp.Body, err)
			}
			if text := got.Choices[0].Message.Content; text != tt.text || resp.Usage.Source != "" {
				t.Errorf("text %q, usage %+v; want %q and none", text, resp.Usage, tt.text)
			}
			streamed := strings.Replace(messages, "{", `{"stream":true,`, 1)
			_, resp, err = exchange(t, tt.base, tt.upstream, tt.answer, newCall(t, model.SurfaceChat, tt.task, streamed))
			if err != nil {
				t.Fatal(err)
			}
			first, err1 := resp.Stream.Next()
			last, err2 := resp.Stream.Next()
			_, end := resp.Stream.Next()
			if err1 != nil || err2 != nil || !errors.Is(end, io.EOF) || !first.Content || first.OutputBytes != len(tt.text) || !last.Done {
				t.Errorf("stream: %+v %v, %+v %v, %v", first, err1, last, err2, end)
			}
		})
	}
}

func TestChatBesideTasks(t *testing.T) {
	const answer = `{"id":"1","object":"chat.completion","choices":[]}`
	for base, want := range map[string]string{
		"/v1":           "/v1/chat/completions",
		"/hf-inference": "/hf-inference/models/a/b/v1/chat/completions",
		"/dedicated":    "/dedicated/v1/chat/completions",
	} {
		for _, task := range []model.Task{model.TaskChat, model.TaskCodeGeneration} {
			sent, _, err := exchange(t, base, "a/b", answer, newCall(t, model.SurfaceChat, task, `{"messages":[]}`))
			if err != nil || !strings.HasPrefix(sent, want+" ") {
				t.Errorf("%s: sent %s, %v; want %s", base, sent, err, want)
			}
		}
	}
	sent, _, err := exchange(t, "/v1", "a/b", answer, newCall(t, model.SurfaceChat, model.TaskSummarization, `{"messages":[]}`))
	if err != nil || !strings.HasPrefix(sent, "/v1/chat/completions ") {
		t.Errorf("a task on the router: sent %s, %v", sent, err)
	}
}

func TestEmbeddings(t *testing.T) {
	tests := map[string]struct {
		body, answer string
		want         string // of data, or the error
		kind         model.Kind
	}{
		"one text, flat":   {`{"input":"a"}`, `[0.5,-1]`, `[{"object":"embedding","index":0,"embedding":[0.5,-1]}]`, 0},
		"one text, nested": {`{"input":"a"}`, `[[0.5,-1]]`, `[{"object":"embedding","index":0,"embedding":[0.5,-1]}]`, 0},
		"base64":           {`{"input":["a"],"encoding_format":"base64"}`, `[[1,-2]]`, `[{"object":"embedding","index":0,"embedding":"AACAPwAAAMA="}]`, 0},
		"per token":        {`{"input":["a"]}`, `[[[1,2],[3,4]]]`, "one per token", model.KindUpstream},
		"too few":          {`{"input":["a","b"]}`, `[[1,2]]`, "not one vector per input", model.KindUpstream},
		"an object":        {`{"input":["a"]}`, `{"x":1}`, "not one vector per input", model.KindUpstream},
		"no JSON":          {`{"input":["a"]}`, `[[1,`, "not JSON", model.KindUpstream},
		"tokens":           {`{"input":[[1,2]]}`, ``, "input", model.KindInvalid},
		"nothing":          {`{"input":[]}`, ``, "input", model.KindInvalid},
		"dimensions":       {`{"input":"a","dimensions":8}`, ``, "dimensions", model.KindInvalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, resp, err := exchange(t, "/v1", "a/b", tt.answer, newCall(t, model.SurfaceEmbeddings, model.TaskEmbeddings, tt.body))
			if tt.kind != 0 {
				if e := model.AsError(err); e == nil || e.Kind != tt.kind || !strings.Contains(e.Param+e.Message, tt.want) {
					t.Fatalf("got %v, want %s about %s", err, tt.kind, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			obj, err := jsonscan.Parse(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if data, _ := obj.Get("data"); string(data) != tt.want {
				t.Errorf("data %s, want %s", data, tt.want)
			}
		})
	}
}

func TestEmbeddingsElsewhere(t *testing.T) {
	_, _, err := exchange(t, "/v1", "a/b:nebius", "[]", newCall(t, model.SurfaceEmbeddings, model.TaskEmbeddings, `{"input":"a"}`))
	if model.KindOf(err) != model.KindUpstream {
		t.Errorf("got %v, want %s", err, model.KindUpstream)
	}
}

func TestNoUserText(t *testing.T) {
	for _, body := range []string{`{}`, `{"messages":[]}`, `{"messages":[{"role":"system","content":"x"}]}`, `{"messages":[{"role":"user","content":null}]}`} {
		_, _, err := exchange(t, "/hf-inference", "a/b", "[]", newCall(t, model.SurfaceChat, model.TaskSummarization, body))
		if model.KindOf(err) != model.KindInvalid {
			t.Errorf("%s: got %v, want %s", body, err, model.KindInvalid)
		}
	}
}
