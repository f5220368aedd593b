package e2e

import (
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// command runs `cartrita` on a data directory and returns its first line of output.
func command(t *testing.T, data string, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary, append(args, "--data", data)...)
	cmd.Env = append(cleanEnv(), "CARTRITA_DISCOVERY_ENV=false", "CARTRITA_DISCOVERY_OLLAMA=false")
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, problems.String())
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}

// statusFor is what a call of a model is answered with; token: whose it is, "" nobody's.
func (p *process) statusFor(token, model string) int {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+"/v1/chat/completions",
		strings.NewReader(`{"model":"`+model+`","messages":[{"role":"user","content":"Say something about rivers."}]}`))
	if err != nil {
		p.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestVirtualKeys: made by command, used by plain HTTP and by OpenAI's own
// client, rotated, revoked, and known again after a restart.
func TestVirtualKeys(t *testing.T) {
	data := t.TempDir()
	p := start(t, data, "--demo")
	want := func(what, token string, code int) {
		t.Helper()
		if got := p.statusFor(token, "auto"); got != code {
			t.Errorf("%s: %d, want %d", what, got, code)
		}
	}
	want("before there is a key", "", 200)
	token := command(t, data, "keys", "create", "app", "--team", "a", "--rpm", "100")
	want("without a key, once there is one", "", 401)
	want("with the key", token, 200)
	want("with half of it", token[:len(token)-20], 401)

	sdk := func(token string, model string) (http.Header, error) {
		var resp *http.Response
		client := openai.NewClient(option.WithBaseURL(p.url+"/v1"), option.WithAPIKey(token), option.WithMaxRetries(0))
		_, err := client.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{
			Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Say something about rivers.")},
		}, option.WithResponseInto(&resp))
		if resp == nil {
			return nil, err
		}
		return resp.Header, err
	}
	h, err := sdk(token, "auto")
	if err != nil || h.Get("x-ratelimit-limit-requests") != "100" || h.Get("x-ratelimit-remaining-requests") == "" {
		t.Errorf("OpenAI's client: %v, %v", err, h)
	}
	var refused *openai.Error
	if _, err := sdk("sk-cartrita-wrong", "auto"); !errors.As(err, &refused) || refused.StatusCode != http.StatusUnauthorized || refused.Code != "invalid_api_key" {
		t.Errorf("OpenAI's client with a wrong key: %v", err)
	}
	served := h.Get("X-Cartrita-Model")
	narrow := command(t, data, "keys", "create", "narrow", "--model", "nobody/*")
	if _, err := sdk(narrow, served); !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden || refused.Code != "model_not_found" || refused.Param != "model" {
		t.Errorf("a model that the key does not allow: %v", err)
	}
	if _, err := sdk(narrow, "auto"); !errors.As(err, &refused) || refused.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("auto, without a model that the key allows: %v", err)
	}
	if who := command(t, data, "events", "--json", "--limit", "50"); who == "" {
		t.Error("no events")
	}

	next := command(t, data, "keys", "rotate", "app", "--grace", "1h")
	want("the former secret in its grace", token, 200)
	want("the new secret", next, 200)

	p.stop()
	p = start(t, data, "--demo")
	want("after a restart, without a key", "", 401)
	want("after a restart, the former secret", token, 200)
	want("after a restart, the new secret", next, 200)

	last := command(t, data, "keys", "rotate", "app", "--grace", "0s")
	want("a rotated secret without grace", next, 401)
	want("the latest secret", last, 200)
	command(t, data, "keys", "revoke", "app")
	want("a revoked key", last, 401)
	command(t, data, "keys", "revoke", "narrow")
	want("without a key, when all are revoked", "", 401)
	command(t, data, "keys", "list") // who can read the data directory is not locked out
}
