package e2e

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/mock"
)

const soundConfig = `
models:
  - {model_id: sound, provider: lab, task_types: [chat-completions], status: active}
providers:
  - name: lab
    kind: openai
    base_url: %s/v1
    endpoints:
      - {model: sound, upstream: sound, pricing: {input_usd_per_million: 1, output_usd_per_million: 2}}
`

// TestKilledUnderLoad kills the gateway 20 times with kill -9 while calls are
// running, and starts it again on the same data. Every answer that a caller
// saw to its end must have its completed event, every call at most one
// terminal event, and the calls that died with the process must be failed.
func TestKilledUnderLoad(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "sound", TTFT: 2 * time.Millisecond, AnswerTokens: 20, TokensPerSecond: 2000})
	config := writeFile(t, "sound.yaml", fmt.Sprintf(soundConfig, lab))
	data := t.TempDir()

	const rounds, workers = 20, 8
	var mu sync.Mutex
	var finished []string // ids of the calls that callers saw end well
	for range rounds {
		p := start(t, data, "--config", config)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for w := range workers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					if r := p.chat("hello", (i+w)%2 == 0); r.whole {
						mu.Lock()
						finished = append(finished, r.id)
						mu.Unlock()
					}
				}
			}()
		}
		time.Sleep(100*time.Millisecond + rand.N(100*time.Millisecond)) // some load before the blow
		p.kill()
		close(stop)
		wg.Wait()
	}

	p := start(t, data, "--config", config)
	terminal, _ := terminalEvents(p)
	for id, kinds := range terminal {
		if len(kinds) != 1 {
			t.Errorf("call %s has %d terminal events: %v", id, len(kinds), kinds)
		}
	}
	failed := 0
	for _, kinds := range terminal {
		if kinds[0] == "model_call.failed" {
			failed++
		}
	}
	for _, id := range finished {
		if len(terminal[id]) != 1 || terminal[id][0] != "model_call.completed" {
			t.Errorf("call %s ended well for its caller; its terminal events are %v", id, terminal[id])
		}
	}
	t.Logf("%d calls finished before %d kills, %d were interrupted", len(finished), rounds, failed)
	if len(finished) < rounds*workers {
		t.Errorf("only %d calls finished: there was no load", len(finished))
	}
	if failed == 0 {
		t.Error("no call was interrupted: the kills hit nothing")
	}
}
