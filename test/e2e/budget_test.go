package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cartrita/cartrita/mock"
	"github.com/cartrita/cartrita/model"
)

// A call at lab costs exactly a dollar, whatever it says.
const dollarConfig = `
models:
  - {model_id: sound, provider: lab, task_types: [chat-completions], status: active}
limits: {concurrency: 1000, queue: 1000}
providers:
  - name: lab
    kind: openai
    base_url: %s/v1
    endpoints:
      - {model: sound, upstream: sound, pricing: {request_usd: 1}}
budgets:
  - {name: all, period: total, limit_usd: %d}
`

// budgetStatus is a counter in GET /api/v1/budgets as far as these tests need it.
type budgetStatus struct{ Spent, Held model.Money }

func (p *process) budget(name string) budgetStatus {
	p.t.Helper()
	type amount struct {
		USD model.Money `json:"usd"`
	}
	var b struct {
		Counters []struct {
			Spent amount `json:"spent"`
			Held  amount `json:"held"`
		} `json:"counters"`
	}
	p.get("/api/v1/budgets/"+name, &b)
	if len(b.Counters) != 1 {
		p.t.Fatalf("the budget %q has %d counters", name, len(b.Counters))
	}
	return budgetStatus{b.Counters[0].Spent.USD, b.Counters[0].Held.USD}
}

// settled waits until nothing is held: what a cancelled call held is settled
// behind the caller's back.
func (p *process) settled(name string) budgetStatus {
	p.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		b := p.budget(name)
		if b.Held == 0 || time.Now().After(deadline) {
			return b
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// costTotal is what the cost rollups say was spent.
func (p *process) costTotal() model.Money {
	p.t.Helper()
	var costs struct {
		Total struct {
			Cost model.Money `json:"cost_usd"`
		} `json:"total"`
	}
	p.get("/api/v1/costs?since=24h", &costs)
	return costs.Total.Cost
}

// TestBudgetPaysForExactly37 is litellm#34732 at scale: check-then-increment
// lets concurrent calls pass a budget that pays for fewer.
func TestBudgetPaysForExactly37(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "sound", TTFT: 50 * time.Millisecond, AnswerTokens: 5})
	p := start(t, t.TempDir(), "--config", writeFile(t, "dollar.yaml", fmt.Sprintf(dollarConfig, lab, 37)))
	const calls, pays = 500, 37
	var admitted, refused atomic.Int64
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range calls {
		wg.Go(func() {
			<-begin
			r := p.chat("hello", i%2 == 0)
			switch {
			case r.whole:
				admitted.Add(1)
			case strings.HasPrefix(r.reason, "402 ") && strings.Contains(r.reason, `"code":"budget_exceeded"`):
				refused.Add(1)
			default:
				t.Errorf("call %d: %s", i, r.reason)
			}
		})
	}
	close(begin)
	wg.Wait()
	if admitted.Load() != pays || refused.Load() != calls-pays {
		t.Errorf("%d calls were admitted and %d refused, want %d and %d", admitted.Load(), refused.Load(), pays, calls-pays)
	}
	b := p.settled("all")
	if spent := p.costTotal(); b.Spent != spent || spent != pays*model.USD || b.Held != 0 {
		t.Errorf("the budget says %s spent and %s held, the costs say %s; want $%d, nothing, $%d", b.Spent, b.Held, spent, pays, pays)
	}
}

// TestBudgetHoldsUnderFire streams and asks without end, cancels at random,
// lets upstreams fail so that calls fall back, and kills the gateway with
// kill -9 again and again (litellm#27639, #30522, #36926): the upstream never
// works for more than the budget pays, nothing stays held, and what is left
// can still be spent.
func TestBudgetHoldsUnderFire(t *testing.T) {
	const limit, rounds, workers = 3000, 5, 16
	// An error of the upstream costs nothing; a stream that is cut costs a dollar,
	// like one that is left.
	lab := upstream(t,
		mock.Profile{Name: "flaky", ErrorRate: 0.3, CutRate: 0.2, TTFT: 3 * time.Millisecond, AnswerTokens: 20, TokensPerSecond: 2000},
		mock.Profile{Name: "sound", TTFT: 3 * time.Millisecond, AnswerTokens: 20, TokensPerSecond: 2000},
	)
	config := writeFile(t, "fire.yaml", fmt.Sprintf(`
models:
  - {model_id: flaky, provider: lab, task_types: [chat-completions], status: active, quality_metrics: {composite: {value: 0.95, source: test}}}
  - {model_id: sound, provider: lab, task_types: [chat-completions], status: active, quality_metrics: {composite: {value: 0.60, source: test}}}
router: {default_strategy: quality-first}
providers:
  - name: lab
    kind: openai
    base_url: %s/v1
    endpoints:
      - {model: flaky, upstream: flaky, pricing: {request_usd: 1}}
      - {model: sound, upstream: sound, pricing: {request_usd: 1}}
budgets:
  - {name: all, period: total, limit_usd: %d}
`, lab, limit))
	data := t.TempDir()
	for round := range rounds {
		p := start(t, data, "--config", config)
		if b := p.budget("all"); b.Held != 0 {
			t.Errorf("round %d begins with %s held", round, b.Held)
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						p.hasty(i%2 == w%2)
					}
				}
			})
		}
		time.Sleep(50*time.Millisecond + rand.N(50*time.Millisecond)) // some load before the blow
		p.kill()
		close(stop)
		wg.Wait()
	}

	p := start(t, data, "--config", config)
	before := p.settled("all")
	if before.Held != 0 {
		t.Errorf("%s are held although no call is under way", before.Held)
	}
	if left := limit*model.USD - before.Spent; left < 20*model.USD {
		t.Fatalf("only %s are left: the test shows nothing of phantom refusals", left)
	}
	// No phantom refusals: what is left is spent to the last dollar, and no more.
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for !strings.HasPrefix(p.chat("the rest", false).reason, "402 ") {
				if admitted.Add(1) > limit {
					t.Error("calls are admitted without end")
					return
				}
			}
		})
	}
	wg.Wait()
	if after := p.settled("all"); after.Spent != limit*model.USD || after.Held != 0 {
		t.Errorf("refused at %s of $%d, with %s held", after.Spent, limit, after.Held)
	}
	var audit struct {
		Records struct {
			Balanced bool  `json:"balanced"`
			Charges  int64 `json:"charges"`
		} `json:"records"`
	}
	p.get("/api/v1/budgets/audit", &audit)
	if !audit.Records.Balanced || audit.Records.Charges == 0 {
		t.Errorf("the records do not add up to the ledger: %+v", audit)
	}
	p.crossings("all", "warning", "critical", "hard_stop")
	// A budget that is created now opens with all of that, the interrupted calls too.
	resp, err := http.Post(p.url+"/api/v1/budgets", "application/json", strings.NewReader(`{"name":"late","period":"total","limit_usd":1000000}`))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	if late := p.settled("late"); late.Spent != limit*model.USD {
		t.Errorf("a budget created behind them opens with %s of $%d", late.Spent, limit)
	}
	t.Logf("%s spent and assumed over %d kills, %d calls bought from the rest", before.Spent, rounds, admitted.Load())
}

// crossings fails unless each threshold of the budget was reported, once.
func (p *process) crossings(name string, thresholds ...string) {
	p.t.Helper()
	want := map[string]int{}
	for _, th := range thresholds {
		want[th] = 1
	}
	var got map[string]int
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var page struct {
			Events []struct {
				Data struct{ Budget, Threshold string } `json:"data"`
			} `json:"events"`
		}
		p.get("/api/v1/events?kind=budget.threshold_crossed", &page)
		got = map[string]int{}
		for _, e := range page.Events {
			if e.Data.Budget == name && e.Data.Threshold != "ladder" {
				got[e.Data.Threshold]++
			}
		}
		if maps.Equal(got, want) || time.Now().After(deadline) {
			break
		}
	}
	if !maps.Equal(got, want) {
		p.t.Errorf("budget %s reported %v, want %v", name, got, want)
	}
}

// hasty asks, and in half of the cases leaves before the end.
func (p *process) hasty(stream bool) {
	ctx := context.Background()
	if rand.IntN(2) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, rand.N(20*time.Millisecond))
		defer cancel()
	}
	body, _ := json.Marshal(map[string]any{
		"model": "auto", "stream": stream, "messages": []map[string]string{{"role": "user", "content": "hello"}},
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/v1/chat/completions", strings.NewReader(string(body)))
	if err != nil {
		p.t.Error(err)
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			time.Sleep(time.Millisecond) // the gateway was killed: do not spin
		}
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body) // it may be cut: that is the point
	resp.Body.Close()
}

// TestEveryRouteThatSpendsIsMetered is bifrost#2873: a route beside the usual
// ones must not spend past a budget. A budget of nothing refuses all of them
// (litellm#26672); a new route under /v1 fails here until it is listed.
func TestEveryRouteThatSpendsIsMetered(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "sound"})
	p := start(t, t.TempDir(), "--config", writeFile(t, "dollar.yaml", fmt.Sprintf(dollarConfig, lab, 0)))
	spend := map[string]string{
		"/v1/chat/completions": `{"model":"sound","messages":[{"role":"user","content":"hi"}]}`,
		"/v1/completions":      `{"model":"sound","prompt":"hi"}`,
		"/v1/embeddings":       `{"model":"sound","input":"hi"}`,
	}
	free := map[string]bool{"/v1/models": true, "/v1/models/{id}": true}
	var index struct {
		Paths []string `json:"paths"`
	}
	p.get("/", &index)
	if len(index.Paths) == 0 {
		t.Fatal("the index lists no paths")
	}
	for _, path := range index.Paths {
		if strings.HasPrefix(path, "/v1/") && !free[path] && spend[path] == "" {
			t.Errorf("%s: is it metered? list it here", path)
		}
	}
	for path, body := range spend {
		resp, err := http.Post(p.url+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusPaymentRequired || resp.Header.Get("X-Cartrita-Call-Id") == "" {
			t.Errorf("%s: %s %s", path, resp.Status, text)
		}
	}
}

// A search by likeness asks a model: its calls are paid and recorded like any
// other, and a budget that is used up leaves the built-in features.
func TestSearchByLikenessIsMetered(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "vectors"})
	p := start(t, t.TempDir(), "--config", writeFile(t, "likeness.yaml", fmt.Sprintf(`
models:
  - {model_id: vectors, provider: lab, task_types: [embeddings], status: active}
providers:
  - name: lab
    kind: openai
    base_url: %s/v1
    endpoints:
      - {model: vectors, upstream: vectors, pricing: {request_usd: 1}}
budgets:
  - {name: all, period: total, limit_usd: 3}
embeddings: {model: vectors}
`, lab)))
	search := func() (found struct {
		Total        int
		Method, Note string
	}) {
		p.get("/api/v1/models?similar=numbers&filter=provider%3Dlab", &found)
		return found
	}
	for i, paid := range []model.Money{2 * model.USD, 3 * model.USD} { // the record and the wish, then the wish
		if found := search(); found.Method != "embeddings" || found.Total != 1 || found.Note != "" {
			t.Errorf("search %d: %+v", i, found)
		}
		if b := p.settled("all"); b.Spent != paid || b.Spent != p.costTotal() || b.Held != 0 {
			t.Errorf("search %d: spent %s, held %s, on record %s; want %s", i, b.Spent, b.Held, p.costTotal(), paid)
		}
	}
	if found := search(); found.Method != "features" || found.Total != 1 || !strings.Contains(found.Note, "budget") {
		t.Errorf("past the budget: %+v", found)
	}
	if b := p.settled("all"); b.Spent != 3*model.USD {
		t.Errorf("spent %s past the budget", b.Spent)
	}
}
