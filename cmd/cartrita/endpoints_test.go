package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/catalogue"
)

func fleetOf(t *testing.T, yaml string, env map[string]string, others ...found) (*fleet, []pathProblem) {
	t.Helper()
	l, err := config.Parse("c.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string { return env[name] }
	return newFleet(&l.Config, cat, &config.Secrets{Getenv: getenv}, getenv, others)
}

func (f *fleet) of(provider string) (out []model.Endpoint) {
	for _, e := range f.endpoints {
		if e.Provider == provider {
			out = append(out, e)
		}
	}
	return out
}

func TestFleetFromTheEnvironment(t *testing.T) {
	f, problems := fleetOf(t, "", map[string]string{"OPENAI_API_KEY": "k"})
	if list := f.of("openai"); len(problems) > 0 || len(list) < 10 || !list[0].Ready || list[0].Credential != "env:OPENAI_API_KEY" {
		t.Errorf("openai: %d endpoints, %v", len(list), problems)
	}
	if len(f.of("anthropic")) > 0 {
		t.Error("endpoints without a key")
	}
	if f, _ := fleetOf(t, "discovery: {env: false}", map[string]string{"OPENAI_API_KEY": "k"}); len(f.endpoints) > 0 {
		t.Error("discovery is off")
	}
}

// What the configuration says of a provider holds, also where the environment
// has a key for one of that name.
func TestFleetConfigurationGoesFirst(t *testing.T) {
	f, problems := fleetOf(t, `
providers:
- name: openai
  api_key: env:TEAM_KEY
  tags: [team]
  max_concurrency: 7
  endpoints:
  - {model: openai/gpt-4o, tags: [eu]}
  - {model: openai/gpt-4o-mini, upstream: mini, max_concurrency: 2}
`, map[string]string{"OPENAI_API_KEY": "k", "TEAM_KEY": ""})
	list := f.of("openai")
	if len(problems) > 0 || len(list) != 2 {
		t.Fatalf("%v, %v", list, problems)
	}
	e := list[0]
	if e.Ready || e.Credential != "env:TEAM_KEY" || e.Kind != model.ProviderOpenAI || e.BaseURL != "https://api.openai.com/v1" ||
		strings.Join(e.Tags, ",") != "team,eu" || e.MaxConcurrency != 7 || list[1].MaxConcurrency != 2 || list[1].Upstream != "mini" {
		t.Errorf("%+v\n%+v", e, list[1])
	}
}

func TestFleetFillsFromTheCatalogue(t *testing.T) {
	f, problems := fleetOf(t, "providers: [{name: anthropic}]\ndiscovery: {env: false}\n", map[string]string{"ANTHROPIC_API_KEY": "k"})
	list := f.of("anthropic")
	if len(problems) > 0 || len(list) == 0 || list[0].Kind != model.ProviderAnthropic || list[0].Credential != "env:ANTHROPIC_API_KEY" || !list[0].Ready {
		t.Errorf("%d endpoints, %v", len(list), problems)
	}
	f, problems = fleetOf(t, "providers: [{name: mine, kind: anthropic, endpoints: [{model: x, describe: {context_length: 5}}]}]\n", nil)
	if len(problems) > 0 || f.of("mine")[0].BaseURL != "https://api.anthropic.com" {
		t.Errorf("%+v, %v", f.endpoints, problems)
	}
	m := f.inline[0]
	if m.ID != "x" || m.Provider != "mine" || m.Source != "configuration" || len(m.Tasks) != 2 || *m.ContextLength != 5 {
		t.Errorf("described: %+v", m)
	}
	_, problems = fleetOf(t, "providers: [{name: mine}]\n", nil)
	if len(problems) != 2 || problems[0].path != "providers[0].base_url" || problems[1].path != "providers[0].endpoints" {
		t.Errorf("problems: %v", problems)
	}
}

// A key must not go to an address that the configuration names for another server.
func TestFleetSendsNoKeyElsewhere(t *testing.T) {
	f, _ := fleetOf(t, "providers: [{name: openai, base_url: \"http://127.0.0.1:1/v1\", endpoints: [{model: openai/gpt-4o}]}]\n", map[string]string{"OPENAI_API_KEY": "k"})
	for _, e := range f.endpoints {
		if e.Provider == "openai" && (e.Credential != "" || e.BaseURL != "http://127.0.0.1:1/v1") {
			t.Errorf("%+v", e)
		}
	}
}

func TestFleetFoundServersDoNotShadow(t *testing.T) {
	other := found{provider: config.Provider{Name: "ollama", BaseURL: "http://127.0.0.1:2/v1", Endpoints: []config.Endpoint{{Model: "ollama/x"}}}, records: []model.Model{{ID: "ollama/x"}}}
	f, _ := fleetOf(t, "", nil, other)
	if len(f.of("ollama")) != 1 || len(f.inline) != 1 {
		t.Errorf("found: %+v", f.endpoints)
	}
	f, _ = fleetOf(t, "providers: [{name: ollama, base_url: \"http://127.0.0.1:1/v1\", endpoints: [{model: y}]}]\n", nil, other)
	if list := f.of("ollama"); len(list) != 1 || list[0].Model != "y" {
		t.Errorf("the configured one holds: %+v", list)
	}
}

// A reload keeps the clients, and with them the connections, of providers that
// did not change.
func TestClientsSurviveAReload(t *testing.T) {
	yaml := "providers:\n- {name: a, base_url: \"http://127.0.0.1:1/v1\", headers: {X-K: env:K}, endpoints: [{model: x}]}\n- {name: b, base_url: \"http://127.0.0.1:2/v1\", endpoints: [{model: y}]}\n"
	env := map[string]string{"K": "1"}
	secrets := &config.Secrets{Getenv: func(n string) string { return env[n] }}
	f, _ := fleetOf(t, yaml, nil)
	first, err := clients(nil).update(f, secrets)
	if err != nil {
		t.Fatal(err)
	}
	env["K"] = "2"
	f, _ = fleetOf(t, strings.Replace(yaml, "{model: y}", "{model: z}", 1), nil)
	second, err := first.update(f, secrets)
	if err != nil {
		t.Fatal(err)
	}
	if second["b"].client != first["b"].client || second["a"].client == first["a"].client {
		t.Error("b must keep its client, a must get a new one for its new header")
	}
	delete(env, "K")
	if _, err := second.update(f, secrets); err == nil || !strings.Contains(err.Error(), "K is not set") {
		t.Errorf("a header that cannot be resolved: %v", err)
	}
	if got := second.with(clients{"c": {}}); len(got) != 3 {
		t.Errorf("with: %v", got)
	}
}

func TestMockCommand(t *testing.T) {
	b := newBench(t, "")
	if out := b.ok("mock", "--example"); !strings.HasPrefix(out, "#") || !strings.Contains(out, "atlas-large") {
		t.Errorf("example:\n%.200s", out)
	}
	bad := b.file("mock.yaml", "models:\n- name: a\n  ttft_: 1s\n")
	if r := b.run("mock", bad); r.code != exitInvalid || !strings.Contains(r.err, "ttft_") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	if r := b.run("mock", "--listen", "0.0.0.0:0"); r.code != exitInvalid {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	good := b.file("good.yaml", "models:\n- name: a\n  ttft: 1s\n")
	cmd := mockCmd{File: good, ErrorRate: ptr(0.5), TTFT: ptr(2 * time.Millisecond)}
	profiles, err := cmd.profiles()
	if err != nil || len(profiles) != 1 || profiles[0].ErrorRate != 0.5 || profiles[0].TTFT != 2*time.Millisecond {
		t.Errorf("%+v, %v", profiles, err)
	}

	out := newLineLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	a := &app{ctx: ctx, out: out, err: out}
	go func() { done <- a.run([]string{"mock", "--listen", "127.0.0.1:0", "--ttft", "0s"}) }()
	line := out.wait("mock models at ")
	url := strings.TrimSpace(line[strings.Index(line, "http://"):])
	if code, body := get(t, url+"/models"); code != http.StatusOK || !strings.Contains(body, "atlas-large") {
		t.Errorf("%d %s", code, body)
	}
	cancel()
	if code := <-done; code != exitOK {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func ptr[T any](v T) *T { return &v }
