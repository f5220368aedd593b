package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// replicas starts gateways on one configuration.
func replicas(t *testing.T, n int, config string) []*process {
	t.Helper()
	path := writeFile(t, "replicas.yaml", config)
	out := make([]*process, n)
	for i := range out {
		out[i] = launch(t, t.TempDir(), "--config", path)
	}
	for _, p := range out {
		p.waitReady()
	}
	return out
}

// oneSecret is the part of a configuration that gives gateways one secret for their keys.
func oneSecret(t *testing.T) string {
	t.Helper()
	return "keys: {secret: \"file:" + writeFile(t, "secret", strings.Repeat("a secret of all gateways ", 3)) + "\"}\n"
}

// cutBus ends the connections on which gateways hear each other.
func cutBus(t *testing.T, database string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tag, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name = 'cartrita bus' AND datname = current_database()`)
	if err != nil || tag.RowsAffected() == 0 {
		t.Fatalf("%d connections were ended, %v", tag.RowsAffected(), err)
	}
}

// routed asks for a model that costs less than the other, and returns which one answered.
func (p *process) routed() string {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+"/v1/chat/completions",
		strings.NewReader(`{"model":"auto","messages":[{"role":"user","content":"hello"}]}`))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("X-Cartrita-Max-Cost-Usd", "1.5")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Header.Get("X-Cartrita-Model")
}

const twoConfig = `
store: %s
providers:
  - name: lab
    kind: openai
    base_url: %s/v1
    endpoints:
      - {model: left, upstream: left}
      - {model: right, upstream: right}
`

// TestAChangeReachesEveryGatewayWithinASecond changes two prices on one gateway,
// a hundred times, so that the other model is the cheaper one. The two others
// route by it within a second each time, and never know one price without the
// other. A few times they cannot hear each other just then.
func TestAChangeReachesEveryGatewayWithinASecond(t *testing.T) {
	database := testserver.Database(t)
	manyChanges(t, database, "", 100, func(round int) {
		if round%10 == 9 {
			cutBus(t, database)
		}
	})
}

// TestAChangeReachesEveryGatewayOverRedis does the same with a Redis, which
// goes away and comes back.
func TestAChangeReachesEveryGatewayOverRedis(t *testing.T) {
	database, server := testserver.Database(t), testserver.NewRedis(t)
	manyChanges(t, database, "redis: "+server.URL()+"\n", 30, func(round int) {
		switch round {
		case 10:
			server.Stop(t)
		case 20:
			server.Start(t)
		}
	})
}

// manyChanges calls trouble before each change.
func manyChanges(t *testing.T, database, more string, rounds int, trouble func(round int)) {
	t.Helper()
	lab := upstream(t, mock.Profile{Name: "left", AnswerTokens: 3, TokensPerSecond: 5000}, mock.Profile{Name: "right", AnswerTokens: 3, TokensPerSecond: 5000})
	first := launch(t, t.TempDir(), "--config", writeFile(t, "first.yaml", "store: "+database+"\n"))
	first.reprice(1)
	all := replicas(t, 3, more+fmt.Sprintf(twoConfig, database, lab))
	var took []time.Duration
	for round := range rounds {
		trouble(round)
		all[0].reprice(round)
		changed := time.Now()
		want := []string{"left", "right"}[round%2]
		if got := all[0].routed(); got != want {
			t.Fatalf("round %d: where it was changed, %q is called, want %q", round, got, want)
		}
		late := make(chan time.Duration)
		for _, p := range all[1:] {
			go func() {
				for time.Since(changed) < 10*time.Second && p.routed() != want {
					p.whole(round)
				}
				late <- time.Since(changed)
			}()
		}
		for range all[1:] {
			d := <-late
			if took = append(took, d); d > time.Second {
				t.Errorf("round %d: another gateway routes by a change after %s", round, d)
			}
		}
	}
	slices.Sort(took)
	if took[len(took)/2] > 250*time.Millisecond { // as long as asking every half a second takes
		t.Errorf("half of the changes take %s: gateways do not hear each other", took[len(took)/2])
	}
	t.Logf("half of the changes are in force elsewhere after %s, the slowest after %s", took[len(took)/2], took[len(took)-1])
}

// reprice makes left the cheaper model in even rounds, right in odd ones.
func (p *process) reprice(round int) {
	p.t.Helper()
	var records []map[string]any
	for i, name := range []string{"left", "right"} {
		records = append(records, map[string]any{
			"model_id": name, "provider": "lab", "task_types": []string{"chat-completions"}, "status": "active",
			"cost_profile": map[string]any{"request_usd": 1 + (i+round)%2}, "metadata": map[string]any{"round": round},
		})
	}
	var answer json.RawMessage
	if status := p.post("/api/v1/models", records, &answer); status != http.StatusOK {
		p.t.Fatalf("round %d: %d %s", round, status, answer)
	}
}

// whole looks if the two records are of one change.
func (p *process) whole(round int) {
	var found struct {
		Hits []struct {
			Model struct {
				ID       string `json:"model_id"`
				Metadata struct{ Round int }
			}
		}
	}
	p.get("/api/v1/models?filter=provider=lab", &found)
	if h := found.Hits; len(h) > 0 && (len(h) != 2 || h[0].Model.Metadata != h[1].Model.Metadata) {
		p.t.Errorf("round %d: half a change is in force: %+v", round, h)
	}
}

// TestAKeyIsKnownEverywhereWithinASecond makes keys on one gateway and revokes
// them on another.
func TestAKeyIsKnownEverywhereWithinASecond(t *testing.T) {
	database := testserver.Database(t)
	lab := upstream(t, mock.Profile{Name: "sound"})
	all := replicas(t, 2, "store: "+database+"\n"+oneSecret(t)+fmt.Sprintf(soundConfig, lab))
	admin := ""
	ask := func(p *process, method, path, token, body string) (status int, answer struct {
		ID  string `json:"id"`
		Key string `json:"key"`
	}) {
		req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_ = json.NewDecoder(resp.Body).Decode(&answer)
		return resp.StatusCode, answer
	}
	within := func(what string, p *process, token string, want int) {
		t.Helper()
		waitFor(t, time.Second, what, func() bool { status, _ := ask(p, http.MethodGet, "/v1/models", token, ""); return status == want })
	}
	for i := range 20 {
		name := fmt.Sprintf(`{"name":"key-%d","role":"%s"}`, i, map[bool]string{true: "admin", false: "caller"}[i == 0])
		status, made := ask(all[0], http.MethodPost, "/api/v1/keys", admin, name)
		if status/100 != 2 || made.Key == "" {
			t.Fatalf("create: %d %+v", status, made)
		}
		within("a key that was made elsewhere closes the gateway", all[1], "", http.StatusUnauthorized)
		within("a key that was made elsewhere lets in", all[1], made.Key, http.StatusOK)
		if i == 0 {
			admin = made.Key
			continue
		}
		if i == 10 {
			cutBus(t, database)
		}
		if status, _ := ask(all[1], http.MethodPost, "/api/v1/keys/"+made.ID+"/revoke", admin, "{}"); status/100 != 2 {
			t.Fatalf("revoke %q: %d", made.ID, status)
		}
		within("a key that was revoked elsewhere lets nobody in", all[0], made.Key, http.StatusUnauthorized)
	}
}
