package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// TestALostGatewayLeavesItsCallsInRedis takes PostgreSQL away, has one gateway
// serve calls, kills it and deletes its disk. Who follows the other gateway saw
// the calls as they ended, and it stores them once the database is back.
func TestALostGatewayLeavesItsCallsInRedis(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t)
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5, TokensPerSecond: 2000})
	config := writeFile(t, "buffer.yaml", "store: "+server.URL()+"\nredis: "+testserver.Keyspace(t)+"\n"+fmt.Sprintf(soundConfig, lab))
	disk := t.TempDir()
	lost, other := start(t, disk, "--config", config), start(t, t.TempDir(), "--config", config)
	live := watch(t, other)
	sees := func(ids ...string) func() bool { return func() bool { return live.has(ids) } }
	first := lost.chat("hello", false) // both are at work
	waitFor(t, 10*time.Second, "the other gateway shows a call", sees(first.id))

	server.Stop(t)
	ids := []string{first.id}
	for i := range 20 {
		r := lost.chat("hello", i%2 == 0)
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
	server.Start(t)
	var kinds map[string][]string
	waitFor(t, 2*time.Minute, "the other gateway stores the calls", func() bool {
		time.Sleep(200 * time.Millisecond)
		kinds, _ = terminalEvents(other)
		return len(kinds) >= len(ids)
	})
	for _, id := range ids {
		if len(kinds[id]) != 1 {
			t.Errorf("call %s has the terminal events %v", id, kinds[id])
		}
	}
	if !live.has(ids) {
		t.Errorf("calls were shown as often as %v says", live.calls)
	}
	var costs struct {
		Total struct {
			Calls int `json:"calls"`
		} `json:"total"`
	}
	if other.get("/api/v1/costs", &costs); costs.Total.Calls != len(ids) {
		t.Errorf("%d calls are counted, %d were made", costs.Total.Calls, len(ids))
	}
	if out := other.output(); !strings.Contains(out, "calls that another gateway recorded and did not store") {
		t.Errorf("the log does not say that calls were salvaged:\n%s", out)
	}
	if _, body := other.probe("/metrics"); !strings.Contains(body, "cartrita_salvaged_calls_total 20\n") {
		t.Error("the counter of salvaged calls is not 20")
	}
}
