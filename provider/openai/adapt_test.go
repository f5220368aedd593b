package openai_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/openai"
	"github.com/cartrita/cartrita/provider/upstream"
)

// picky is a server that refuses bodies with certain members.
type picky struct {
	*httptest.Server
	refuse map[string]string // member → answer
	bodies []string
}

func newPicky(t *testing.T, status int, refuse map[string]string) *picky {
	p := &picky{refuse: refuse}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		p.bodies = append(p.bodies, string(raw))
		var body map[string]json.RawMessage
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Errorf("sent %s: %v", raw, err)
		}
		w.Header().Set("Content-Type", "application/json")
		for member, answer := range refuse {
			if _, there := body[member]; there {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, answer)
				return
			}
		}
		if r.Header.Get("Accept") == "text/event-stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: [DONE]\n\n")
			return
		}
		_, _ = io.WriteString(w, `{"id":"x"}`)
	}))
	t.Cleanup(p.Close)
	return p
}

func newCall(t testing.TB, body string) *model.Call {
	obj, err := jsonscan.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return &model.Call{Surface: model.SurfaceChat, Body: obj, Stream: strings.Contains(body, `"stream":true`)}
}

func newClient(t testing.TB, cfg openai.Config) *openai.Client {
	c, err := openai.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func do(t *testing.T, c *openai.Client, ep *model.Endpoint, body string) (*provider.Response, error) {
	resp, err := c.Do(context.Background(), ep, newCall(t, body))
	if err == nil && resp.Stream != nil {
		t.Cleanup(func() { _ = resp.Stream.Close() })
	}
	return resp, err
}

// TestStricterServers: a refused member is left out or renamed, at once and
// from then on.
func TestStricterServers(t *testing.T) {
	const (
		openAI  = `{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}`
		fastAPI = `{"detail":[{"type":"extra_forbidden","loc":["body","%s"],"msg":"Extra inputs are not permitted"}]}`
	)
	tests := map[string]struct {
		refuse string
		answer string
		body   string
		first  string
		then   string
	}{
		"stream_options": {"stream_options", fmt.Sprintf(fastAPI, "stream_options"), `{"model":"auto","stream":true}`,
			`{"model":"up","stream":true,"stream_options":{"include_usage":true}}`, `{"model":"up","stream":true}`},
		"max_tokens": {"max_tokens", openAI, `{"model":"auto","max_tokens":7}`,
			`{"model":"up","max_tokens":7}`, `{"model":"up","max_completion_tokens":7}`},
		"max_completion_tokens": {"max_completion_tokens", fmt.Sprintf(fastAPI, "max_completion_tokens"), `{"model":"auto","max_completion_tokens":7}`,
			`{"model":"up","max_completion_tokens":7}`, `{"model":"up","max_tokens":7}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPicky(t, 422, map[string]string{tt.refuse: tt.answer})
			c := newClient(t, openai.Config{})
			ep := &model.Endpoint{BaseURL: p.URL, Upstream: "up"}
			for range 2 {
				if _, err := do(t, c, ep, tt.body); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff([]string{tt.first, tt.then, tt.then}, p.bodies); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRefusalsThatStand: a wrong value, or a member that the caller chose, is
// not changed behind the caller's back.
func TestRefusalsThatStand(t *testing.T) {
	tests := map[string]struct{ member, answer, body string }{
		"value": {"max_completion_tokens", `{"error":{"message":"max_completion_tokens is too large: 100000. This model supports at most 16384.","param":"max_completion_tokens"}}`,
			`{"model":"auto","max_completion_tokens":100000}`},
		"own stream_options": {"stream_options", `{"error":{"message":"stream_options: Extra inputs are not permitted"}}`,
			`{"model":"auto","stream":true,"stream_options":{"include_usage":true}}`},
		"both limits": {"max_tokens", `{"error":{"message":"max_tokens is not supported with this model"}}`,
			`{"model":"auto","max_tokens":1,"max_completion_tokens":1}`},
		"other member": {"seed", `{"error":{"message":"unknown member seed"}}`, `{"model":"auto","seed":1,"max_tokens":1}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPicky(t, 400, map[string]string{tt.member: tt.answer})
			_, err := do(t, newClient(t, openai.Config{}), &model.Endpoint{BaseURL: p.URL, Upstream: "up"}, tt.body)
			if model.KindOf(err) != model.KindInvalid || len(p.bodies) != 1 {
				t.Errorf("got %v after %d requests, want %s after 1", err, len(p.bodies), model.KindInvalid)
			}
		})
	}
}

// TestOddRequestsTeachNothing: what one caller's odd request runs into does not
// change what is sent for the others.
func TestOddRequestsTeachNothing(t *testing.T) {
	const (
		plain     = `{"model":"auto","stream":true,"max_tokens":7}`
		plainSent = `{"model":"up","stream":true,"max_tokens":7,"stream_options":{"include_usage":true}}`
	)
	for name, tt := range map[string]struct {
		member, answer string
		requests       int
	}{
		"longer name in param":      {"x_stream_options", `{"detail":[{"loc":["body","x_stream_options"],"msg":"Extra inputs are not permitted"}]}`, 1},
		"longer name in words":      {"my_max_tokens", `{"error":{"message":"Unrecognized request argument supplied: my_max_tokens"}}`, 1},
		"nested name":               {"a", `{"error":{"message":"unknown member a.max_tokens"}}`, 1},
		"member under the name":     {"a", `{"error":{"message":"unknown member max_tokens.a"}}`, 1},
		"another one is to blame":   {"a", `{"error":{"param":"a","message":"unknown member 'a', did you mean 'max_tokens'?"}}`, 1},
		"leaving it out is no help": {"a", `{"error":{"message":"unknown member 'a', did you mean 'max_tokens'?"}}`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPicky(t, 400, map[string]string{tt.member: tt.answer})
			c, ep := newClient(t, openai.Config{}), &model.Endpoint{BaseURL: p.URL, Upstream: "up"}
			odd := strings.Replace(plain, "{", `{"`+tt.member+`":1,`, 1)
			if _, err := do(t, c, ep, odd); model.KindOf(err) != model.KindInvalid || len(p.bodies) != tt.requests {
				t.Errorf("got %v after %d requests, want %s after %d", err, len(p.bodies), model.KindInvalid, tt.requests)
			}
			if _, err := do(t, c, ep, plain); err != nil {
				t.Fatal(err)
			}
			if last := p.bodies[len(p.bodies)-1]; last != plainSent {
				t.Errorf("then sent %s\nwant %s", last, plainSent)
			}
		})
	}
}

// TestServerThatRefusesEverything must not be asked for ever.
func TestServerThatRefusesEverything(t *testing.T) {
	p := newPicky(t, 400, map[string]string{"model": `{"error":{"message":"stream_options, max_tokens, max_completion_tokens: extra inputs are not permitted"}}`})
	_, err := do(t, newClient(t, openai.Config{}), &model.Endpoint{BaseURL: p.URL, Upstream: "up"}, `{"model":"auto","stream":true,"max_tokens":1}`)
	if model.KindOf(err) != model.KindInvalid || len(p.bodies) > 3 {
		t.Errorf("got %v after %d requests", err, len(p.bodies))
	}
}

func TestBodyIsForwardedAsItCame(t *testing.T) {
	for _, tt := range []struct {
		name, body, want string
		cfg              openai.Config
	}{
		{name: "unknown members and odd spelling survive", body: `{"x":[1.0,1e2, null],"model":"auto","é":"\u00e9","messages":[]}`,
			want: `{"x":[1.0,1e2, null],"model":"a\"b","é":"\u00e9","messages":[]}`},
		{name: "a missing model is added", body: `{"messages":[]}`, want: `{"messages":[],"model":"a\"b"}`},
		{name: "other stream options survive", body: `{"model":"m","stream":true,"stream_options":{"include_usage":false,"x":{"y":1}}}`,
			want: `{"model":"a\"b","stream":true,"stream_options":{"x":{"y":1},"include_usage":true}}`},
		{name: "null stream options", body: `{"model":"m","stream":true,"stream_options":null}`,
			want: `{"model":"a\"b","stream":true,"stream_options":{"include_usage":true}}`},
		{name: "without stream options by configuration", body: `{"model":"m","stream":true}`,
			want: `{"model":"a\"b","stream":true}`, cfg: openai.Config{OmitStreamOptions: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPicky(t, 400, nil)
			if _, err := do(t, newClient(t, tt.cfg), &model.Endpoint{BaseURL: p.URL, Upstream: `a"b`}, tt.body); err != nil {
				t.Fatal(err)
			}
			if p.bodies[0] != tt.want {
				t.Errorf("sent %s\nwant %s", p.bodies[0], tt.want)
			}
		})
	}
}

func TestUnknownSurface(t *testing.T) {
	c := newClient(t, openai.Config{Config: upstream.Config{}})
	_, err := c.Do(context.Background(), &model.Endpoint{BaseURL: "http://h"}, &model.Call{Surface: "images"})
	if model.KindOf(err) != model.KindInvalid {
		t.Errorf("got %v", err)
	}
}
