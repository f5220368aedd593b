package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// TestSinksGetEveryEvent serves calls from two gateways on one database, kills
// the one that sends, has a webhook fail for a while, and wants every event of
// every call in the file of either and at the webhook.
func TestSinksGetEveryEvent(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 3, TokensPerSecond: 2000})
	var mu sync.Mutex
	hooked := map[string]int{}
	var away atomic.Bool
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var batch []struct{ ID string }
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &batch)
		}
		if err != nil {
			t.Errorf("%v: %s", err, body)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range batch {
			hooked[e.ID]++
		}
	}))
	defer hook.Close()
	file := filepath.Join(t.TempDir(), "events.jsonl")
	config := writeFile(t, "sinks.yaml", fmt.Sprintf("store: %s\nredis: %q\n"+soundConfig+`
sinks:
- {name: archive, kind: file, path: %s, from: beginning}
- {name: hook, kind: webhook, url: %s, from: beginning}
- {name: live, kind: redis, stream: %s, from: beginning}
`, testserver.Database(t), testserver.Keyspace(t), lab, file, hook.URL, filepath.Base(t.TempDir())))
	data := t.TempDir()
	first := start(t, data, "--config", config)
	second := start(t, t.TempDir(), "--config", config)
	watching := watch(t, second)

	var ids []string
	call := func(p *process) {
		t.Helper()
		r := p.chat("hello", false)
		if !r.whole {
			t.Fatalf("a call failed: %s", r.reason)
		}
		ids = append(ids, r.id)
	}
	for range 20 {
		call(first)
	}
	away.Store(true)
	for range 20 {
		call(first)
		call(second)
	}
	waitFor(t, 10*time.Second, "the stream of one gateway shows the calls of both", func() bool { return watching.has(ids) })
	first.kill()
	away.Store(false)
	for range 10 {
		call(second)
	}
	start(t, data, "--config", config) // hands over what the killed one had in its spool

	whole := func(got map[string]int) bool {
		for _, id := range ids {
			for n := 1; n <= 4; n++ {
				if got[fmt.Sprintf("%s.%d", id, n)] == 0 {
					return false
				}
			}
		}
		return true
	}
	waitFor(t, 60*time.Second, "the webhook has every event", func() bool { mu.Lock(); defer mu.Unlock(); return whole(hooked) })
	waitFor(t, 60*time.Second, "the file has every event", func() bool { return whole(eventLines(t, file)) })
	if status, body := second.probe("/metrics"); status != http.StatusOK || !strings.Contains(body, `cartrita_sink_sent_total{sink="archive"}`) {
		t.Errorf("metrics: %d, without the sinks'", status)
	}
}

// deaf is a listener whose connections hear nothing more while it is locked.
type deaf struct {
	net.Listener
	sync.RWMutex
}

func (d *deaf) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	return deafConn{c, d}, err
}

type deafConn struct {
	net.Conn
	d *deaf
}

func (c deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.d.RLock()
	defer c.d.RUnlock()
	return n, err
}

// TestAGatewayEndsWhileKafkaHangs: the broker has taken a message, so that the next
// one is under way when it answers no more.
func TestAGatewayEndsWhileKafkaHangs(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 3, TokensPerSecond: 2000})
	var d deaf
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "events"), kfake.ListenFn(func(network, address string) (_ net.Listener, err error) {
		d.Listener, err = net.Listen(network, address)
		return &d, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	config := writeFile(t, "kafka.yaml", fmt.Sprintf(soundConfig+`
sinks:
- {name: lake, kind: kafka, brokers: [%q], topic: events, from: beginning}
`, lab, cluster.ListenAddrs()[0]))
	data := t.TempDir()
	p := start(t, data, "--config", config)
	metric := func(line string) func() bool {
		return func() bool { _, body := p.probe("/metrics"); return strings.Contains(body, line) }
	}
	p.chat("hello", false)
	waitFor(t, 20*time.Second, "Kafka has the events of a call", metric(`cartrita_sink_sent_total{sink="lake"} 4`))
	d.Lock()
	defer d.Unlock()
	p.chat("hello", false)
	waitFor(t, 30*time.Second, "an attempt is given up", metric(`cartrita_sink_failures_total{sink="lake"} 1`))
	p.stop()
}

// eventLines counts the ids of the events in a file.
func eventLines(t *testing.T, path string) map[string]int {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]int{}
	for line := range strings.Lines(string(raw)) {
		var e struct{ ID string }
		if json.Unmarshal([]byte(line), &e) == nil { // else it is being written
			ids[e.ID]++
		}
	}
	return ids
}

// watched are the calls whose completed events a gateway's stream showed.
type watched struct {
	mu    sync.Mutex
	calls map[string]int
}

func (w *watched) has(ids []string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if w.calls[id] != 1 {
			return false
		}
	}
	return true
}

// watch follows the events of a gateway.
func watch(t *testing.T, p *process) *watched {
	t.Helper()
	resp, err := http.Get(p.url + "/api/v1/events/stream?kind=model_call.completed")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	w := &watched{calls: map[string]int{}}
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() {
		t.Fatal("the stream does not begin")
	}
	go func() {
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			var e struct {
				CallID string `json:"call_id"`
			}
			if ok && json.Unmarshal([]byte(data), &e) == nil {
				w.mu.Lock()
				w.calls[e.CallID]++
				w.mu.Unlock()
			}
		}
	}()
	return w
}
