package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// decode reads a JSON answer, which must have the status.
func decode[T any](t testing.TB, resp *http.Response, status int) (v T) {
	t.Helper()
	raw := text(t, resp)
	if resp.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", resp.StatusCode, status, raw)
	}
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return v
}

func TestSelectTakesTheMissionsFields(t *testing.T) {
	w := newWorld(t)
	resp := w.do("POST", "/api/v1/select", `{"task_type":"text-generation","quality_weight":0.4,"cost_weight":0.4,"latency_weight":0.2,
		"safety_required":true,"commercial_use":true,"max_cost_per_1k_tokens":0.01,"context":{"user_id":"u","priority":"high",
		"budget_constraints":{"max_cost_usd":1.5},"safety_requirements":{"max_risk_level":"medium"}}}`)
	got := decode[map[string]any](t, resp, 200)
	if got["selected"] != "openai/gpt-4o" || got["estimated_cost_usd"] != 0.0000125 {
		t.Errorf("answer %v", got)
	}
	c := w.service.criteria
	if *c.Task != model.TaskTextGeneration || *c.CostWeight != 0.4 || !c.SafetyRequired || !c.CommercialUse ||
		c.Context.Priority != model.PriorityHigh || *c.Context.Budget.MaxCost != 3*model.USD/2 || c.Context.Safety.MaxRisk != model.RiskMedium {
		t.Errorf("criteria %+v", c)
	}
}

func TestSelectRefusesMistakesByField(t *testing.T) {
	w := newWorld(t)
	for body, param := range map[string]string{
		``: "", `[]`: "", `{"task_typ":"x"}`: "task_typ", `{"task_type":"poetry"}`: "task_type", `{"context":{"user":"x"}}`: "context.user",
		`{"cost_weight":1,"cost_weight":2}`: "cost_weight", `{"required_features":["flying"]}`: "required_features[0]",
		`{"max_cost_usd":0.0000000001}`: "max_cost_usd", `{"input_tokens":1.5}`: "input_tokens",
	} {
		resp := w.do("POST", "/api/v1/select", body)
		e := decodeError(t, resp)
		got := ""
		if e.Param != nil {
			got = *e.Param
		}
		if resp.StatusCode != http.StatusBadRequest || got != param || e.Code != "invalid_request" {
			t.Errorf("%s: %d, param %q, %s", body, resp.StatusCode, got, e.Message)
		}
	}
}

func TestDomainErrorsKeepTheirKind(t *testing.T) {
	w := newWorld(t)
	w.service.err = &model.Error{Kind: model.KindNotFound, Param: "model", Message: "no model is named x"}
	w.reader.err = model.Errorf("x", model.KindUnavailable, "the store is away")
	for path, want := range map[string]struct {
		method string
		status int
		code   string
	}{
		"/api/v1/select":   {"POST", 404, "not_found"},
		"/api/v1/estimate": {"POST", 404, "not_found"},
		"/api/v1/decisions/01890a5d-ac96-774b-bcce-b302099a8057": {"GET", 404, "not_found"},
		"/api/v1/decisions/x":        {"GET", 400, "invalid_request"},
		"/api/v1/events":             {"GET", 503, "unavailable"},
		"/api/v1/costs":              {"GET", 503, "unavailable"},
		"/api/v1/schema/nothing":     {"GET", 404, "not_found"},
		"/api/v1/models/nothing":     {"GET", 404, "not_found"},
		"/v1/models/nothing":         {"GET", 404, "model_not_found"},
		"/v1/models/auto:nothing":    {"GET", 404, "model_not_found"},
		"/v1/models/idle/model":      {"GET", 404, "model_not_found"},
		"/v1/nothing":                {"GET", 404, "not_found"},
		"/v1/chat/completions/":      {"POST", 404, "not_found"},
		"/v1/chat/completions":       {"GET", 405, "invalid_request"},
		"/api/v1/models/a/b/retire":  {"GET", 405, "invalid_request"},
		"/api/v1/models/a/b/history": {"GET", 404, "not_found"},
		"/api/v1/%6dodels/x/history": {"GET", 404, "not_found"},
	} {
		resp := w.do(want.method, path, "{}")
		e := decodeError(t, resp)
		if resp.StatusCode != want.status || e.Code != want.code {
			t.Errorf("%s %s: %d %s (%s), want %d %s", want.method, path, resp.StatusCode, e.Code, e.Message, want.status, want.code)
		}
		if allow := resp.Header.Get("Allow"); (allow != "") != (want.status == 405) {
			t.Errorf("%s: Allow %q", path, allow)
		}
	}
}

func TestModelsOfOpenAIAreThoseThatCanBeCalled(t *testing.T) {
	w := newWorld(t)
	list := decode[struct {
		Object string
		Data   []openAIModel
	}](t, w.do("GET", "/v1/models", ""), 200)
	var ids []string
	for _, m := range list.Data {
		ids = append(ids, m.ID+" by "+m.OwnedBy)
	}
	want := []string{
		"auto by cartrita", "auto:balanced by cartrita", "auto:speed-first by cartrita",
		"anthropic/claude by anthropic", "openai/gpt-4o by openai",
	}
	if list.Object != "list" || !slices.Equal(ids, want) {
		t.Errorf("%q, want %q", ids, want)
	}
	for _, name := range []string{"auto", "auto:balanced", "openai/gpt-4o", "azure/gpt-4o", "four-o"} {
		if m := decode[openAIModel](t, w.do("GET", "/v1/models/"+name, ""), 200); m.ID != name || m.Object != "model" {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestModelsAreFoundReadAddedAndRetired(t *testing.T) {
	w := newWorld(t)
	type result struct {
		Total int
		Hits  []struct{ Model struct{ Model_ID string } }
	}
	if got := decode[result](t, w.do("GET", "/api/v1/models?filter=provider%3Dopenai&limit=5", ""), 200); got.Total != 1 || got.Hits[0].Model.Model_ID != "openai/gpt-4o" {
		t.Errorf("filter: %+v", got)
	}
	if got := decode[result](t, w.do("GET", "/api/v1/models?q=nothingness", ""), 200); got.Total != 0 || got.Hits == nil {
		t.Errorf("no hits: %+v", got)
	}
	type rec struct {
		Model_ID, Status string
		Endpoints        []string
	}
	for _, path := range []string{"openai/gpt-4o", "openai%2Fgpt-4o", "four-o"} {
		got := decode[rec](t, w.do("GET", "/api/v1/models/"+path, ""), 200)
		if got.Model_ID != "openai/gpt-4o" || !slices.Equal(got.Endpoints, []string{"azure/gpt-4o", "openai/gpt-4o"}) {
			t.Errorf("%s: %+v", path, got)
		}
	}

	const body = `{"model_id":"my/retire","provider":"my","task_types":["chat-completions"],"status":"active"}`
	type diff struct{ Added, Unchanged []string }
	if got := decode[diff](t, w.do("POST", "/api/v1/models?dry_run", body), 200); len(got.Added) != 1 {
		t.Errorf("dry run: %+v", got)
	}
	if got := decode[diff](t, w.do("POST", "/api/v1/models", body, "X-Cartrita-User", "ann"), 200); !slices.Equal(got.Added, []string{"my/retire"}) {
		t.Errorf("add: %+v", got)
	}
	if got := decode[diff](t, w.do("POST", "/api/v1/models/import?format=cartrita&name=a.json", "["+body+"]"), 200); len(got.Unchanged) != 1 {
		t.Errorf("again: %+v", got)
	}
	decode[struct{}](t, w.do("POST", "/api/v1/models/my%2Fretire/retire", "", "X-Cartrita-User", "bob"), 200)
	if got := decode[rec](t, w.do("GET", "/api/v1/models/my%2Fretire", ""), 200); got.Status != "retired" {
		t.Errorf("after retiring: %+v", got)
	}
	history := decode[struct {
		Model_ID string
		Versions []struct{ Actor, Action string }
	}](t, w.do("GET", "/api/v1/models/my%2Fretire/history", ""), 200)
	if v := history.Versions; history.Model_ID != "my/retire" || len(v) != 2 || v[0].Actor != "ann" || v[1].Actor != "bob" || v[1].Action != "retire" {
		t.Errorf("history %+v", history)
	}

	resp := w.do("POST", "/api/v1/models", `{"model_id":"my/bad","provider":"my","task_types":["flying"]}`)
	if e := decodeError(t, resp); resp.StatusCode != http.StatusBadRequest || e.Param == nil || !strings.Contains(*e.Param, "task_types") {
		t.Errorf("a bad record: %d %+v", resp.StatusCode, e)
	}
}

func TestParametersAreStrict(t *testing.T) {
	w := newWorld(t)
	for query, param := range map[string]string{
		"models?limi=5": "limi", "models?limit=x": "limit", "models?limit=0": "limit", "models?q=a&q=b": "q", "models?filter=nonsense": "filter[0]",
		"events?kind=x": "kind", "events?state=x": "state", "events?since=yesterday": "since", "events?task_type=x": "task_type",
		"events?plans=maybe": "plans", "costs?by=colour": "by", "costs?since=-5h": "since", "endpoints?mode=x": "mode", "models?%zz": "",
		"events?since=1d&until=2d": "until", "events?since=2026-11-01&until=2026-11-01": "until",
	} {
		resp := w.do("GET", "/api/v1/"+query, "")
		e := decodeError(t, resp)
		got := ""
		if e.Param != nil {
			got = *e.Param
		}
		if resp.StatusCode != http.StatusBadRequest || got != param {
			t.Errorf("%s: %d, param %q: %s", query, resp.StatusCode, got, e.Message)
		}
	}
}

// What a script meant to restrict must not be answered for everybody.
func TestAnEmptyParameterIsRefused(t *testing.T) {
	w := newWorld(t)
	for path, params := range map[string]string{
		"costs":                 "since until by model endpoint provider task_type strategy user workflow stage supervisor key team project tag limit format",
		"events":                "since until kind state model endpoint provider task_type strategy user workflow stage session supervisor key team project tag limit",
		"events/stream":         "kind state model user tag",
		"models":                "q similar similar_to filter limit",
		"endpoints":             "model provider",
		"costs?by=user&limit=3": "tag",
	} {
		for param := range strings.FieldsSeq(params) {
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			resp := w.do("GET", "/api/v1/"+path+sep+param+"=", "")
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s, %s: %d", path, param, resp.StatusCode)
				resp.Body.Close()
				continue
			}
			if e := decodeError(t, resp); e.Param == nil || *e.Param != param || !strings.Contains(e.Message, "is empty") {
				t.Errorf("%s, %s: %+v", path, param, e)
			}
		}
	}
	decode[struct{}](t, w.do("GET", "/api/v1/events?cursor=&plans", ""), 200)
}

func TestTimesCanBeRelative(t *testing.T) {
	now := time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	w := newWorld(t, func(c *Config) { c.Clock = func() time.Time { return now } })
	for since, want := range map[string]time.Time{
		"24h": now.Add(-24 * time.Hour), "7d": now.AddDate(0, 0, -7), "2026-11-01": time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		"2026-11-23T17:00:00%2B01:00": now.Add(-2 * time.Hour),
	} {
		decode[struct{}](t, w.do("GET", "/api/v1/costs?by=model&since="+since, ""), 200)
		if got := w.reader.query; !got.Since.Equal(want) || got.By != event.ByModel || !got.Until.IsZero() {
			t.Errorf("since=%s: %+v, want %v", since, got, want)
		}
	}
	if w.events.flushes != 4 {
		t.Errorf("%d flushes before 4 reads", w.events.flushes)
	}
}

func TestSmallReads(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Schemas = map[string]json.RawMessage{"model": []byte(`{"type":"object"}`)} })
	for path, want := range map[string]string{
		"/api/v1/schema/model":              `{"type":"object"}`,
		"/api/v1/version":                   `"version":"1.2.3"`,
		"/api/v1/strategies":                `"name":"balanced","default":true`,
		"/api/v1/endpoints?provider=openai": `{"endpoints":[{"endpoint_id":"openai/gpt-4o"`,
		"/api/v1/endpoints?model=nothing":   `{"endpoints":[]}`,
		"/healthz":                          `{"status":"ok"}`,
		"/readyz":                           `{"status":"ready"}`,
		"/":                                 `"/v1/chat/completions"`,
		"/api/v1/decisions/01890a5d-ac96-774b-bcce-b302099a8057": `"explanation":"because"`,
	} {
		resp := w.do("GET", path, "")
		if got := text(t, resp); resp.StatusCode != http.StatusOK || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, got)
		}
		if resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", path)
		}
	}
	if got := decode[map[string]any](t, w.do("POST", "/api/v1/estimate", "{}"), 200); got["estimates"] == nil {
		t.Errorf("estimates %v", got)
	}
	resp := w.do("HEAD", "/v1/models", "")
	if got := text(t, resp); resp.StatusCode != http.StatusOK || got != "" || resp.ContentLength <= 0 {
		t.Errorf("HEAD: %d %q", resp.StatusCode, got)
	}
}

func TestReadinessFollowsTheServiceAndTheShutdown(t *testing.T) {
	var notReady error
	w := newWorld(t, func(c *Config) { c.Ready = func(context.Context) error { return notReady } })
	status := func() int {
		resp := w.do("GET", "/readyz", "")
		text(t, resp)
		return resp.StatusCode
	}
	if got := status(); got != 200 {
		t.Errorf("at first: %d", got)
	}
	notReady = model.Errorf("x", model.KindConflict, "the spool is full")
	if got := status(); got != 503 {
		t.Errorf("while the service is not ready: %d", got)
	}
	notReady = nil
	w.Drain()
	w.Drain()
	if got := status(); got != 503 {
		t.Errorf("while draining: %d", got)
	}
}
