package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// alertsConfig has a rule of each type. Two channels are told of everything.
const alertsConfig = `
store: %s
models:
  - {model_id: sound,  provider: lab, task_types: [chat-completions], status: active}
  - {model_id: broken, provider: lab, task_types: [chat-completions], status: active}
providers:
  - name: lab
    kind: openai
    base_url: %s/v1
    endpoints:
      - {model: sound,  upstream: sound,  pricing: {input_usd_per_million: 1000, output_usd_per_million: 2000}}
      - {model: broken, upstream: broken, pricing: {input_usd_per_million: 1000, output_usd_per_million: 2000}}
budgets:
  - {name: team, period: daily, limit_usd: 50}
alerts:
  every: 1s
  channels:
    - {name: up,   kind: webhook, url: "%s"}
    - {name: down, kind: webhook, url: "%s", secret: "file:%s"}
  rules:
    - {name: cost,         type: cost_threshold,   threshold: 0.001, window: 30s}
    - {name: latency,      type: latency_spike,    threshold: 100, window: 30s, min_calls: 3}
    - {name: errors,       type: error_rate,       threshold: 0.5, window: 30s, min_calls: 3, scope: {model: broken}}
    - {name: availability, type: availability,     threshold: 0.5, window: 30s, min_calls: 3, severity: critical}
    - {name: safety,       type: safety_violation, threshold: 2, window: 30s}
    - {name: budget,       type: budget_threshold, threshold: 0.0001}
    - {name: burn,         type: burn_rate,        threshold: 2, window: 30s}
    - {name: drift,        type: benchmark_drift,  threshold: 0.1}
    - {name: spool,        type: spool_depth,      threshold: 30000, for: 1s}
`

// hook is a webhook that keeps what it was told.
type hook struct {
	*httptest.Server
	away atomic.Bool
	mu   sync.Mutex
	ids  map[string]int
	said map[string][]alert.Event // by rule and subject
}

func newHook(t *testing.T) *hook {
	h := &hook{ids: map[string]int{}, said: map[string][]alert.Event{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n alert.Notification
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil || n.ID == "" || n.ID != r.Header.Get("Webhook-Id") {
			t.Errorf("a webhook got %+v under the id %q, %v", n, r.Header.Get("Webhook-Id"), err)
		}
		if h.away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.ids[n.ID]++; h.ids[n.ID] > 1 {
			return // whoever is told twice can tell
		}
		for _, a := range n.Alerts {
			what := strings.TrimSuffix(n.Rule+" "+a.Subject, " ")
			h.said[what] = append(h.said[what], n.Event)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

// fired reports whether each of the rules fired; some may be resolved by now where
// the machine is slow.
func (h *hook) fired(rules []string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range rules {
		if len(h.said[r]) == 0 || h.said[r][0] != alert.Firing {
			return false
		}
	}
	return true
}

// heard reports whether each of the rules said exactly that, and nothing else did.
func (h *hook) heard(rules []string, want ...alert.Event) bool {
	h.mu.Lock()
	n := len(h.said)
	h.mu.Unlock()
	return h.heardOf(rules, want...) && (n == len(rules) || len(want) == 0)
}

// heardOf reports whether each of the rules said exactly that.
func (h *hook) heardOf(rules []string, want ...alert.Event) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range rules {
		if !slices.Equal(h.said[r], want) {
			return false
		}
	}
	return true
}

func (h *hook) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprint(h.said)
}

// repairable is an upstream that serves other models from when it is repaired.
func repairable(t *testing.T, before, after []mock.Profile) (url string, repair func()) {
	t.Helper()
	var now atomic.Pointer[mock.Server]
	servers := [2]*mock.Server{}
	for i, profiles := range [][]mock.Profile{before, after} {
		var err error
		if servers[i], err = mock.New(mock.Config{Profiles: profiles, Seed: 7}); err != nil {
			t.Fatal(err)
		}
	}
	now.Store(servers[0])
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now.Load().ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	return srv.URL, func() { now.Store(servers[1]) }
}

// TestEachAlertFiresOnce has every type of alert fire and resolve once at three
// gateways of which the one that leads is killed, and a channel be down for a
// minute meanwhile.
func TestEachAlertFiresOnce(t *testing.T) {
	t.Parallel() // it waits most of the time
	up, down := newHook(t), newHook(t)
	down.away.Store(true)
	began := time.Now()
	lab, repair := repairable(t,
		[]mock.Profile{{Name: "sound", TTFT: 150 * time.Millisecond, AnswerTokens: 5, RefuseWords: []string{"forbidden"}}, {Name: "broken", ErrorRate: 1}},
		[]mock.Profile{{Name: "sound", AnswerTokens: 5}, {Name: "broken", AnswerTokens: 5}})
	database := testserver.Database(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret that signs what is sent"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := replicas(t, 3, fmt.Sprintf(alertsConfig, database, lab, up.URL, down.URL, secret))
	var ignored json.RawMessage
	quality := func(mmlu float64) {
		t.Helper()
		if status := all[0].post("/api/v1/models", map[string]any{
			"model_id": "measured", "provider": "lab", "task_types": []string{"chat-completions"}, "quality_metrics": map[string]any{"mmlu": map[string]any{"value": mmlu}},
		}, &ignored); status != http.StatusOK {
			t.Fatalf("the quality of a model is not taken: %d", status)
		}
	}
	quality(80)
	time.Sleep(1500 * time.Millisecond) // an evaluation of a time at which all is well
	if !up.heard(nil) || len(up.said) > 0 {
		t.Fatalf("nothing is wrong, and somebody heard %s", up)
	}

	ask := func(of []*process, model, text string) {
		for _, p := range of {
			p.post("/v1/chat/completions", map[string]any{"model": model, "max_tokens": 20, "messages": []map[string]string{{"role": "user", "content": text}}}, &ignored)
		}
	}
	for range 4 {
		ask(all[:2], "sound", "hello")
		ask(all[:2], "broken", "hello")
		ask(all[:2], "sound", "something forbidden")
	}
	quality(40)
	rules := []string{"cost", "latency", "errors", "availability lab/broken", "safety", "budget team", "burn team", "drift measured"}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("of %q the channels heard %s and %s", rules, up, down)
		}
	})
	waitFor(t, 60*time.Second, "the rules about calls fire", func() bool { return up.fired(rules) })
	// Nothing can be stored for a while: calls wait in the spool.
	db, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	tx, err := db.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), `SELECT last FROM call_clock FOR UPDATE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 30 { // far more than is ever on its way, and than the events of the one that leads
		ask(all[:2], "sound", "hello")
	}
	for _, p := range all[:2] {
		rules = append(rules, "spool "+strings.TrimPrefix(p.url, "http://"))
	}
	waitFor(t, 60*time.Second, "every rule fires", func() bool { return up.fired(rules) })
	if out, err := all[2].command("", "alerts"); err != nil || !strings.Contains(out, "spool\twarning\t127.0.0.1:") || !strings.Contains(out, "a message to down about") {
		t.Errorf("cartrita alerts: %v:\n%s", err, out)
	}

	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := leader(all, all[0].cluster())
	all[first].kill()
	rest := slices.Delete(slices.Clone(all), first, first+1)
	all[0] = rest[0] // who answers from here on
	quality(80)
	if status := rest[0].post("/api/v1/budgets/team/override", map[string]any{
		"until": time.Now().Add(time.Hour), "reason": "test", "limit_usd": 1_000_000,
	}, &ignored); status != http.StatusOK {
		t.Fatalf("the limit cannot be raised: %d", status)
	}
	repair()
	var asked time.Time
	waitFor(t, 90*time.Second, "what is measured well again is resolved", func() bool {
		if time.Since(asked) > time.Second { // more would keep the spool filled
			asked = time.Now()
			ask(rest, "broken", "hello")
		}
		return up.heardOf([]string{"latency", "errors", "availability lab/broken"}, alert.Firing, alert.Resolved)
	})
	waitFor(t, 90*time.Second, "every rule is resolved", func() bool { return up.heard(rules, alert.Firing, alert.Resolved) })
	time.Sleep(time.Until(began.Add(time.Minute)))
	if len(down.said) > 0 {
		t.Errorf("a channel that is down heard %s", down)
	}
	down.away.Store(false)
	waitFor(t, 40*time.Second, "the channel that was down hears of everything", func() bool { return down.heard(rules, alert.Firing, alert.Resolved) })
	time.Sleep(3 * time.Second) // in which nothing more may come
	if !up.heard(rules, alert.Firing, alert.Resolved) || !down.heard(rules, alert.Firing, alert.Resolved) {
		t.Errorf("heard: %s; %s", up, down)
	}
	var seen struct{ Events []struct{ Type string } }
	rest[1].get("/api/v1/events?kind=alert.fired&kind=alert.resolved&limit=100", &seen)
	if len(seen.Events) != 2*len(rules) {
		t.Errorf("%d events of %d alerts", len(seen.Events), len(rules))
	}
	if out, err := rest[1].command("", "alerts", "history"); err != nil || strings.Count(out, "\n") != 1+len(rules) || strings.Contains(out, "fires") {
		t.Errorf("cartrita alerts history: %v:\n%s", err, out)
	}
	if out, err := rest[1].command("", "alerts", "test", "down"); err != nil || !strings.Contains(out, "took the message") {
		t.Errorf("cartrita alerts test: %v:\n%s", err, out)
	}
}
