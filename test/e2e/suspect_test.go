package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
	"github.com/cartrita/cartrita/model"
)

const suspectConfig = `
store: %s
models:
  - {model_id: broken, provider: lab, task_types: [chat-completions], status: active, fallback_chain: [sound]}
  - {model_id: sound, provider: lab, task_types: [chat-completions], status: active}
  - {model_id: lonely, provider: far, task_types: [chat-completions], status: active}
router: {default_strategy: balanced}
providers:
  - {name: lab, kind: openai, base_url: "%s/v1", endpoints: [{model: broken, upstream: broken}, {model: sound, upstream: sound}]}
  - {name: far, kind: openai, base_url: "%s/v1", endpoints: [{model: lonely, upstream: lonely}]}
`

// call asks one model, and returns who answered after how many attempts.
func (p *process) call(name string) (status int, by, attempts string) {
	p.t.Helper()
	resp, err := http.Post(p.url+"/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"`+name+`","messages":[{"role":"user","content":"hello"}]}`))
	if err != nil {
		p.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("X-Cartrita-Model"), resp.Header.Get("X-Cartrita-Attempts")
}

// TestWhatOneGatewayFoundBrokenAllAvoid sends calls to one gateway until it gives
// an upstream up. The others then avoid it with their first call. Another
// upstream is out of reach of that gateway alone: the others go on using it,
// although they have heard of it, and it is the only one of its model.
func TestWhatOneGatewayFoundBrokenAllAvoid(t *testing.T) {
	quick := func(name string, errors float64) mock.Profile {
		return mock.Profile{Name: name, ErrorRate: errors, AnswerTokens: 3, TokensPerSecond: 5000}
	}
	lab, far := upstream(t, quick("broken", 1), quick("sound", 0)), upstream(t, quick("lonely", 0))
	database := testserver.Database(t)
	first := replicas(t, 1, fmt.Sprintf(suspectConfig, database, lab, "http://127.0.0.1:1"))[0]
	others := replicas(t, 2, fmt.Sprintf(suspectConfig, database, lab, far))

	if status, by, attempts := first.call("broken"); status != http.StatusOK || by != "sound" || attempts == "1" {
		t.Fatalf("the upstream is not broken: %d by %q after %s attempts", status, by, attempts)
	}
	waitFor(t, 10*time.Second, "a gateway gives up what is broken", func() bool { _, _, attempts := first.call("broken"); return attempts == "1" })
	hear := func(p *process, endpoint string) {
		waitFor(t, 2*time.Second, "the others hear of "+endpoint, func() bool {
			return strings.Contains(p.output(), `another gateway found it broken","endpoint":"`+endpoint)
		})
	}
	for i, p := range others {
		hear(p, "lab/broken")
		if status, by, attempts := p.call("broken"); status != http.StatusOK || by != "sound" || attempts != "1" {
			t.Errorf("gateway %d: %d by %q after %s attempts: it did not avoid what is broken", i, status, by, attempts)
		}
	}
	waitFor(t, 10*time.Second, "a gateway gives up what it cannot reach", func() bool {
		first.call("lonely")
		return strings.Contains(first.output(), `"circuit opened","endpoint":"far/lonely"`)
	})
	for i, p := range others {
		hear(p, "far/lonely")
		for n := range 30 {
			if status, _, _ := p.call("lonely"); status != http.StatusOK {
				t.Errorf("gateway %d: call %d of what one gateway alone cannot reach: %d", i, n, status)
			}
		}
	}
}

// TestWhatOneGatewayIsBusyWithAllSee: calls that hang at one gateway are load at
// the others within two seconds, and no more when they end.
func TestWhatOneGatewayIsBusyWithAllSee(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 3, TTFT: 4 * time.Second})
	all := replicas(t, 2, "store: "+testserver.Database(t)+"\n"+fmt.Sprintf(soundConfig, lab))
	seen := func(p *process) (total, elsewhere int32) {
		var v struct {
			Endpoints []struct{ Health model.Health }
		}
		p.get("/api/v1/endpoints", &v)
		return v.Endpoints[0].Health.InFlight, v.Endpoints[0].Health.Elsewhere
	}
	var calls sync.WaitGroup
	for range 5 {
		calls.Go(func() { all[0].chat("hello", true) })
	}
	waitFor(t, 3*time.Second, "the other gateway sees the load", func() bool { total, elsewhere := seen(all[1]); return total == 5 && elsewhere == 5 })
	if total, elsewhere := seen(all[0]); total != 5 || elsewhere != 0 {
		t.Errorf("the gateway itself sees %d in flight, %d of them elsewhere", total, elsewhere)
	}
	calls.Wait()
	waitFor(t, 3*time.Second, "and sees it end", func() bool { total, _ := seen(all[1]); return total == 0 })
}
