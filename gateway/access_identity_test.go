package gateway

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

const ownedKey, sharedKey = "sk-owned-0123456789", "sk-shared-012345678"

// identityWorld has a key with an owner and one without; got receives the calls.
func identityWorld(t *testing.T, got **model.Call) *world {
	w := newWorld(t, func(c *Config) {
		c.APIKeys = []APIKey{
			{Name: "ops", Secret: ownedKey, Role: key.RoleAdmin, Caller: model.Caller{Key: "k1", User: "ada", Team: "a", Project: "p", Tags: []string{"blue"}}},
			{Name: "app", Secret: sharedKey, Role: key.RoleCaller, Caller: model.Caller{Team: "b"}},
		}
	})
	w.service.serve = func(ctx context.Context, call *model.Call, wr cartrita.Writer) (*model.Record, error) {
		*got = call
		return serveUnary(ctx, call, wr)
	}
	return w
}

func TestTheKeySaysWhoIsSpending(t *testing.T) {
	var got *model.Call
	w := identityWorld(t, &got)
	owner := model.Caller{Key: "k1", User: "ada", Team: "a", Project: "p", Tags: []string{"blue"}}
	for _, c := range []struct {
		key, members string
		header       []string
		caller       model.Caller
		user, run    string
	}{
		{ownedKey, "", nil, owner, "ada", ""},
		{ownedKey, `"user":"eve",`, nil, owner, "ada", ""},
		{ownedKey, `"cartrita":{"context":{"user_id":"eve"}},`, []string{"X-Cartrita-User", "eve"}, owner, "ada", ""},
		{ownedKey, `"metadata":{"user_id":"eve","cartrita_user_id":"eve"},`, nil, owner, "ada", ""},
		{sharedKey, `"user":"bob",`, nil, model.Caller{Team: "b"}, "bob", ""},
		{sharedKey, "", nil, model.Caller{Team: "b"}, "app", ""},
		{sharedKey, `"metadata":{"cartrita_workflow_run_id":"run-1"},`, nil, model.Caller{Team: "b"}, "app", "run-1"},
		{sharedKey, "", []string{"X-Cartrita-Workflow-Run-Id", "run-2"}, model.Caller{Team: "b"}, "app", "run-2"},
	} {
		got = nil
		resp := w.do("POST", "/v1/chat/completions", withMembers(c.members), append(c.header, "Authorization", "Bearer "+c.key)...)
		if body := text(t, resp); resp.StatusCode != http.StatusOK || got == nil {
			t.Fatalf("%s %v: %d %s", c.members, c.header, resp.StatusCode, body)
		}
		if ctx := got.Criteria.Context; !reflect.DeepEqual(got.Caller, c.caller) || ctx.UserID != c.user || ctx.WorkflowRunID != c.run {
			t.Errorf("%s %v: %+v, user %q, run %q; want %+v, %q, %q", c.members, c.header, got.Caller, ctx.UserID, ctx.WorkflowRunID, c.caller, c.user, c.run)
		}
	}
	w.do("POST", "/api/v1/select", `{"context":{"user_id":"eve"}}`, "Authorization", "Bearer "+ownedKey)
	if c := w.service.criteria; c.Caller == nil || !reflect.DeepEqual(*c.Caller, owner) || c.Context.UserID != "ada" {
		t.Errorf("a decision is asked for by %+v, user %q", c.Caller, c.Context.UserID)
	}
}

func TestNoRequestNamesAnotherIdentity(t *testing.T) {
	var got *model.Call
	w := identityWorld(t, &got)
	for _, c := range []struct{ members, header, param string }{
		{`"cartrita":{"context":{"team":"a"}},`, "", "cartrita.context.team"},
		{`"cartrita":{"context":{"key_id":"k1"}},`, "", "cartrita.context.key_id"},
		{`"cartrita":{"context":{"project":"p"}},`, "", "cartrita.context.project"},
		{`"cartrita":{"caller":{"team":"a"}},`, "", "cartrita.caller"},
		{"", "X-Cartrita-Team", "X-Cartrita-Team"}, {"", "X-Cartrita-Key", "X-Cartrita-Key"}, {"", "X-Cartrita-Project", "X-Cartrita-Project"},
	} {
		header := []string{"Authorization", "Bearer " + sharedKey}
		if c.header != "" {
			header = append(header, c.header, "a")
		}
		resp := w.do("POST", "/v1/chat/completions", withMembers(c.members), header...)
		if body := text(t, resp); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, `"param":"`+c.param+`"`) {
			t.Errorf("%s %s: %d %s", c.members, c.header, resp.StatusCode, body)
		}
	}
	if got != nil {
		t.Error("a call was served")
	}
}

func TestRolesLimitWhatAKeyMayDo(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		for _, r := range []key.Role{key.RoleCaller, key.RoleViewer, key.RoleOperator, key.RoleAdmin} {
			c.APIKeys = append(c.APIKeys, APIKey{Name: r.String(), Secret: "sk-0123456789-" + r.String(), Role: r})
		}
	})
	for _, c := range []struct{ method, path, body, may string }{
		{"POST", "/v1/chat/completions", chatBody, "caller operator admin"},
		{"GET", "/v1/models", "", "caller viewer operator admin"},
		{"POST", "/api/v1/select", "{}", "caller viewer operator admin"},
		{"GET", "/api/v1/version", "", "caller viewer operator admin"},
		{"GET", "/api/v1/costs", "", "viewer operator admin"},
		{"GET", "/api/v1/events", "", "viewer operator admin"},
		{"GET", "/metrics", "", "viewer operator admin"},
		{"GET", "/api/v1/models", "", "viewer operator admin"},
		{"POST", "/api/v1/models?dry_run", `[]`, "operator admin"},
	} {
		for _, role := range key.Roles() {
			resp := w.do(c.method, c.path, c.body, "Authorization", "Bearer sk-0123456789-"+role)
			body := text(t, resp)
			refused := resp.StatusCode == http.StatusForbidden
			if may := strings.Contains(c.may, role); may == refused {
				t.Errorf("%s %s as %s: %d %s", c.method, c.path, role, resp.StatusCode, body)
			}
			if refused && !strings.Contains(body, `"type":"permission_error"`) {
				t.Errorf("%s as %s: %s", c.path, role, body)
			}
		}
	}
}

// What a request says of its author counts for nothing beside its key.
func TestAKeySignsWhatItChanges(t *testing.T) {
	for _, c := range []struct {
		name string
		key  key.Fields
		want string
	}{
		{"with an owner", key.Fields{Name: ptr("ops"), Role: ptr(key.RoleAdmin), User: ptr("mallory")}, "mallory"},
		{"without one", key.Fields{Name: ptr("ops"), Role: ptr(key.RoleAdmin)}, "ops"},
	} {
		w, kw := newWorldWithKeys(t, withBudgets(t))
		_, token := kw.make(t, c.key)
		sent := []string{"Authorization", "Bearer " + token, "X-Cartrita-User", "ada"}
		charge(t, w, model.USD)
		for _, req := range []struct{ path, body, author string }{
			{"/api/v1/keys", `{"name":"app"}`, `"created_by":`},
			{"/api/v1/budgets/teams/a/override", `{"until":"2099-01-01T00:00:00Z","reason":"demo","limit_usd":3,"actor":"ada"}`, `"actor":`},
		} {
			if got := text(t, w.do("POST", req.path, req.body, sent...)); !strings.Contains(got, req.author+`"`+c.want+`"`) || strings.Contains(got, `"ada"`) {
				t.Errorf("a key %s: %s answers %s", c.name, req.path, got)
			}
		}
		text(t, w.do("POST", "/api/v1/models", `{"model_id":"my/model","provider":"my","task_types":["chat-completions"],"status":"active"}`, sent...))
		if got := text(t, w.do("GET", "/api/v1/models/my/model/history", "", sent...)); !strings.Contains(got, `"actor":"`+c.want+`"`) {
			t.Errorf("a key %s: %s", c.name, got)
		}
	}
}
