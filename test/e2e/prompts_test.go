package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

const promptsConfig = `
store: %s
models:
  - {model_id: vectors, provider: lab, task_types: [embeddings], status: active}
  - {model_id: sound, provider: lab, task_types: [chat-completions], status: active}
providers:
  - name: lab
    kind: openai
    base_url: %s/v1
    endpoints:
      - {model: vectors, upstream: vectors, pricing: {request_usd: 1}}
      - {model: sound, upstream: sound, pricing: {request_usd: 1}}
embeddings: {model: vectors, prompts: {sample: 1, keep: 1h}}
budgets:
  - {name: poor, scope: {team: poor}, period: total, limit_usd: 1}
`

func promptsLab(t *testing.T) string {
	return upstream(t, mock.Profile{Name: "vectors"}, mock.Profile{Name: "sound", AnswerTokens: 3, TokensPerSecond: 2000})
}

// prompts reads how many prompts came to that.
func (p *process) prompts(key, outcome, reason string) string {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+"/metrics", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s %v\n%s", resp.Status, err, all)
	}
	_, rest, _ := strings.Cut(string(all), fmt.Sprintf("cartrita_prompt_embeddings_total{outcome=%q,reason=%q} ", outcome, reason))
	n, _, _ := strings.Cut(rest, "\n")
	return n
}

// Calls are found by what they were asked, over each store, and after a restart.
func TestCallsAreFoundByTheirPrompts(t *testing.T) {
	database := testserver.VectorDatabase(t)
	lab := promptsLab(t)
	for _, store := range []string{"sqlite", database} {
		data, file := t.TempDir(), writeFile(t, "prompts.yaml", fmt.Sprintf(promptsConfig, store, lab))
		p := start(t, data, "--config", file)
		ids := map[string]string{} // of questions, by call
		for i := range 5 {
			for kind, question := range map[string]string{
				"river":  "Why do rivers bend where the water of the river is slow, near town %d?",
				"kernel": "Prove the theorem about compact operators and Fredholm kernels, case %d.",
			} {
				r := p.chat(fmt.Sprintf(question, i), i%2 == 0)
				if !r.whole {
					t.Fatal(r.reason)
				}
				ids[r.id] = kind
			}
		}
		waitFor(t, 20*time.Second, "all prompts are embedded", func() bool { return p.prompts("", "embedded", "") == "10" })
		p.stop()
		p = start(t, data, "--config", file)
		similar := func(args ...string) (found gateway.SimilarCalls) {
			t.Helper()
			out, err := p.command("", append([]string{"events", "similar", "--json"}, args...)...)
			if err == nil {
				err = json.Unmarshal([]byte(out), &found)
			}
			if err != nil {
				t.Fatalf("%v: %v\n%s", args, err, out)
			}
			return found
		}
		check := func(found gateway.SimilarCalls, kind string, n int) {
			t.Helper()
			if len(found.Calls) != n || found.Embedder != "vectors" || len(found.Models) != 1 || found.Models[0].Model != "sound" || found.Models[0].Calls != n {
				t.Errorf("%s: %+v", kind, found)
			}
			for i, c := range found.Calls {
				if is := ids[c.ID.String()]; i < 4 && is != kind || c.Model != "sound" || c.Cost.USD() != 1 {
					t.Errorf("%s: place %d has %q: %+v", kind, i, is, c)
				}
			}
		}
		check(similar("bends of rivers in slow water"), "river", 10)
		check(similar("-n", "5", "compact operators, kernels and a theorem"), "kernel", 5)
		first := similar("-n", "1", "compact operators, kernels and a theorem").Calls[0].ID.String()
		check(similar("-n", "4", "--call", first), "kernel", 4)
		if found := similar("--since", time.Now().Add(time.Hour).Format(time.RFC3339), "rivers"); len(found.Calls) != 0 {
			t.Errorf("in the future: %+v", found)
		}
		out, err := p.command("", "events", "similar", "rivers")
		if err != nil || !strings.Contains(out, first) || !strings.Contains(out, "sound\t10\t0\t$1\t") {
			t.Errorf("%v: %s", err, out)
		}
		p.stop()
	}
}

// A caller whose limits, models or budgets do not allow it leaves no vector, and
// their calls are served as ever.
func TestPromptsThatAreRefused(t *testing.T) {
	data, lab := t.TempDir(), promptsLab(t)
	p := start(t, data, "--config", writeFile(t, "prompts.yaml", fmt.Sprintf(promptsConfig, "sqlite", lab)))
	ops := command(t, data, "keys", "create", "ops", "--role", "operator")
	for reason, args := range map[string][]string{
		"rate_limit_exceeded": {"--rpm", "1"}, "forbidden": {"--model", "sound"}, "budget_exceeded": {"--team", "poor"},
	} {
		token := command(t, data, append([]string{"keys", "create", reason}, args...)...)
		if status := p.statusFor(token, "sound"); status != http.StatusOK {
			t.Errorf("%s: the call got %d", reason, status)
		}
		waitFor(t, 10*time.Second, "one is refused as "+reason, func() bool { return p.prompts(ops, "refused", reason) == "1" })
	}
	if n := p.prompts(ops, "embedded", ""); n != "" {
		t.Errorf("%s are embedded", n)
	}
}
