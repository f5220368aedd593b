package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cartrita/cartrita/mock"
)

func get(t *testing.T, url string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func TestServeDemo(t *testing.T) {
	b := newBench(t, "")
	r := b.serve("--demo=auto", "--listen", "127.0.0.1:0")
	r.out.wait("explain")
	for _, want := range []string{"demo models", "curl -N " + r.url, "chat --data " + b.data} {
		if !strings.Contains(r.out.String(), want) {
			t.Errorf("what serve prints lacks %q:\n%s", want, r.out)
		}
	}
	if code, body := get(t, r.url+"/readyz"); code != http.StatusOK {
		t.Errorf("readyz: %d %s", code, body)
	}
	info, err := os.ReadFile(filepath.Join(b.data, serverFile))
	if err != nil || !strings.Contains(string(info), r.url) {
		t.Errorf("server.json: %s, %v", info, err)
	}

	// Commands find the running gateway by the data directory.
	if out := b.ok("chat", "hello", "--model", "demo/pebble-nano"); out == "" {
		t.Error("no answer")
	}
	if out := b.ok("explain", "last"); !strings.Contains(out, "pebble-nano") {
		t.Errorf("explain: %s", out)
	}
	if code := r.stop(); code != exitOK {
		t.Errorf("exit code %d: %s", code, r.err)
	}
	if fileExists(filepath.Join(b.data, serverFile)) {
		t.Error("server.json stays behind")
	}
	// What was recorded is there for a gateway in the command's own process.
	if out := b.ok("costs"); !strings.Contains(out, "demo/pebble-nano\t1\t") {
		t.Errorf("costs after the end: %s", out)
	}
}

func TestServeSecondProcessIsRefused(t *testing.T) {
	b := newBench(t, "")
	b.serve("--demo")
	r := b.run("serve", "--listen", "127.0.0.1:0")
	if r.code == exitOK || !strings.Contains(r.err, "in use by process") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

func TestServeRefusesOpenAddresses(t *testing.T) {
	b := newBench(t, "")
	for _, listen := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		r := b.run("serve", "--listen", listen)
		if r.code != exitInvalid || !strings.Contains(r.err, "--listen: listen: ") || !strings.Contains(r.err, "api_keys") {
			t.Errorf("%s: exit code %d: %s", listen, r.code, r.err)
		}
	}
	if r := b.run("serve", "--listen", "127.0.0.1:0", "--store", "clay"); r.code != exitInvalid || !strings.Contains(r.err, "--store") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

// A client of NATS takes any address, and never gets an answer from a wrong one.
func TestServeRefusesANATSServerThatIsNone(t *testing.T) {
	b := newBench(t, "sinks: [{name: bus, kind: nats, url: env:BUS, subject: events}]\n")
	b.environ = []string{"BUS=http://ada:s3cret@127.0.0.1:4222"}
	if r := b.run("serve"); r.code != exitInvalid || !strings.Contains(r.err, "sinks[0].url: env:BUS holds no URL such as nats://host:4222") || strings.Contains(r.err, "s3cret") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

func TestServeWithKeys(t *testing.T) {
	b := newBench(t, "api_keys: [{name: me, key: env:MY_KEY}]\n")
	if r := b.run("serve"); r.code != exitInvalid || !strings.Contains(r.err, "MY_KEY is not set") {
		t.Errorf("a key that cannot be read: exit code %d: %s", r.code, r.err)
	}
	if r := b.run("serve", "--store", "env:DATABASE_URL"); r.code != exitInvalid || !strings.Contains(r.err, "DATABASE_URL is not set") {
		t.Errorf("a database that is not named: exit code %d: %s", r.code, r.err) // it does not wait for one
	}
	b.environ = []string{"MY_KEY=short"}
	if r := b.run("serve"); r.code != exitInvalid || !strings.Contains(r.err, "api_keys[0].key: env:MY_KEY holds 5 characters") {
		t.Errorf("a short key: exit code %d: %s", r.code, r.err)
	}
	const key = "0123456789abcdef"
	b.environ = []string{"MY_KEY=" + key}
	r := b.serve("--demo")
	if code, _ := get(t, r.url+"/v1/models"); code != http.StatusUnauthorized {
		t.Errorf("without a key: status %d", code)
	}
	if code, _ := get(t, r.url+"/v1/models", "Authorization", "Bearer "+key); code != http.StatusOK {
		t.Errorf("with the key: status %d", code)
	}
	if r := b.run("models", "list", "--server", r.url); r.code != exitForbidden || !strings.Contains(r.err, "CARTRITA_API_KEY") {
		t.Errorf("command without a key: exit code %d: %s", r.code, r.err)
	}
	b.ok("models", "list") // who can read the data directory needs none
	b.ok("models", "list", "--api-key", "env:MY_KEY")
	b.environ = append(b.environ, "CARTRITA_API_KEY="+key)
	b.ok("models", "list")
	if r := b.run("models", "list", "--api-key", key); r.code != exitInvalid || strings.Contains(r.err, key) {
		t.Errorf("a key on the command line is refused and not repeated: exit code %d: %s", r.code, r.err)
	}
}

func TestServeReloads(t *testing.T) {
	base := "listen: 127.0.0.1:0\ndiscovery: {env: false, ollama: false}\n"
	b := newBench(t, mockSection(t))
	section, _ := os.ReadFile(b.config)
	r := b.serve("--log-format", "text")
	strategies := func() string { _, body := get(t, r.url+"/api/v1/strategies"); return body }
	if strings.Contains(strategies(), "thrifty") {
		t.Fatal("thrifty is there too early")
	}

	b.write(b.config, string(section)+"router: {default_strategy: thrifty, strategies: {thrifty: {weights: {cost: 1}}}}\n")
	r.err.wait("configuration changed")
	if !strings.Contains(strategies(), "thrifty") {
		t.Errorf("the new strategy is not there: %s", strategies())
	}

	b.write(b.config, base+"providers:\n- {name: box, base_url: \"http://127.0.0.1:1/v1\", endpoints: [{model: no-such-model-anywhere, upstream: x}]}\n")
	line := r.err.wait("no-such-model-anywhere")
	if !strings.Contains(line, b.config+":4:") {
		t.Errorf("the line is not named: %s", line)
	}
	if _, body := get(t, r.url+"/api/v1/endpoints"); !strings.Contains(body, "box/atlas-large") {
		t.Error("the last good endpoints are gone")
	}
	if !strings.Contains(strategies(), "thrifty") {
		t.Error("the last good strategies are gone")
	}
}

// A stream that is under way when the gateway is told to stop ends whole.
func TestServeFinishesStreams(t *testing.T) {
	slow := mock.Profile{Name: "slow", AnswerTokens: 30, TokensPerSecond: 60}
	b := newBench(t, mockSection(t, slow))
	r := b.serve()
	body := `{"model":"box/slow","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	tr := &http.Transport{DisableKeepAlives: true}
	req, err := http.NewRequest(http.MethodPost, r.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan int)
	go func() { stopped <- r.stop() }()
	rest, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("the stream was cut: %v, …%q", err, rest[max(0, len(rest)-80):])
	}
	if code := <-stopped; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// While it drains, the gateway says that it wants no calls and serves those
// that come all the same.
func TestServeDrains(t *testing.T) {
	b := newBench(t, "limits: {drain_delay: 1s}\n")
	r := b.serve("--demo")
	stopped := make(chan int)
	go func() { stopped <- r.stop() }()
	r.err.wait("shutting down")
	for { // the log line comes just before
		if code, _ := get(t, r.url+"/readyz"); code == http.StatusServiceUnavailable {
			break
		}
	}
	if code, _ := get(t, r.url+"/v1/models"); code != http.StatusOK {
		t.Errorf("a call while draining: status %d", code)
	}
	if code := <-stopped; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestEventsTail(t *testing.T) {
	b := newBench(t, mockSection(t))
	b.serve()
	done := make(chan result, 1)
	go func() { done <- b.run("events", "tail", "-n", "4", "--json") }()
	for {
		select {
		case got := <-done:
			if got.code != exitOK || strings.Count(got.out, "\n") != 4 || !strings.Contains(got.out, "model_cost.accumulated") {
				t.Errorf("exit code %d:\n%s%s", got.code, got.out, got.err)
			}
			return
		case <-time.After(50 * time.Millisecond):
			b.ok("chat", "hello") // until the subscription has seen four events
		}
	}
}

func TestServeFindsOllama(t *testing.T) {
	var asked atomic.Bool
	ollama := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/tags" {
			http.NotFound(w, r)
			return
		}
		asked.Store(true)
		_, _ = w.Write([]byte(`{"models":[{"name":"llama3.1:8b","details":{"family":"llama","parameter_size":"8.0B","quantization_level":"Q4_K_M"}},` +
			`{"name":"nomic-embed-text:latest","details":{"family":"nomic-bert"}},{"name":"bad name"}]}`))
	}))
	t.Cleanup(ollama.Close)
	b := newBench(t, "")
	b.write(b.config, "listen: 127.0.0.1:0\ndiscovery: {env: false, ollama: true, ollama_url: \""+ollama.URL+"\"}\n")
	r := b.serve("--demo=auto", "--log-format", "text")
	r.out.wait("2 endpoints")
	var endpoints struct {
		Endpoints []struct {
			ID    string `json:"endpoint_id"`
			Ready bool   `json:"credentials_present"`
		}
	}
	_, body := get(t, r.url+"/api/v1/endpoints")
	if err := json.Unmarshal([]byte(body), &endpoints); err != nil || len(endpoints.Endpoints) != 2 || endpoints.Endpoints[0].ID != "ollama/llama3.1:8b" || !endpoints.Endpoints[0].Ready {
		t.Errorf("endpoints: %s", body)
	}
	if out := b.ok("models", "show", "ollama/nomic-embed-text:latest"); !strings.Contains(out, "embeddings") || !strings.Contains(out, "input_usd_per_million: 0") {
		t.Errorf("record:\n%s", out)
	}
	if !asked.Load() || strings.Contains(r.out.String(), "demo models") {
		t.Errorf("demo models beside real ones:\n%s", r.out)
	}
}

func TestServeTracesToOTLP(t *testing.T) {
	got := make(chan string, 8)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.URL.Path + " " + r.Header.Get("X-Token") + " " + string(body)
	}))
	t.Cleanup(collector.Close)
	b := newBench(t, mockSection(t)+"telemetry: {otlp_endpoint: \""+collector.URL+"\", otlp_headers: {X-Token: env:OTLP_TOKEN}, service_name: gw}\n")
	b.environ = []string{"OTLP_TOKEN=tok"}
	r := b.serve()
	b.ok("chat", "hello")
	r.stop() // sends what is left
	select {
	case s := <-got:
		if !strings.HasPrefix(s, "/v1/traces tok ") || !strings.Contains(s, "gen_ai.request.model") || !strings.Contains(s, "gw") {
			t.Errorf("got %.200q", s)
		}
	case <-time.After(10 * time.Second):
		t.Error("no trace was sent")
	}
}

func TestConfigCommands(t *testing.T) {
	b := newBench(t, mockSection(t))
	if out := b.ok("config", "check"); !strings.HasPrefix(out, "ok ") {
		t.Errorf("check: %s", out)
	}
	b.environ = []string{"CARTRITA_ROUTER_MAX_ATTEMPTS=5"}
	out := b.ok("config", "show")
	if !strings.Contains(out, "# router.max_attempts from CARTRITA_ROUTER_MAX_ATTEMPTS") || !strings.Contains(out, "max_attempts: 5") {
		t.Errorf("show:\n%s", out)
	}
	var shown struct {
		Router struct {
			MaxAttempts int `json:"max_attempts"`
		}
	}
	b.json(&shown, "config", "show")
	if shown.Router.MaxAttempts != 5 {
		t.Errorf("show --json: %+v", shown)
	}
	typo := b.file("typo.yaml", "router:\n  max_atempts: 3\n")
	if r := b.run("config", "check", typo); r.code != exitInvalid || !strings.Contains(r.err, ":2:3: router.max_atempts: unknown field; did you mean max_attempts?") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	for text, want := range map[string]string{
		"providers:\n- name: nobody-knows\n":                                                    ":2:3: providers[0].base_url: is missing",
		"providers:\n- name: openai\n  endpoints:\n  - model: gpt-4oo\n":                        ":4:5: providers[0].endpoints[0].model: there is no model",
		"models:\n- {model_id: a, provider: b, context_length: -1, task_types: [embeddings]}\n": ":2:30: models[0].context_length: ",
		"providers:\n- {name: openai, api_key: env:NOT_SET}\n":                                  "",
	} {
		r := b.run("config", "check", b.file("x.yaml", text))
		if want == "" && r.code != exitOK || want != "" && (r.code != exitInvalid || !strings.Contains(r.err, want)) {
			t.Errorf("%s\nexit code %d, want %q: %s", text, r.code, want, r.err)
		}
	}
}

// The examples that people copy are valid.
func TestDocumentedConfigurations(t *testing.T) {
	b := newBench(t, "")
	for _, doc := range []string{"../../docs/CONFIGURATION.md", "../../README.md"} {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "```yaml\n")
		example, _, ok := strings.Cut(rest, "```")
		if !ok {
			t.Fatalf("%s has no example", doc)
		}
		if r := b.run("config", "check", b.file("example.yaml", example)); r.code != exitOK {
			t.Errorf("%s: exit code %d: %s", doc, r.code, r.err)
		}
	}
}
