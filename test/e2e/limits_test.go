package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// limitedReplicas starts three gateways that share a database, a Redis if there is
// one, and rate limits.
func limitedReplicas(t *testing.T, database, redis, limits string) []*process {
	t.Helper()
	return limitedBefore(t, upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5, TokensPerSecond: 5000}), database, redis, limits)
}

// limitedBefore does so before an upstream.
func limitedBefore(t *testing.T, lab, database, redis, limits string) []*process {
	t.Helper()
	settings := "store: " + database + "\n" + limits + fmt.Sprintf(soundConfig, lab)
	if redis != "" {
		settings = "redis: " + redis + "\n" + settings
	}
	config := writeFile(t, "limited.yaml", settings)
	var out []*process
	for range 3 {
		out = append(out, start(t, t.TempDir(), "--config", config))
	}
	return out
}

// patient is a Redis that is not taken for away because the machine is busy.
func patient(url string) string { return "'" + url + "&timeout=1s'" }

// ask sends one short call and returns the status, the Retry-After and the body.
func (p *process) ask(client *http.Client) (status int, after, body string) {
	resp, err := client.Post(p.url+"/v1/chat/completions", "application/json",
		bytes.NewReader([]byte(`{"model":"auto","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}`)))
	if err != nil {
		return 0, "", err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("Retry-After"), string(text)
}

// TestThreeReplicasShareARateLimit: of 960 calls to three replicas, a limit of 100
// per minute admits 100 ± 2.
func TestThreeReplicasShareARateLimit(t *testing.T) {
	for _, shared := range []string{"redis", "postgres"} {
		t.Run(shared, func(t *testing.T) {
			t.Parallel()
			redis := ""
			if shared == "redis" {
				redis = patient(testserver.Keyspace(t))
			}
			replicas := limitedReplicas(t, testserver.Database(t), redis, "rate_limits: [{name: everybody, requests: 100}]\n")
			var mu sync.Mutex
			admitted, refused := 0, ""
			var wg sync.WaitGroup
			for i := range 24 {
				wg.Go(func() {
					client := &http.Client{Timeout: 30 * time.Second}
					defer client.CloseIdleConnections()
					for range 40 {
						status, after, body := replicas[i%3].ask(client)
						mu.Lock()
						switch {
						case status == http.StatusOK:
							admitted++
						case status == http.StatusTooManyRequests && after != "" && after != "0":
							refused = body
						default:
							t.Errorf("%d, Retry-After %q: %s", status, after, body)
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			t.Logf("%d of 960 calls are admitted by a limit of 100", admitted)
			if admitted < 98 || admitted > 102 {
				t.Errorf("%d calls are admitted, want 100 ± 2", admitted)
			}
			if !strings.Contains(refused, `the limit \"everybody\" of 100 requests per minute is used up`) ||
				!strings.Contains(refused, `"details":{"limit":"everybody","unit":"requests","max":100,"asked":1,"window_seconds":60}`) {
				t.Errorf("a refusal: %s", refused)
			}
			for _, p := range replicas {
				var v limitsView
				p.waitForReplicas(true) // they learn of each other within a second
				p.get("/api/v1/limits", &v)
				if !v.Shared || v.Replicas != 3 || len(v.Limits) != 1 || v.Limits[0].Counters[0].Requests.Remaining != 0 {
					t.Errorf("GET /api/v1/limits: %+v", v)
				}
			}
		})
	}
}

// load asks replicas until it is stopped, and keeps when calls were admitted. No
// call may fail but for a limit, nor take long.
type load struct {
	stopping chan struct{}
	workers  sync.WaitGroup

	mu       sync.Mutex
	admitted []time.Time
}

func startLoad(t *testing.T, replicas []*process) *load {
	l := &load{stopping: make(chan struct{})}
	for i := range 6 {
		l.workers.Go(func() {
			client := &http.Client{Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-l.stopping:
					return
				case <-time.After(5 * time.Millisecond):
				}
				began := time.Now()
				status, _, body := replicas[i%3].ask(client)
				switch status {
				case http.StatusOK:
					l.mu.Lock()
					l.admitted = append(l.admitted, time.Now())
					l.mu.Unlock()
				case http.StatusTooManyRequests:
				default:
					t.Errorf("a call failed: %d %s", status, body)
					return
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("a call took %v", took)
				}
			}
		})
	}
	return l
}

func (l *load) stop() {
	close(l.stopping)
	l.workers.Wait()
}

// busiest is the most calls that were admitted in any window within a time.
func (l *load) busiest(window time.Duration, from, to time.Time) (most int) {
	for i, first := range l.admitted {
		if first.Before(from) || first.After(to) {
			continue
		}
		n := 0
		for _, at := range l.admitted[i:] {
			if at.After(to) || at.Sub(first) >= window {
				break
			}
			n++
		}
		most = max(most, n)
	}
	return most
}

// phase is a time of load, and the most that it may admit in a window.
type phase struct {
	what     string
	from, to time.Time
	most     int
}

const (
	phaseLimit  = 60
	phaseWindow = 1200 * time.Millisecond
)

var phaseLimits = fmt.Sprintf("rate_limits: [{name: everybody, requests: %d, window: %s}]\n", phaseLimit, phaseWindow)

// check stops the load and looks at the phases: each replica's part is the least
// that is admitted in any of them. The log must say a few times that limits are
// not shared, and that they are again.
func (l *load) check(t *testing.T, replicas []*process, outages int, phases ...phase) {
	t.Helper()
	l.stop()
	busy := false
	for _, p := range replicas {
		away, back := strings.Count(p.output(), "cannot be shared"), strings.Count(p.output(), "are shared again")
		if away < 1 || back < 1 || away > outages+4 {
			t.Errorf("the log says %d times that limits are not shared, %d times that they are again:\n%s", away, back, p.output())
		}
		busy = busy || away > outages // more than there were: each admitted its part now and then
	}
	// What a caller sees comes a moment after it was admitted, hence a window that
	// is a little shorter.
	const seen = phaseWindow - 300*time.Millisecond
	for _, p := range phases {
		got := l.busiest(seen, p.from, p.to)
		if busy {
			p.most = 2 * phaseLimit
		}
		t.Logf("%s: at most %d", p.what, got)
		if got > p.most || got < phaseLimit/3 {
			t.Errorf("%s: %d calls in %v, want at most %d and at least %d", p.what, got, seen, p.most, phaseLimit/3)
		}
	}
}

// after is the time after a while of load.
func after(d time.Duration) time.Time {
	time.Sleep(d)
	return time.Now()
}

// TestARateLimitWithoutItsRedis empties, freezes and kills the Redis of three
// replicas under load. No call fails for it; while it is away each admits its part,
// and a loss never admits more than a second window's worth.
func TestARateLimitWithoutItsRedis(t *testing.T) {
	t.Parallel()
	server := testserver.NewRedis(t)
	replicas := limitedReplicas(t, testserver.Database(t), patient(server.URL()), phaseLimits)
	began := after(time.Second) // until each knows how many they are
	l := startLoad(t, replicas)
	sound := after(2 * phaseWindow)
	server.Do(t, "FLUSHALL")
	flushed := after(2 * phaseWindow)
	server.Freeze(t)
	frozen := after(2 * phaseWindow)
	server.Thaw(t)
	thawed := after(2 * phaseWindow)
	server.Stop(t)
	after(phaseWindow)
	server.Start(t)
	again := after(phaseWindow + 2*time.Second)
	end := after(2 * phaseWindow)
	l.check(t, replicas, 2,
		phase{"with Redis", began, sound, phaseLimit},
		phase{"after it was emptied", sound, flushed, 2 * phaseLimit},
		phase{"while it hangs", flushed.Add(time.Second), frozen, 2 * phaseLimit},
		phase{"with Redis again", frozen, thawed, 2 * phaseLimit},
		phase{"after all of that", again, end, phaseLimit},
		phase{"at any time", began, end, 2 * phaseLimit},
	)
}

// TestARateLimitWhoseRedisIsAwayAtTheStart: replicas that never met there know of
// each other by their database, and each admits its part.
func TestARateLimitWhoseRedisIsAwayAtTheStart(t *testing.T) {
	t.Parallel()
	server := testserver.NewRedis(t)
	server.Stop(t)
	replicas := limitedReplicas(t, testserver.Database(t), patient(server.URL()), "rate_limits: [{name: everybody, requests: 60}]\n")
	for _, p := range replicas {
		p.waitForReplicas(false)
	}
	client := &http.Client{Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	admitted := 0
	for i := range 200 {
		if status, _, _ := replicas[i%3].ask(client); status == http.StatusOK {
			admitted++
		}
	}
	if admitted != 60 {
		t.Errorf("%d calls are admitted, want 20 by each of 3", admitted)
	}
	server.Start(t)
	usedUp := func() bool { // as the one knows that told last what it admitted
		for _, p := range replicas {
			var v limitsView
			if p.get("/api/v1/limits", &v); v.Shared && v.Limits[0].Counters[0].Requests.Remaining == 0 {
				return true
			}
		}
		return false
	}
	for deadline := time.Now().Add(10 * time.Second); !usedUp() && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	for i := range 30 {
		if status, _, _ := replicas[i%3].ask(client); status == http.StatusOK {
			t.Error("what was admitted without Redis does not count with it")
		}
	}
}

// limitsView is what GET /api/v1/limits answers.
type limitsView struct {
	Shared   bool
	Replicas int
	Limits   []struct {
		Name     string
		Counters []struct{ Requests struct{ Remaining int } }
	}
}

// waitForReplicas waits until the gateway knows of three, and whether limits are
// shared.
func (p *process) waitForReplicas(shared bool) {
	p.t.Helper()
	var v limitsView
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if p.get("/api/v1/limits", &v); v.Replicas == 3 && v.Shared == shared {
			return
		}
	}
	p.t.Errorf("GET /api/v1/limits: %+v, want 3 replicas, shared %v", v, shared)
}

// TestARateLimitWithoutItsDatabase does so to the PostgreSQL that replicas without
// Redis count in, and that forgets what it counted when it crashes.
func TestARateLimitWithoutItsDatabase(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t)
	replicas := limitedReplicas(t, server.URL(), "", phaseLimits)
	began := after(time.Second)
	l := startLoad(t, replicas)
	sound := after(2 * phaseWindow)
	server.Stop(t)
	stopped := after(2 * phaseWindow)
	server.Start(t)
	again := after(phaseWindow + 2*time.Second)
	end := after(2 * phaseWindow)
	l.check(t, replicas, 1,
		phase{"with PostgreSQL", began, sound, phaseLimit},
		phase{"while it is away", sound.Add(phaseWindow), stopped, 2 * phaseLimit},
		phase{"after that", again, end, phaseLimit},
		phase{"at any time", began, end, 2 * phaseLimit},
	)
}

// TestAModelsRateLimitTurnsToAnother: a limit by model sends calls elsewhere, and
// refuses them when nothing else is left.
func TestAModelsRateLimitTurnsToAnother(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "sound-1", AnswerTokens: 5}, mock.Profile{Name: "sound-2", AnswerTokens: 5},
		mock.Profile{Name: "flaky"}, mock.Profile{Name: "hanging"}, mock.Profile{Name: "cutting"})
	config := strings.NewReplacer("0.60, source: test}}}\n  - {model_id: sound-2", "0.99, source: test}}}\n  - {model_id: sound-2").Replace(fmt.Sprintf(faultyConfig, lab))
	p := start(t, t.TempDir(), "--config", writeFile(t, "models.yaml", config+`
rate_limits:
  - {name: best, scope: {model: sound-1}, requests: 3}
  - {name: lab, scope: {provider: lab}, requests: 8}
`))
	models := map[string]int{}
	for range 10 {
		resp, err := http.Post(p.url+"/v1/chat/completions", "application/json", strings.NewReader(
			`{"model":"auto","cartrita":{"excluded_tags":["x"]},"messages":[{"role":"user","content":"hello"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Error struct{ Details struct{ Limit string } }
		}
		_ = json.NewDecoder(resp.Body).Decode(&body)
		resp.Body.Close()
		models[resp.Header.Get("X-Cartrita-Model")+" "+resp.Status[:3]+body.Error.Details.Limit]++
	}
	t.Log(models)
	if models["sound-1 200"] != 3 || models["sound-1 200"]+others(models) != 8 {
		t.Errorf("%v: want 3 of sound-1, 5 of others, and 2 refused by lab", models)
	}
}

// others counts the calls that were answered by other models.
func others(models map[string]int) (n int) {
	for who, count := range models {
		if strings.HasSuffix(who, " 200") && !strings.HasPrefix(who, "sound-1 ") {
			n += count
		}
	}
	return n
}

// counted is an upstream that knows how many calls it serves at once.
type counted struct {
	http.Handler
	now, most atomic.Int64
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	c.Handler.ServeHTTP(w, r)
}

// TestCallsAtOnceOverReplicas: three replicas before one upstream never have more
// calls open than the limit, use all of it, and go on using all of it when one of
// them was killed with calls under way.
func TestCallsAtOnceOverReplicas(t *testing.T) {
	t.Parallel()
	const limit = 6
	models, err := mock.New(mock.Config{Seed: 7, Profiles: []mock.Profile{{Name: "sound", TTFT: 150 * time.Millisecond, AnswerTokens: 5, TokensPerSecond: 5000}}})
	if err != nil {
		t.Fatal(err)
	}
	lab := &counted{Handler: models}
	srv := httptest.NewServer(lab)
	t.Cleanup(srv.Close)
	replicas := limitedBefore(t, srv.URL, testserver.Database(t), patient(testserver.Keyspace(t)),
		fmt.Sprintf("rate_limits: [{name: at-once, concurrency: %d}]\n", limit))
	var served atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 15 {
		wg.Go(func() {
			client := &http.Client{Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
				switch status, _, body := replicas[i%3].ask(client); {
				case status == http.StatusOK:
					served.Add(1)
				case status == 0 && i%3 == 0: // the one that was killed
					return
				case status != http.StatusTooManyRequests:
					t.Errorf("%d %s", status, body)
					return
				}
			}
		})
	}
	// full waits until calls are served as fast as so many at once can be.
	full := func(what string) {
		t.Helper()
		deadline := time.Now().Add(30 * time.Second)
		for time.Now().Before(deadline) {
			before := served.Load()
			time.Sleep(time.Second)
			if served.Load()-before >= limit*4 { // of about six and a half a second each
				return
			}
		}
		t.Errorf("%s: the limit is never used up", what)
	}
	full("at first")
	replicas[0].kill()
	began := time.Now()
	full("after a replica was killed")
	t.Logf("all places are in use again %v after the kill; at most %d calls at once", time.Since(began).Round(time.Second), lab.most.Load())
	close(stop)
	wg.Wait()
	if most := lab.most.Load(); most > limit {
		t.Errorf("%d calls at once, the limit is %d", most, limit)
	}
}

// TestTokensOverReplicas: what calls really used, in all replicas together, stays
// within the limit, though many run at once and none says how long its answer is.
func TestTokensOverReplicas(t *testing.T) {
	const limit = 3000
	lab := upstream(t, mock.Profile{Name: "sound", TTFT: 20 * time.Millisecond, AnswerTokens: 40, TokensPerSecond: 5000})
	replicas := limitedBefore(t, lab, testserver.Database(t), patient(testserver.Keyspace(t)),
		fmt.Sprintf("rate_limits: [{name: tokens, tokens: %d}]\n", limit))
	var used, answered atomic.Int64
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			for range 60 {
				resp, err := http.Post(replicas[i%3].url+"/v1/chat/completions", "application/json",
					strings.NewReader(`{"model":"auto","messages":[{"role":"user","content":"hello"}]}`))
				if err != nil {
					t.Error(err)
					return
				}
				var body struct {
					Usage struct {
						Total int64 `json:"total_tokens"`
					}
				}
				err = json.NewDecoder(resp.Body).Decode(&body)
				resp.Body.Close()
				if resp.StatusCode == http.StatusOK && err == nil && body.Usage.Total > 0 {
					used.Add(body.Usage.Total)
					answered.Add(1)
				} else if resp.StatusCode != http.StatusTooManyRequests {
					t.Errorf("%s, %d tokens: %v", resp.Status, body.Usage.Total, err)
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	t.Logf("%d calls used %d of %d tokens", answered.Load(), used.Load(), limit)
	if used.Load() > limit || used.Load() < limit*6/10 {
		t.Errorf("%d tokens were used, want most of %d and no more", used.Load(), limit)
	}
}
