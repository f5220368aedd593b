package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// limitedReplicas starts three gateways that share a database, a Redis if there is
// one, and rate limits.
func limitedReplicas(t *testing.T, database, redis, limits string) []*process {
	t.Helper()
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5, TokensPerSecond: 5000})
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
				redis = "'" + testserver.Keyspace(t) + "'"
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
				var v struct {
					Shared   bool
					Replicas int
					Limits   []struct {
						Name     string
						Counters []struct{ Requests struct{ Remaining int } }
					}
				}
				for deadline := time.Now().Add(10 * time.Second); v.Replicas != 3 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
					p.get("/api/v1/limits", &v) // they learn of each other within a second
				}
				if !v.Shared || v.Replicas != 3 || len(v.Limits) != 1 || v.Limits[0].Counters[0].Requests.Remaining != 0 {
					t.Errorf("GET /api/v1/limits: %+v", v)
				}
			}
		})
	}
}

// admission is when a call was admitted.
type admission = time.Time

// busiest is the most admissions in any window of that length within a time.
func busiest(all []admission, window time.Duration, from, to time.Time) (most int) {
	for i, first := range all {
		if first.Before(from) || first.After(to) {
			continue
		}
		n := 0
		for _, at := range all[i:] {
			if at.After(to) || at.Sub(first) >= window {
				break
			}
			n++
		}
		most = max(most, n)
	}
	return most
}

// TestARateLimitWithoutItsRedis empties, freezes and kills the Redis of three
// replicas under load. No call fails for it; while it is away each admits its part,
// and a loss never admits more than a second window's worth.
func TestARateLimitWithoutItsRedis(t *testing.T) {
	const limit, window = 60, 1200 * time.Millisecond
	server := testserver.NewRedis(t)
	replicas := limitedReplicas(t, testserver.Database(t), "'"+server.URL()+"'",
		fmt.Sprintf("rate_limits: [{name: everybody, requests: %d, window: %s}]\n", limit, window))

	var mu sync.Mutex
	var all []admission
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			client := &http.Client{Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				began := time.Now()
				status, _, body := replicas[i%3].ask(client)
				switch status {
				case http.StatusOK:
					mu.Lock()
					all = append(all, time.Now())
					mu.Unlock()
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
	phase := func(d time.Duration) time.Time { time.Sleep(d); return time.Now() } // of load
	began := time.Now()
	sound := phase(2 * window)
	server.Do(t, "FLUSHALL")
	flushed := phase(2 * window)
	server.Freeze(t)
	frozen := phase(2 * window)
	server.Thaw(t)
	thawed := phase(2 * window)
	server.Stop(t)
	phase(window)
	server.Start(t)
	phase(window + 2*time.Second)
	again := time.Now()
	end := phase(2 * window)
	close(stop)
	wg.Wait()

	// What a caller sees comes a moment after it was admitted, hence a window that
	// is a little shorter.
	const seen = window - 300*time.Millisecond
	for _, p := range []struct {
		what     string
		from, to time.Time
		most     int
	}{
		{"with Redis", began, sound, limit},
		{"after it was emptied", sound, flushed, 2 * limit},
		{"while it hangs", flushed.Add(time.Second), frozen, 2 * limit},
		{"with Redis again", frozen, thawed, 2 * limit},
		{"after all of that", again, end, limit},
		{"at any time", began, end, 2 * limit},
	} {
		got := busiest(all, seen, p.from, p.to)
		t.Logf("%s: at most %d in %v", p.what, got, window)
		if got > p.most || got < limit/3 {
			t.Errorf("%s: %d calls in %v, want at most %d and at least %d", p.what, got, seen, p.most, limit/3)
		}
	}
	for _, p := range replicas {
		away, back := strings.Count(p.output(), "cannot be shared"), strings.Count(p.output(), "are shared again")
		if away < 2 || back < 2 || away > 6 {
			t.Errorf("the log says %d times that limits are not shared, %d times that they are again:\n%s", away, back, p.output())
		}
	}
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
