package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// TestTwoGatewaysShareADatabaseThatGoesAway serves calls from two gateways
// while their PostgreSQL is stopped, twice, and once more at the end. No call
// may fail, each is stored once, and either gateway knows those of both.
func TestTwoGatewaysShareADatabaseThatGoesAway(t *testing.T) {
	server := testserver.NewPostgres(t)
	lab := upstream(t, mock.Profile{Name: "sound", TTFT: 2 * time.Millisecond, AnswerTokens: 20, TokensPerSecond: 2000})
	config := writeFile(t, "shared.yaml", "store: "+server.URL()+"\n"+fmt.Sprintf(soundConfig, lab))
	gateways := []*process{start(t, t.TempDir(), "--config", config), start(t, t.TempDir(), "--config", config)}

	var mu sync.Mutex
	finished := map[string]bool{}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for n := i; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				r := gateways[n%2].chat("hello", n%3 == 0)
				if !r.whole {
					t.Errorf("a call failed: %s", r.reason)
					return
				}
				mu.Lock()
				finished[r.id] = true
				mu.Unlock()
			}
		})
	}
	for range 2 {
		time.Sleep(300 * time.Millisecond) // load with the database,
		server.Stop(t)
		for _, p := range gateways { // and without
			waitFor(t, 10*time.Second, "a batch is not stored", func() bool { return strings.Contains(p.output(), "the store does not take calls") })
		}
		time.Sleep(300 * time.Millisecond)
		server.Start(t)
	}
	close(stop)
	wg.Wait()
	for _, p := range gateways {
		var kinds map[string][]string
		for deadline := time.Now().Add(30 * time.Second); len(kinds) < len(finished) && time.Now().Before(deadline); {
			kinds, _ = terminalEvents(p) // of the other's calls it learns from the database
		}
		for id := range finished {
			if len(kinds[id]) != 1 || kinds[id][0] != "model_call.completed" {
				t.Errorf("call %s ended well for its caller; its terminal events are %v", id, kinds[id])
			}
		}
		if len(kinds) != len(finished) {
			t.Errorf("%d calls are stored, %d were made", len(kinds), len(finished))
		}
		var costs struct {
			Total struct {
				Calls int `json:"calls"`
			} `json:"total"`
		}
		if p.get("/api/v1/costs", &costs); costs.Total.Calls != len(finished) {
			t.Errorf("%d calls are counted, %d were made", costs.Total.Calls, len(finished))
		}
		if !strings.Contains(p.output(), "the store takes calls again") {
			t.Errorf("the database's return is not in the log:\n%s", p.output())
		}
	}
	if len(finished) < 50 {
		t.Errorf("only %d calls were made: there was no load", len(finished))
	}
}
