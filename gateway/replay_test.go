package gateway

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// fakeReplays remembers what it was asked.
type fakeReplays struct {
	replay  cartrita.ReplayQuery
	suggest cartrita.SuggestQuery
	err     error
}

func (f *fakeReplays) Replay(_ context.Context, q cartrita.ReplayQuery) (*cartrita.ReplayReport, error) {
	f.replay = q
	return &cartrita.ReplayReport{Calls: 3, Identical: 3}, f.err
}

func (f *fakeReplays) Suggest(_ context.Context, q cartrita.SuggestQuery) (*cartrita.SuggestReport, error) {
	f.suggest = q
	return &cartrita.SuggestReport{Calls: 3}, f.err
}

func (f *fakeReplays) Reprice(context.Context, cartrita.RepriceQuery) (*cartrita.RepriceReport, error) {
	return &cartrita.RepriceReport{}, f.err
}

func TestReplayIsAsked(t *testing.T) {
	fake := &fakeReplays{}
	w := newWorld(t, func(c *Config) { c.Replays = fake })
	since := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	asked := cartrita.ReplayQuery{Since: since, User: "ann", Team: "red", By: cartrita.ReplayByTask, Changes: 5}

	got := decode[cartrita.ReplayReport](t, w.do("GET",
		"/api/v1/replay?since=2026-11-01&user=ann&team=red&by=task&changes=5&strategy=cost-optimized&exclude_model=a&exclude_model=b&only_model=c&keep_limits=true", ""), 200)
	want := asked
	want.Change = cartrita.Change{Strategy: "cost-optimized", ExcludeModels: []model.ModelID{"a", "b"}, OnlyModels: []model.ModelID{"c"}, KeepLimits: true}
	if diff := cmp.Diff(want, fake.replay); diff != "" || got.Identical != 3 {
		t.Errorf("GET: %+v\n%s", got, diff)
	}

	decode[cartrita.ReplayReport](t, w.do("POST", "/api/v1/replay?since=2026-11-01&user=ann&team=red&by=task&changes=5",
		`{"own_strategy":{"name":"mine","weights":{"quality":1,"cost":2,"latency":0,"safety":0,"availability":0}},"prices":{"a/b":{"input_usd_per_million":0.5}}}`), 200)
	price := model.Money(500_000_000)
	if diff := cmp.Diff(map[string]*model.Pricing{"a/b": {Input: &price}}, fake.replay.Change.Prices); diff != "" || fake.replay.Change.Own.Weights.Cost != 2 || fake.replay.Team != "red" {
		t.Errorf("POST: %+v\n%s", fake.replay, diff)
	}

	decode[cartrita.SuggestReport](t, w.do("GET", "/api/v1/costs/suggest?since=2026-11-01&team=red", ""), 200)
	if diff := cmp.Diff(cartrita.SuggestQuery{Since: since, Team: "red"}, fake.suggest); diff != "" {
		t.Error(diff)
	}

	for _, c := range []struct{ method, path, body string }{
		{"GET", "/api/v1/replay?colour=red", ""},
		{"GET", "/api/v1/replay?changes=-1", ""},
		{"POST", "/api/v1/replay?strategy=balanced", "{}"}, // stands in the body
		{"POST", "/api/v1/replay", `{"stratgy":"balanced"}`},
		{"POST", "/api/v1/replay", ``},
		{"GET", "/api/v1/costs/suggest?by=model", ""},
	} {
		resp := w.do(c.method, c.path, c.body)
		if e := decodeError(t, resp); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, resp.StatusCode, e.Message)
		}
	}
	// A fault is at the parameter as the caller wrote it.
	fake.err = model.Invalidf("x", "change.only_models", "no model has that id")
	for method, want := range map[string]string{"GET": "only_model", "POST": "only_models"} {
		if e := decodeError(t, w.do(method, "/api/v1/replay", map[string]string{"POST": "{}"}[method])); e.Param == nil || *e.Param != want {
			t.Errorf("%s: the fault is at %v, want %s", method, e.Param, want)
		}
	}
	fake.err = model.Errorf("x", model.KindUnavailable, "no history")
	if resp := w.do("GET", "/api/v1/replay", ""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without a history: %d", resp.StatusCode)
	}
}

// Asking what would have been changes nothing: whoever may read may ask, with a
// body or without; who may only call may not.
func TestReplayTakesTheRightToRead(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Replays = &fakeReplays{}
		for _, r := range []key.Role{key.RoleCaller, key.RoleViewer} {
			c.APIKeys = append(c.APIKeys, APIKey{Name: r.String(), Secret: "sk-0123456789-" + r.String(), Role: r})
		}
	})
	for role, want := range map[string]int{"caller": 403, "viewer": 200} {
		for _, method := range []string{"GET", "POST"} {
			if resp := w.do(method, "/api/v1/replay", "{}", "Authorization", "Bearer sk-0123456789-"+role); resp.StatusCode != want {
				t.Errorf("%s by a %s: %d, want %d", method, role, resp.StatusCode, want)
			}
		}
	}
}
