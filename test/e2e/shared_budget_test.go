package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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

// trouble is what happens to the gateways and their database during a load; it
// returns how often it did.
type trouble func(f *fleet, server *testserver.Postgres, over <-chan struct{}) (done int)

func none(*fleet, *testserver.Postgres, <-chan struct{}) int { return 0 }

// kills ends one gateway after the other as kill -9 does.
func kills(pause time.Duration) trouble {
	return func(f *fleet, _ *testserver.Postgres, over <-chan struct{}) (kills int) {
		for ; ; kills++ {
			select {
			case <-over:
				return kills
			case <-time.After(pause):
				f.kill(kills % 3)
			}
		}
	}
}

// restarts stops the database for a moment, twice.
func restarts(f *fleet, server *testserver.Postgres, _ <-chan struct{}) (restarts int) {
	for range 2 {
		time.Sleep(150 * time.Millisecond)
		server.Stop(f.t)
		time.Sleep(400 * time.Millisecond)
		server.Start(f.t)
		restarts++
	}
	return restarts
}

// TestOneBudgetOverThreeGateways: whatever happens to the gateways and to their
// database, 600 calls spend ten dollars but for less than a call.
func TestOneBudgetOverThreeGateways(t *testing.T) {
	t.Run("calm", func(t *testing.T) {
		if whole, _ := spendTenDollars(t, 0, none); whole != 333 {
			t.Errorf("%d calls were answered, want 333", whole)
		}
	})
	t.Run("killed", func(t *testing.T) {
		if _, n := spendTenDollars(t, 50*time.Millisecond, kills(300*time.Millisecond)); n == 0 {
			t.Error("nobody was killed")
		}
	})
	t.Run("database restarted", func(t *testing.T) {
		spendTenDollars(t, 30*time.Millisecond, restarts)
	})
	t.Run("Redis emptied", func(t *testing.T) {
		redis := testserver.NewRedis(t)
		empties := func(_ *fleet, _ *testserver.Postgres, over <-chan struct{}) (n int) {
			for ; ; n++ {
				select {
				case <-over:
					return n
				case <-time.After(100 * time.Millisecond):
					redis.Do(t, "FLUSHALL")
				}
			}
		}
		whole, n := spendTenDollars(t, 30*time.Millisecond, empties, "redis: "+redis.URL())
		if whole != 333 || n == 0 {
			t.Errorf("%d calls were answered, want 333, and Redis was emptied %d times", whole, n)
		}
	})
}

// TestLongOneBudgetWhileGatewaysAreKilled does so with one of the three killed
// every two seconds.
func TestLongOneBudgetWhileGatewaysAreKilled(t *testing.T) {
	if os.Getenv(longVariable) == "" {
		t.Skip("takes minutes; `make long` runs it")
	}
	if _, n := spendTenDollars(t, 3*time.Second, kills(2*time.Second)); n < 5 {
		t.Errorf("only %d were killed", n)
	}
}

// spendTenDollars has three load generators spend a budget amid trouble, at
// gateways that are configured with more lines.
func spendTenDollars(t *testing.T, between time.Duration, trouble trouble, more ...string) (whole int64, troubles int) {
	const limit, call = 10 * model.USD, 30 * model.USD / 1000
	server := testserver.NewPostgres(t)
	lab := upstream(t, mock.Profile{Name: "sound", TTFT: 20 * time.Millisecond, AnswerTokens: 5})
	f := newFleet(t, writeFile(t, "cents.yaml", fmt.Sprintf(centsConfig, server.URL(), lab)+strings.Join(more, "\n")))
	over := make(chan struct{})
	var answered atomic.Int64
	began := time.Now()
	go func() {
		defer close(over)
		f.load(between, &answered)
	}()
	troubles = trouble(f, server, over)
	<-over
	t.Logf("%d calls were answered in %s, with trouble %d times", answered.Load(), time.Since(began).Round(time.Millisecond), troubles)
	if spent := f.spent(); spent > limit || spent <= limit-call {
		t.Errorf("%s are spent of %s, with calls of %s", spent, limit, call)
	}
	return answered.Load(), troubles
}

// TestAFrozenGatewaySpendsNothingThatWasTaken: what a gateway holds that stands
// still is released by hand and spent by another. When it goes on, it asks
// before it spends, and there is nothing left.
func TestAFrozenGatewaySpendsNothingThatWasTaken(t *testing.T) {
	const limit = 10 * model.USD
	server := testserver.NewPostgres(t)
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5})
	config := writeFile(t, "cents.yaml", fmt.Sprintf(centsConfig, server.URL(), lab))
	frozen := start(t, t.TempDir(), "--config", config)
	if r := frozen.chat("hello", false); !r.whole || frozen.costTotal() == 0 {
		t.Fatal(r.reason)
	}
	var list struct {
		Gateways []struct {
			Spool  string
			Leases []struct{ Granted, Recorded struct{ USD model.Money } }
		}
	}
	frozen.get("/api/v1/budget-leases", &list)
	if len(list.Gateways) != 1 || len(list.Gateways[0].Leases) != 1 || list.Gateways[0].Leases[0].Granted.USD < 60*model.USD/1000 {
		t.Fatalf("%+v: want one gateway that holds more than it spent", list)
	}
	frozen.signal(syscall.SIGSTOP)
	defer frozen.signal(syscall.SIGCONT) // a process that stands still ends by nothing else
	since := time.Now()

	data := t.TempDir()
	p := start(t, data, "--config", config)
	rest := func() (n int) {
		for ; p.chat("hello", false).whole; n++ {
		}
		return n
	}
	before := rest()
	release := exec.Command(binary, "budget", "release", list.Gateways[0].Spool, "--data", data)
	release.Env = cleanEnv()
	if out, err := release.CombinedOutput(); err != nil || !strings.Contains(string(out), "budget all may be passed by up to $0.") {
		t.Fatalf("%v: %s", err, out)
	}
	after := 0
	for deadline := time.Now().Add(5 * time.Second); after == 0 && time.Now().Before(deadline); {
		after = rest()
	}
	if after == 0 || before+after != 332 {
		t.Errorf("%d calls were paid before the release and %d after it, want 332 in all", before, after)
	}
	time.Sleep(time.Until(since.Add(6 * time.Second)))
	frozen.signal(syscall.SIGCONT)
	if r := frozen.chat("hello", false); r.whole || !strings.HasPrefix(r.reason, "402 ") {
		t.Errorf("the gateway that stood still answers: %+v", r)
	}
	if spent := p.costTotal(); spent > limit {
		t.Errorf("%s are spent of %s", spent, limit)
	}
}

// TestBudgetsReachOtherGateways: what is created, overridden and deleted at one
// gateway is in force at another within a second.
func TestBudgetsReachOtherGateways(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5})
	config := writeFile(t, "cents.yaml", fmt.Sprintf(centsConfig, testserver.Database(t), lab))
	here, there := start(t, t.TempDir(), "--config", config), start(t, t.TempDir(), "--config", config)
	send := func(method, path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, here.url+"/api/v1/budgets"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
	}
	within := func(what string, admitted bool) {
		t.Helper()
		began := time.Now()
		for there.chat("hello", false).whole != admitted {
			if time.Since(began) > time.Second {
				t.Fatalf("%s is not in force after a second", what)
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Logf("%s: %s", what, time.Since(began).Round(time.Millisecond))
	}
	within("nothing", true)
	for range 3 {
		send(http.MethodPost, "", `{"name":"none","period":"daily","limit_usd":0}`)
		within("a budget of nothing", false)
		send(http.MethodPost, "/none/override", `{"until":"2099-01-01T00:00:00Z","reason":"test","limit_usd":5}`)
		within("an override", true)
		send(http.MethodPost, "/none/override", `{"until":"2099-01-01T00:00:00Z","reason":"test","limit_usd":0}`)
		within("another override", false)
		send(http.MethodDelete, "/none", "")
		within("its end", true)
	}
}
