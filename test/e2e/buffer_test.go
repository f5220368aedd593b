package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// TestALostGatewayLeavesItsCallsInRedis takes PostgreSQL away and has a gateway
// serve calls, which is then lost with its disk, or frozen. Who follows another
// gateway saw the calls as they ended, and that one stores them once the database
// is back. One that goes on stores them as well, which changes nothing.
func TestALostGatewayLeavesItsCallsInRedis(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t)
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5, TokensPerSecond: 2000})
	config := writeFile(t, "buffer.yaml", "store: "+server.URL()+"\nredis: "+testserver.Keyspace(t)+"\n"+fmt.Sprintf(soundConfig, lab))
	disk := t.TempDir()
	lost, frozen, other := start(t, disk, "--config", config), start(t, t.TempDir(), "--config", config), start(t, t.TempDir(), "--config", config)
	live := watch(t, other)
	sees := func(ids ...string) func() bool { return func() bool { return live.has(ids) } }
	ids := []string{lost.chat("hello", false).id, frozen.chat("hello", false).id} // all are at work
	waitFor(t, 10*time.Second, "the other gateway shows a call of each", sees(ids...))

	server.Stop(t)
	for i := range 30 {
		g := []*process{lost, frozen, other}[i%3]
		r := g.chat("hello", i%2 == 0)
		if !r.whole {
			t.Fatalf("a call failed: %s", r.reason)
		}
		ids = append(ids, r.id)
	}
	waitFor(t, 10*time.Second, "the other gateway shows the calls while the database is away", sees(ids...))
	lost.kill()
	if err := os.RemoveAll(disk); err != nil {
		t.Fatal(err)
	}
	frozen.signal(syscall.SIGSTOP)
	goOn := sync.OnceFunc(func() { frozen.signal(syscall.SIGCONT) })
	defer goOn() // a process that stands still ends by nothing else
	server.Start(t)
	check := func(when string) {
		t.Helper()
		var kinds map[string][]string
		waitFor(t, 2*time.Minute, "the other gateway has the calls "+when, func() bool {
			time.Sleep(200 * time.Millisecond)
			kinds, _ = terminalEvents(other)
			return len(kinds) >= len(ids)
		})
		for _, id := range ids {
			if len(kinds[id]) != 1 {
				t.Errorf("%s call %s has the terminal events %v", when, id, kinds[id])
			}
		}
		var costs struct {
			Total struct {
				Calls int `json:"calls"`
			} `json:"total"`
		}
		if other.get("/api/v1/costs", &costs); costs.Total.Calls != len(ids) {
			t.Errorf("%s %d calls are counted, %d were made", when, costs.Total.Calls, len(ids))
		}
		if _, body := other.probe("/metrics"); !strings.Contains(body, "cartrita_salvaged_calls_total 20\n") {
			t.Errorf("%s the counter of salvaged calls is not 20", when)
		}
	}
	check("of those that are gone")
	goOn()
	waitFor(t, time.Minute, "the frozen gateway stores what it has", func() bool {
		time.Sleep(200 * time.Millisecond)
		_, body := frozen.probe("/metrics")
		return strings.Contains(body, "cartrita_stored_calls_total 11\n")
	})
	check("with those that came back")
	if !live.has(ids) {
		t.Errorf("calls were shown as often as %v says", live.calls)
	}
	if n := strings.Count(other.output(), "calls that another gateway recorded and did not store"); n != 2 {
		t.Errorf("the log says %d times that calls were salvaged, want once for each gateway:\n%s", n, other.output())
	}
}

// TestInstallationsOnOneRedisDoNotMeet: gateways on another database share neither
// limits nor circuits, also with one prefix.
func TestInstallationsOnOneRedisDoNotMeet(t *testing.T) {
	t.Parallel()
	redis := patient(testserver.Keyspace(t))
	gateway := func(lab string) *process {
		text := "store: " + testserver.Database(t) + "\nredis: " + redis + "\nrate_limits: [{name: everybody, requests: 3}]\n"
		return start(t, t.TempDir(), "--config", writeFile(t, "one.yaml", text+fmt.Sprintf(soundConfig, lab)))
	}
	broken := gateway("http://127.0.0.1:9")
	sound := gateway(upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5, TokensPerSecond: 5000}))
	for range 10 {
		broken.ask(http.DefaultClient)
	}
	time.Sleep(time.Second) // what there was to say is said
	for i := range 4 {
		if r := sound.chat("hello", false); r.whole != (i < 3) {
			t.Errorf("call %d of 3 that are allowed: %+v", i+1, r)
		}
	}
}
