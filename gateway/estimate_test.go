package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/model"
)

func TestEstimateTakesALevel(t *testing.T) {
	w := newWorld(t)
	decode[map[string]any](t, w.do("POST", "/api/v1/estimate", `{"model":"gpt-4o","level":0.8,"max_tokens":100,"task_type":"summarization"}`), 200)
	got := w.service.estimate
	if got.Level == nil || *got.Level != 0.8 || got.MaxTokens == nil || *got.MaxTokens != 100 || got.Model != "gpt-4o" || *got.Task != model.TaskSummarization {
		t.Errorf("%+v", got)
	}
	if body := text(t, w.do("POST", "/api/v1/estimate", `{"levl":0.8}`)); !strings.Contains(body, `did you mean \"level\"?`) {
		t.Errorf("%s", body)
	}
}

func TestCalibrationIsServed(t *testing.T) {
	w := newWorld(t)
	got := decode[struct{ Calibration []cartrita.Calibration }](t, w.do("GET", "/api/v1/estimate/calibration", ""), 200)
	if len(got.Calibration) != 1 || got.Calibration[0].Covered != 36 || got.Calibration[0].Note == "" {
		t.Errorf("%+v", got)
	}
	metrics := text(t, w.do("GET", "/metrics", ""))
	for _, want := range []string{
		`cartrita_estimate_calls_total{model="openai/gpt-4o",task="chat-completions"} 40`,
		`cartrita_estimate_covered_total{model="openai/gpt-4o",task="chat-completions"} 36`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

const batch = `{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}]}

{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}}
{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o","messages":[{"content":"hi"}]}}
{"custom_id":"c","body":{"model":"nobody","messages":[{"role":"user","content":"hi"}]}}
{"model":"gpt-4o","messages":[{"role":"user"
{"input":["ab","cd"]}
{"model":"gpt-4o","max_tokens":"many","prompt":"x"}
{"custom_id":"d","url":"/v1/images","body":{}}
{"custom_id":"e","boddy":1,"body":{}}
`

func TestEstimateBatchReportsEveryLine(t *testing.T) {
	w := newWorld(t)
	r := decode[cartrita.BatchReport](t, w.do("POST", "/api/v1/estimate/batch?level=0.8", batch), 200)
	if r.Lines != 10 || r.Calls != 9 || r.Level != 0.8 || r.Total == nil || r.Total.Calls != 3 || r.Total.Expected != 3*model.USD {
		t.Errorf("%+v, total %+v", r, r.Total)
	}
	want := []cartrita.BatchError{
		{Line: 4, ID: "b", Field: "body.messages[0].role"},
		{Line: 5, ID: "c", Field: "model"},
		{Line: 6},
		{Line: 8, Field: "max_tokens"},
		{Line: 9, ID: "d", Field: "url"},
		{Line: 10, ID: "e", Field: "boddy"},
	}
	if len(r.Errors) != len(want) {
		t.Fatalf("errors %+v", r.Errors)
	}
	for i, e := range r.Errors {
		if e.Message == "" {
			t.Errorf("line %d has no message", e.Line)
		}
		if e.Message = ""; e != want[i] {
			t.Errorf("error %+v, want %+v", e, want[i])
		}
	}
	if len(r.Errors)+int(r.Total.Calls) != r.Calls {
		t.Errorf("%d calls, of which %d summed and %d refused", r.Calls, r.Total.Calls, len(r.Errors))
	}
}

func TestEstimateBatchComparesModels(t *testing.T) {
	w := newWorld(t)
	r := decode[cartrita.BatchReport](t, w.do("POST", "/api/v1/estimate/batch?model=a&model=b", batch), 200)
	if r.Total != nil || len(r.Models) != 2 || r.Models[0].Model != "a" || r.Models[1].Model != "b" || r.Models[1].Calls != 4 {
		t.Errorf("%+v", r)
	}
	// A model that there is not fails once, not with every line.
	resp := w.do("POST", "/api/v1/estimate/batch?model=a,nobody&model=b", batch)
	if e := decodeError(t, resp); resp.StatusCode != http.StatusNotFound || e.Param == nil || *e.Param != "model" {
		t.Errorf("an unknown model to compare gives %d %+v", resp.StatusCode, e)
	}
}

func TestEstimateBatchRefuses(t *testing.T) {
	w := newWorld(t)
	for query, want := range map[string]string{
		"?level=2":                           "level: want a share",
		"?modell=a":                          "modell",
		"?model=" + strings.Repeat("a,", 17): "17 models",
	} {
		resp := w.do("POST", "/api/v1/estimate/batch"+query, "{}")
		if body := text(t, resp); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", query, resp.StatusCode, body)
		}
	}
	if resp := w.do("POST", "/api/v1/estimate/batch", strings.Repeat("{}\n", maxBatchLines+1)); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("too many lines: %d", resp.StatusCode)
	}
}

// FuzzParseLine: no line makes it panic, an error names what it is about, and
// a request that is read can be measured.
func FuzzParseLine(f *testing.F) {
	for line := range strings.SplitSeq(batch, "\n") {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		q, _, err := parseLine(line)
		if err != nil {
			if err.Kind == model.KindInvalid && err.Message == "" {
				t.Fatalf("%q: an error without a message", line)
			}
			return
		}
		if q == nil || q.call.Model == "" || q.call.PromptBytes < 0 || q.call.PromptBytes > int64(len(line)) {
			t.Fatalf("%q: %+v", line, q)
		}
	})
}
