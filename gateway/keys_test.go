package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/memory"
)

// keyWorld is a ring of keys over a store in memory, and its time.
type keyWorld struct {
	ring  *key.Ring
	store *memory.Store
	now   time.Time
}

func newKeyWorld(t testing.TB) *keyWorld {
	t.Helper()
	s, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	kw := &keyWorld{store: s, now: time.Now()}
	kw.ring, err = key.New(key.Config{Store: s, Secret: []byte(strings.Repeat("s", 32)), Clock: func() time.Time { return kw.now }})
	if err != nil {
		t.Fatal(err)
	}
	return kw
}

func (kw *keyWorld) make(t testing.TB, f key.Fields) (model.KeyID, string) {
	t.Helper()
	k, token, err := kw.ring.Create(context.Background(), f, "test")
	if err != nil {
		t.Fatal(err)
	}
	return k.ID, token
}

func ptr[T any](v T) *T { return &v }

const localTestToken = "local-0123456789abcdef"

func newWorldWithKeys(t testing.TB, change ...func(*Config)) (*world, *keyWorld) {
	kw := newKeyWorld(t)
	return newWorld(t, append([]func(*Config){func(c *Config) {
		c.Keys, c.Trail, c.LocalToken = kw.ring, kw.store, localTestToken
	}}, change...)...), kw
}

// answer is what the tests read of answers about keys.
type answer struct {
	ID    model.KeyID `json:"id"`
	Key   string      `json:"key"`
	State key.State   `json:"state"`

	Warnings []string
	Keys     []struct{ ID, Key, State string }
	Error    struct{ Type, Code, Param, Message string }
}

func (w *world) ask(method, path, body, token string) (int, answer) {
	w.t.Helper()
	var header []string
	if token != "" {
		header = []string{"Authorization", "Bearer " + token}
	}
	resp := w.do(method, path, body, header...)
	raw := text(w.t, resp)
	var a answer
	if err := json.Unmarshal([]byte(raw), &a); err != nil {
		w.t.Fatalf("%s %s: %v: %s", method, path, err, raw)
	}
	return resp.StatusCode, a
}

func TestKeysOverHTTP(t *testing.T) {
	w, kw := newWorldWithKeys(t)
	if code, a := w.ask("POST", "/api/v1/keys", `{"name":"app"}`, ""); code != 400 || a.Error.Param != "role" || !strings.Contains(a.Error.Message, "first key") {
		t.Fatalf("a first key that would lock its maker out: %d %+v", code, a.Error)
	}
	code, admin := w.ask("POST", "/api/v1/keys", `{"name":"ops","role":"admin"}`, "")
	if code != 200 || !strings.HasPrefix(admin.Key, key.Prefix) || admin.State != key.StateActive {
		t.Fatalf("the first key: %d %+v", code, admin)
	}
	if code, a := w.ask("GET", "/api/v1/keys", "", ""); code != 401 || a.Error.Code != "invalid_api_key" || a.Error.Type != "authentication_error" {
		t.Errorf("without a key, once there is one: %d %+v", code, a.Error)
	}
	code, app := w.ask("POST", "/api/v1/keys", `{"name":"app","team":"a","limits":{"requests_per_minute":5},"expires":"30d"}`, admin.Key)
	if code != 200 || app.Key == "" {
		t.Fatalf("%d %+v", code, app.Error)
	}
	if code, _ := w.ask("POST", "/v1/chat/completions", chatBody, app.Key); code != 200 {
		t.Errorf("a call: %d", code)
	}
	if code, a := w.ask("GET", "/api/v1/keys", "", app.Key); code != 403 || a.Error.Type != "permission_error" {
		t.Errorf("a caller lists keys: %d %+v", code, a.Error)
	}
	for _, token := range []string{admin.Key, localTestToken} {
		if code, a := w.ask("GET", "/api/v1/keys", "", token); code != 200 || len(a.Keys) != 2 || a.Keys[0].Key+a.Keys[1].Key != "" {
			t.Errorf("the list: %d %+v", code, a)
		}
	}
	path := "/api/v1/keys/" + string(app.ID)
	code, next := w.ask("POST", path+"/rotate", `{"grace":"1h"}`, admin.Key)
	if code != 200 || next.Key == "" || next.Key == app.Key || next.ID != app.ID {
		t.Fatalf("rotate: %d %+v", code, next)
	}
	status := func(token string) int {
		code, _ := w.ask("GET", "/api/v1/key", "", token)
		return code
	}
	if a, b := status(app.Key), status(next.Key); a != 200 || b != 200 {
		t.Errorf("within the grace: %d and %d", a, b)
	}
	kw.now = kw.now.Add(time.Hour)
	if a, b := status(app.Key), status(next.Key); a != 401 || b != 200 {
		t.Errorf("after the grace: %d and %d", a, b)
	}
	if code, a := w.ask("POST", path+"/update", `{"role":"viewer","limits":{}}`, admin.Key); code != 200 || a.Key != "" {
		t.Errorf("update: %d %+v", code, a)
	}
	if code, _ := w.ask("POST", "/v1/chat/completions", chatBody, next.Key); code != 403 {
		t.Errorf("a viewer calls: %d", code)
	}
	if code, a := w.ask("POST", path+"/revoke", "", admin.Key); code != 200 || a.State != key.StateRevoked || status(next.Key) != 401 {
		t.Errorf("revoke: %d %+v", code, a)
	}
	for _, c := range []struct {
		method, path, body string
		code               int
		param              string
	}{
		{"POST", "/api/v1/keys", `{"name":"x","colour":"red"}`, 400, "colour"},
		{"POST", "/api/v1/keys", `{"name":"x","role":"king"}`, 400, "role"},
		{"POST", "/api/v1/keys", `{"name":"x","limits":{"requests_per_minute":-4}}`, 400, "limits.requests_per_minute"},
		{"POST", "/api/v1/keys", `{"name":"ops"}`, 409, "name"},
		{"POST", path + "/rotate", `{"grace":"1h"}`, 409, ""},
		{"POST", "/api/v1/keys/nobody/revoke", "", 404, ""},
		{"GET", "/api/v1/keys/nobody", "", 404, ""},
		{"POST", path + "/bless", "", 404, ""},
	} {
		if code, a := w.ask(c.method, c.path, c.body, admin.Key); code != c.code || a.Error.Param != c.param {
			t.Errorf("%s %s %s: %d %+v", c.method, c.path, c.body, code, a.Error)
		}
	}
	// Every key revoked: the gateway stays shut, but for who has the local token.
	if code, _ := w.ask("POST", "/api/v1/keys/"+string(admin.ID)+"/revoke", "", admin.Key); code != 200 {
		t.Fatal(code)
	}
	if a, b := status(""), status(localTestToken); a != 401 || b != 200 {
		t.Errorf("with all keys revoked: %d, and %d with the local token", a, b)
	}
}

func TestLimitsOfAKeyAreToldAsOpenAIDoes(t *testing.T) {
	w, kw := newWorldWithKeys(t)
	_, token := kw.make(t, key.Fields{Name: ptr("app"), Limits: &key.Limits{Requests: 2, Tokens: 1000}})
	call := func() (*http.Response, string) {
		resp := w.do("POST", "/v1/chat/completions", `{"model":"auto","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}`, "Authorization", "Bearer "+token)
		return resp, text(t, resp)
	}
	resp, body := call()
	h := resp.Header
	if resp.StatusCode != http.StatusOK || h.Get("x-ratelimit-limit-requests") != "2" || h.Get("x-ratelimit-remaining-requests") != "1" ||
		h.Get("x-ratelimit-limit-tokens") != "1000" || h.Get("x-ratelimit-remaining-tokens") != "898" {
		t.Errorf("%d %v %s", resp.StatusCode, h, body)
	}
	if d, err := time.ParseDuration(h.Get("x-ratelimit-reset-requests")); err != nil || d < time.Minute || d > 61*time.Second {
		t.Errorf("reset %q", h.Get("x-ratelimit-reset-requests"))
	}
	resp, body = call() // the first call gave back what it did not use: it took 15 tokens
	if got := resp.Header.Get("x-ratelimit-remaining-tokens"); resp.StatusCode != http.StatusOK || got != "883" && got != "884" {
		t.Errorf("%d, %s tokens left: %s", resp.StatusCode, got, body)
	}
	resp, body = call()
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || resp.Header.Get("x-ratelimit-remaining-requests") != "0" ||
		!strings.Contains(body, `"code":"rate_limit_exceeded"`) || !strings.Contains(body, `"type":"rate_limit_error"`) {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	_, free := kw.make(t, key.Fields{Name: ptr("free")})
	resp = w.do("POST", "/v1/chat/completions", chatBody, "Authorization", "Bearer "+free)
	if text(t, resp); resp.Header.Get("x-ratelimit-limit-requests") != "" {
		t.Error("a key without limits is told some")
	}
}

func TestConcurrencyOfAKey(t *testing.T) {
	w, kw := newWorldWithKeys(t)
	_, token := kw.make(t, key.Fields{Name: ptr("app"), Limits: &key.Limits{Concurrency: 1}})
	entered, leave := make(chan struct{}), make(chan struct{})
	w.service.serve = func(ctx context.Context, call *model.Call, wr cartrita.Writer) (*model.Record, error) {
		entered <- struct{}{}
		<-leave
		return serveUnary(ctx, call, wr)
	}
	done := make(chan int)
	call := func() { code, _ := w.ask("POST", "/v1/chat/completions", chatBody, token); done <- code }
	go call()
	<-entered
	if code, a := w.ask("POST", "/v1/chat/completions", chatBody, token); code != 429 || a.Error.Code != "rate_limit_exceeded" {
		t.Errorf("the second call: %d %+v", code, a.Error)
	}
	leave <- struct{}{}
	if code := <-done; code != 200 {
		t.Errorf("the first: %d", code)
	}
	go call()
	<-entered
	leave <- struct{}{}
	if code := <-done; code != 200 {
		t.Errorf("after it: %d", code)
	}
}

func TestAlwaysWantingKeys(t *testing.T) {
	w, _ := newWorldWithKeys(t, func(c *Config) { c.RequireKeys = true })
	if code, _ := w.ask("GET", "/v1/models", "", ""); code != 401 {
		t.Errorf("without a key: %d", code)
	}
	if code, _ := w.ask("POST", "/api/v1/keys", `{"name":"app"}`, localTestToken); code != 200 {
		t.Errorf("with the local token: %d", code)
	}
}

func TestAKeyIsToldWhatItIs(t *testing.T) {
	w, kw := newWorldWithKeys(t)
	id, token := kw.make(t, key.Fields{Name: ptr("app"), Team: ptr("a"), Limits: &key.Limits{Requests: 60}, Expires: ptr("24h")})
	w.reader.report.Total.Cost = 1_500_000_000
	body := text(t, w.do("GET", "/api/v1/key", "", "Authorization", "Bearer "+token))
	for _, want := range []string{`"label":"app"`, `"role":"caller"`, `"team":"a"`, `"usage":1.5,`, `"limit":null`, `"rate_limit":{"interval":"1m","requests":60}`, `"expires_at":"20`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if w.reader.query.Key != id || strings.Contains(body, token) {
		t.Errorf("usage of %q; %s", w.reader.query.Key, body)
	}
}

// One model is shown to a key under the condition that lists it.
func TestAKeySeesTheModelsThatItMayUse(t *testing.T) {
	w, kw := newWorldWithKeys(t)
	_, token := kw.make(t, key.Fields{Name: ptr("app"), Models: &[]string{"openai/*"}, Strategies: &[]string{"balanced"}})
	list := text(t, w.do("GET", "/v1/models", "", "Authorization", "Bearer "+token))
	for name, may := range map[string]bool{
		"openai/gpt-4o": true, "azure/gpt-4o": true, "four-o": true, "auto": true, "auto:balanced": true,
		"anthropic/claude": false, "auto:speed-first": false,
	} {
		code, a := w.ask("GET", "/v1/models/"+name, "", token)
		if (code == 200) != may || !may && (code != 403 || a.Error.Code != "model_not_found" || !strings.Contains(a.Error.Message, "may not use")) {
			t.Errorf("%s: %d %+v", name, code, a.Error)
		}
		if !may && strings.Contains(list, `"`+name+`"`) {
			t.Errorf("%s is listed", name)
		}
		if code, _ := w.ask("GET", "/v1/models/"+name, "", localTestToken); code != 200 {
			t.Errorf("%s without a key: %d", name, code)
		}
	}
}

// What a key is held to is checked when it is given: a typo in a strategy would
// else fail every call of the key, with a field that the caller never sent.
func TestListsOfAKeyAreCheckedWhenTheyAreGiven(t *testing.T) {
	w, kw := newWorldWithKeys(t)
	id, _ := kw.make(t, key.Fields{Name: ptr("app")})
	for i, c := range []struct {
		members, param, message string
		warnings                []string
	}{
		{`"strategies":["balanced","nope"]`, "strategies[1]", "balanced, speed-first", nil},
		{`"strategies":["speed-fist"]`, "strategies[0]", `did you mean "speed-first"`, nil},
		{`"strategies":["none-*"]`, "strategies[0]", "none-*", nil},
		{`"strategies":["speed-*","balanced"],"models":["openai/*","four-o"],"endpoints":["azure/gpt-4o"]`, "", "", nil},
		{`"models":["openai/gpt-4o","no/such"],"endpoints":["nobody/*"]`, "", "", []string{
			`models[1]: "no/such" matches no model with an endpoint now`, `endpoints[0]: "nobody/*" matches no endpoint that is configured now`}},
		{`"models":[],"strategies":[]`, "", "", nil},
	} {
		for name, path := range map[string]string{"new": "/api/v1/keys", "old": "/api/v1/keys/" + string(id) + "/update"} {
			body := fmt.Sprintf(`{"name":"%s %d",%s}`, name, i, c.members)
			code, a := w.ask("POST", path, body, localTestToken)
			if (code == 400) != (c.param != "") || a.Error.Param != c.param || !strings.Contains(a.Error.Message, c.message) || !slices.Equal(a.Warnings, c.warnings) {
				t.Errorf("%s %s: %d %+v, warnings %q", path, c.members, code, a.Error, a.Warnings)
			}
		}
	}
}
