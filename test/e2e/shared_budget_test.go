package e2e

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
	"github.com/cartrita/cartrita/model"
)

// A call costs three cents and the budget is ten dollars: it pays for 333 calls.
const centsConfig = `
store: %s
models:
  - {model_id: sound, provider: lab, task_types: [chat-completions], status: active}
limits: {concurrency: 1000, queue: 1000}
providers:
  - name: lab
    kind: openai
    base_url: %s/v1
    endpoints:
      - {model: sound, upstream: sound, pricing: {request_usd: 0.03}}
budgets:
  - {name: all, period: total, limit_usd: 10}
`

// fleet is three gateways that share a database; any of them may be replaced.
type fleet struct {
	t      *testing.T
	config string
	data   [3]string

	mu sync.Mutex
	p  [3]*process
}

func newFleet(t *testing.T, config string) *fleet {
	f := &fleet{t: t, config: config}
	for i := range f.p {
		f.data[i] = t.TempDir()
		f.p[i] = start(t, f.data[i], "--config", config)
	}
	return f
}

func (f *fleet) at(i int) *process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.p[i]
}

// kill ends a gateway as kill -9 does, and starts it again on the same data.
func (f *fleet) kill(i int) {
	f.at(i).kill()
	p := start(f.t, f.data[i], "--config", f.config)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.p[i] = p
}

// load sends calls from one load generator to each gateway, 200 each. A call is
// tried again until it is answered or the budget is spent: what runs, a gateway
// that is down and a database that is away are no reasons to give up.
func (f *fleet) load(between time.Duration, done *atomic.Int64) {
	var wg sync.WaitGroup
	for i := range f.p {
		for range 20 {
			wg.Go(func() {
				for range 10 {
					time.Sleep(between) // callers think
					for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
						r := f.at(i).chat("hello", false)
						if r.whole || strings.HasPrefix(r.reason, "402 ") && strings.Contains(r.reason, `"reason":"limit"`) {
							if r.whole {
								done.Add(1)
							}
							break
						}
						if time.Now().After(deadline) {
							f.t.Errorf("a call found no end: %s", r.reason)
							return
						}
					}
				}
			})
		}
	}
	wg.Wait()
}

// spent stops all gateways, which records everything, and asks another one.
func (f *fleet) spent() model.Money {
	for i := range f.p {
		f.at(i).stop()
	}
	p := start(f.t, f.t.TempDir(), "--config", f.config)
	if b := p.budget("all"); b.Spent != p.costTotal() && b.Held != 0 {
		f.t.Errorf("the budget says %s, with %s held, the records %s", b.Spent, b.Held, p.costTotal())
	}
	return p.budget("all").Spent
}

// TestOneBudgetOverThreeGateways: whatever happens to the gateways and to their
// database, 600 calls spend ten dollars but for less than a call.
func TestOneBudgetOverThreeGateways(t *testing.T) {
	const limit, call = 10 * model.USD, 30 * model.USD / 1000
	for _, c := range []struct {
		name    string
		between time.Duration
		trouble func(f *fleet, server *testserver.Postgres, over <-chan struct{}) (done int)
	}{
		{"calm", 0, func(*fleet, *testserver.Postgres, <-chan struct{}) int { return 1 }},
		{"killed", 50 * time.Millisecond, func(f *fleet, _ *testserver.Postgres, over <-chan struct{}) (kills int) {
			pause := 300 * time.Millisecond
			if !testing.Short() {
				pause = 2 * time.Second
			}
			for ; ; kills++ {
				select {
				case <-over:
					return kills
				case <-time.After(pause):
					f.kill(kills % 3)
				}
			}
		}},
		{"database restarted", 30 * time.Millisecond, func(f *fleet, server *testserver.Postgres, over <-chan struct{}) (restarts int) {
			for range 2 {
				time.Sleep(150 * time.Millisecond)
				server.Stop(f.t)
				time.Sleep(400 * time.Millisecond)
				server.Start(f.t)
				restarts++
			}
			return restarts
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := testserver.NewPostgres(t)
			lab := upstream(t, mock.Profile{Name: "sound", TTFT: 20 * time.Millisecond, AnswerTokens: 5})
			f := newFleet(t, writeFile(t, "cents.yaml", fmt.Sprintf(centsConfig, server.URL(), lab)))
			over, troubled := make(chan struct{}), make(chan int, 1)
			go func() { troubled <- c.trouble(f, server, over) }()
			var whole atomic.Int64
			began := time.Now()
			f.load(c.between, &whole)
			close(over)
			if n := <-troubled; n == 0 {
				t.Error("there was no trouble")
			} else {
				t.Logf("%d calls were answered in %s, with trouble %d times", whole.Load(), time.Since(began).Round(time.Millisecond), n)
			}
			if spent := f.spent(); spent > limit || spent <= limit-call {
				t.Errorf("%s are spent of %s, with calls of %s", spent, limit, call)
			}
			if c.name == "calm" && whole.Load() != 333 {
				t.Errorf("%d calls were answered, want 333", whole.Load())
			}
		})
	}
}
