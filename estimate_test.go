//go:build !race

package cartrita_test

import (
	"encoding/json"
	"testing"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
)

// upstreamGPT makes endpoint a one whose tokenizer is known.
func upstreamGPT(e *model.Endpoint) {
	if e.ID == "lab/a" {
		e.Upstream = "gpt-4o"
	}
}

func TestEstimateCountsByTheModelsTokenizer(t *testing.T) {
	l := newLab(t, script{}, upstreamGPT)
	got, err := l.Estimate(t.Context(), cartrita.EstimateRequest{
		Criteria: cartrita.Criteria{Messages: json.RawMessage(`[{"role":"user","content":"hello world"}]`)},
	})
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, e := range got {
		switch {
		case e.Endpoint == "lab/a": // two words and the end of the line; 4 for the message, 3 for the chat
			if e.Method != string(model.MethodCounted) || e.Estimate.InputTokens != 3+4+3 || e.Factors.Prompt.Low != 10 {
				t.Errorf("counted: %+v", e)
			}
		case e.Method == string(model.MethodCounted):
			t.Errorf("no tokenizer is known for %s: %+v", e.Endpoint, e)
		}
		if e.Level != 0.9 || e.Confidence != cost.ConfidenceLow || e.Breakdown == nil || e.Breakdown.Output == 0 {
			t.Errorf("explained: %+v", e)
		}
	}
}

func TestEstimateCallCountsToolsToo(t *testing.T) {
	l := newLab(t, script{}, upstreamGPT)
	call := newCall(t, false)
	bare, err := l.EstimateCall(t.Context(), call, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	body, err := jsonscan.Parse([]byte(`{"model":"auto","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	call.Body = body
	with, err := l.EstimateCall(t.Context(), call, 0.9)
	if err != nil || bare.Endpoint != "lab/a" || with.InputTokens < bare.InputTokens+10 {
		t.Errorf("without tools %+v, with them %+v (%v)", bare, with, err)
	}
}

func TestEstimateAtALevel(t *testing.T) {
	l := newLab(t, script{})
	width := func(level float64) model.Money {
		got, err := l.Estimate(t.Context(), cartrita.EstimateRequest{Level: &level})
		if err != nil {
			t.Fatal(err)
		}
		return got[0].Estimate.High - got[0].Estimate.Low
	}
	if a, b := width(0.5), width(0.99); a >= b {
		t.Errorf("the interval is %v wide at 50 %% and %v at 99 %%", a, b)
	}
	high, none := 1.0, int64(0)
	if _, err := l.Estimate(t.Context(), cartrita.EstimateRequest{Level: &high}); model.AsError(err) == nil || model.AsError(err).Param != "level" {
		t.Errorf("level 1: %v", err)
	}
	if _, err := l.Estimate(t.Context(), cartrita.EstimateRequest{MaxTokens: &none}); model.AsError(err) == nil || model.AsError(err).Param != "max_tokens" {
		t.Errorf("no tokens: %v", err)
	}
}

// Only calls that completed, with usage from upstream, tell how estimates hold.
func TestCalibrationCountsSettledCalls(t *testing.T) {
	reported := model.Usage{Input: model.Known(10), Output: model.Known(200), Source: model.UsageUpstream}
	l := newLab(t, script{
		"a": answers(`{}`, reported),
		"b": answers(`{"choices":[{"message":{"content":"hi"}}]}`, model.Usage{}),
		"c": fails(model.KindInvalid),
	})
	for name, times := range map[string]int{"m-a": 4, "m-b": 3, "m-c": 2} {
		for range times {
			call := newCall(t, false)
			call.Model = name
			_, _ = l.Serve(t.Context(), call, &page{}) // some of them fail
		}
	}
	got := l.Calibration()
	if len(got) != 1 || got[0].Model != "m-a" || got[0].Task != model.TaskChat || got[0].Calls != 4 || got[0].Covered != 4 {
		t.Errorf("%+v", got)
	}
}
