package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/memory"
)

// storePrompt stores a call with a vector, one that ends n minutes after base.
func storePrompt(t *testing.T, s *memory.Store, n int, vector []float32, change func(*model.Record)) model.CallID {
	t.Helper()
	ended := time.Date(2026, 11, 1, 12, n, 0, 0, time.UTC)
	rec := &model.Record{
		ID: model.CallID{1: byte(n), 15: 1}, Received: ended.Add(-time.Second), Surface: model.SurfaceChat, Task: model.TaskChat, State: model.StateCompleted,
		Model: "m/a", Endpoint: "p/a", Provider: "p", LatencyMS: 100 * float64(n), Cost: model.CostBreakdown{Total: model.Money(n) * model.USD},
		Attempts: []model.Attempt{{Endpoint: "p/a", Model: "m/a", Status: 200, LatencyMS: 10, Cost: model.Money(n) * model.USD}},
	}
	if change != nil {
		change(rec)
	}
	c := event.Call{Ended: ended, Summary: event.Summarize(rec), RecordJSON: event.AppendRecord(nil, rec)}
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{c}}); err != nil {
		t.Fatal(err)
	}
	if err := s.SavePrompts(t.Context(), []event.Prompt{{Call: rec.ID, At: ended, Embedder: "lab/vectors-2", Vector: vector}}); err != nil {
		t.Fatal(err)
	}
	return rec.ID
}

func TestCallsAreFoundByWhatTheyWereAsked(t *testing.T) {
	w, kw, e := withPrompts(t, nil)
	near := storePrompt(t, kw.store, 1, []float32{1, 2}, nil)
	nearer := storePrompt(t, kw.store, 2, []float32{2, 4.1}, func(r *model.Record) { r.Cost.Unpriced = true })
	fell := storePrompt(t, kw.store, 3, []float32{1, 1}, func(r *model.Record) { // over from another model
		r.Model, r.Endpoint, r.Caller.Team = "m/b", "p/b", "a"
		r.Attempts[0].Model, r.Attempts[0].Endpoint = "m/b", "p/b"
		failed := model.Attempt{Endpoint: "p/a", Model: "m/a", Status: 500, LatencyMS: 5, Error: &model.Failure{Kind: model.KindUpstream}}
		unsent := model.Attempt{Endpoint: "p/c", Model: "m/c", Error: &model.Failure{Kind: model.KindBudget}}
		r.Attempts = append([]model.Attempt{failed, unsent}, r.Attempts...)
	})
	storePrompt(t, kw.store, 4, []float32{-1, -2}, nil)
	_, operator := kw.make(t, key.Fields{Name: ptr("op"), Role: ptr(key.RoleOperator)})
	_, viewer := kw.make(t, key.Fields{Name: ptr("view"), Role: ptr(key.RoleViewer)})
	_, caller := kw.make(t, key.Fields{Name: ptr("app"), Role: ptr(key.RoleCaller)})
	ask := func(token, body string) *http.Response {
		return w.do("POST", "/api/v1/calls/similar", body, "Authorization", "Bearer "+token)
	}

	got := decode[SimilarCalls](t, ask(operator, `{"text":"like this","limit":3}`), 200)
	ids := fmt.Sprint(got.Calls[0].ID, got.Calls[1].ID, got.Calls[2].ID)
	if got.Embedder != "lab/vectors-2" || len(got.Calls) != 3 || ids != fmt.Sprint(near, nearer, fell) {
		t.Fatalf("%+v", got)
	}
	c := got.Calls[2]
	if c.Score < 0.9 || c.Score >= got.Calls[1].Score || c.State != model.StateCompleted || c.Model != "m/b" || c.Endpoint != "p/b" || c.Provider != "p" ||
		c.Cost != 3*model.USD || c.LatencyMS != 300 || c.Attempts != 3 || c.Ended.Minute() != 3 {
		t.Errorf("%+v", c)
	}
	models, err := json.Marshal(got.Models)
	if err != nil {
		t.Fatal(err)
	}
	if want := `[{"model":"m/a","calls":2,"failures":1,"unpriced_calls":1,"mean_cost_usd":1,"mean_latency_ms":150},{"model":"m/b","calls":1,"failures":0,"unpriced_calls":0,"mean_cost_usd":3,"mean_latency_ms":300}]`; string(models) != want {
		t.Errorf("models: %s\nwant    %s", models, want)
	}
	if e.calls[0].Criteria.Context.Priority != model.PriorityMedium || w.events.flushes == 0 {
		t.Errorf("%+v after %d flushes", e.calls[0], w.events.flushes)
	}

	// By a call, which is not in its own answer; who only reads may ask for that.
	asked := len(e.calls)
	got = decode[SimilarCalls](t, ask(viewer, `{"call":"`+near.String()+`","limit":1}`), 200)
	if len(got.Calls) != 1 || got.Calls[0].ID != nearer || len(e.calls) != asked {
		t.Errorf("by a call: %+v", got)
	}
	for filter, want := range map[string]int{
		`"team":"a"`: 1, `"model":"m/a"`: 3, `"since":"2026-11-01T12:02:00Z"`: 3, `"since":"2026-11-01T12:02:00Z","until":"2026-11-01T12:03:00Z"`: 1, `"user":"nobody"`: 0,
	} {
		got := decode[SimilarCalls](t, ask(operator, `{"text":"x",`+filter+`}`), 200)
		if len(got.Calls) != want || got.Models == nil {
			t.Errorf("%s: %+v, want %d", filter, got, want)
		}
	}
	if resp := ask(viewer, `{"text":"x"}`); resp.StatusCode != http.StatusForbidden {
		t.Errorf("who may not send calls: %s", text(t, resp))
	}
	if resp := ask(caller, `{"text":"x"}`); resp.StatusCode != http.StatusForbidden {
		t.Errorf("who may not read: %s", text(t, resp))
	}
	for body, want := range map[string]string{
		`{}`: "text", `{"text":" "}`: "text", `{"text":"x","call":"y"}`: "call", `{"call":"y"}`: "call", `{"text":"x","limit":101}`: "limit", `{"text":"x","limit":-1}`: "limit",
		`{"text":"x","since":"soon"}`: "since", `{"text":"x","task_type":"magic"}`: "task_type", `{"text":"x","colour":"red"}`: "colour", `{"text":"x","user":""}`: "user", `{"text":"x","since":"1d","until":"2d"}`: "until", `{"text":5}`: "text",
	} {
		if e := decodeError(t, ask(operator, body)); e.Param == nil || *e.Param != want {
			t.Errorf("%s: %+v, want a fault of %s", body, e, want)
		}
	}
	if resp := ask(operator, `{"call":"01990a5d-ac96-774b-bcce-b302099a8057"}`); resp.StatusCode != http.StatusNotFound {
		t.Errorf("of a call without a vector: %s", text(t, resp))
	}
	e.refuse = model.Errorf("", model.KindBudget, "no money left")
	if resp := ask(operator, `{"text":"x"}`); resp.StatusCode != http.StatusPaymentRequired {
		t.Errorf("beyond a budget: %s", text(t, resp))
	}
}

// A long text is compared as the prompts are: by its beginning.
func TestALongTextIsCut(t *testing.T) {
	w, _, _ := withPrompts(t, nil)
	var sent []int
	w.service.serve = func(_ context.Context, call *model.Call, out cartrita.Writer) (*model.Record, error) {
		if call.Surface == model.SurfaceChat {
			return serveUnary(t.Context(), call, out)
		}
		sent = append(sent, int(call.PromptBytes))
		return testRecord(call), out.Answer(testInfo(call), http.StatusOK, nil, []byte(`{"data":[{"index":0,"embedding":[1,2]}]}`))
	}
	long := strings.Repeat("€", promptText)
	auth := []string{"Authorization", "Bearer " + localTestToken}
	text(t, w.do("POST", "/v1/chat/completions", strings.Replace(chatBody, "hello", long, 1), auth...))
	until(t, "the prompt is embedded", func() bool { return w.outcome(promptEmbedded, "") == 1 })
	decode[SimilarCalls](t, w.do("POST", "/api/v1/calls/similar", `{"text":"`+long+`"}`, auth...), 200)
	if want := promptText - promptText%len("€"); len(sent) != 2 || sent[0] != want || sent[1] != want {
		t.Errorf("%d bytes are sent, want %d", sent, want)
	}
}

func TestWithoutAModelNoTextIsCompared(t *testing.T) {
	s, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *Config) { c.Prompts = s })
	if e := decodeError(t, w.do("POST", "/api/v1/calls/similar", `{"text":"x"}`)); e.Param == nil || *e.Param != "text" || !strings.Contains(e.Message, "embeddings.model") {
		t.Errorf("%+v", e)
	}
	if resp := newWorld(t).do("POST", "/api/v1/calls/similar", `{"text":"x"}`); resp.StatusCode != http.StatusNotFound {
		t.Errorf("without a store: %s", text(t, resp))
	}
}
