package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// A million dollars: calls that cost fractions of a cent are far from it.
const farBudget = `
budgets:
  - {name: all, period: monthly, limit_usd: 1000000}
`

// callAt sends so many calls a second for a while, and returns what refused
// calls were told.
func (p *process) callAt(rate int, d time.Duration) (refused []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	defer wg.Wait()
	every := time.NewTicker(time.Second / time.Duration(rate))
	defer every.Stop()
	for over := time.After(d); ; {
		select {
		case <-over:
			wg.Wait()
			return refused
		case <-every.C:
			wg.Go(func() {
				if r := p.chat("hello", false); !r.whole {
					mu.Lock()
					defer mu.Unlock()
					refused = append(refused, r.reason)
				}
			})
		}
	}
}

// TestADatabaseThatIsAwayStopsNobodyFarFromALimit: gateways hold parts of a budget
// that last, those to which no call came yet too.
func TestADatabaseThatIsAwayStopsNobodyFarFromALimit(t *testing.T) {
	t.Parallel() // it waits most of the time
	server := testserver.NewPostgres(t)
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5, TokensPerSecond: 2000})
	config := writeFile(t, "far.yaml", "store: "+server.URL()+"\n"+fmt.Sprintf(soundConfig, lab)+farBudget)
	busy, idle := start(t, t.TempDir(), "--config", config), start(t, t.TempDir(), "--config", config)
	if refused := busy.callAt(50, 2*time.Second); len(refused) > 0 {
		t.Fatalf("%d calls were refused while all was well: %s", len(refused), refused[0])
	}
	server.Stop(t)
	var wg sync.WaitGroup
	for p, rate := range map[*process]int{busy: 50, idle: 10} {
		wg.Go(func() {
			if refused := p.callAt(rate, 20*time.Second); len(refused) > 0 {
				t.Errorf("%d of %d calls were refused: %s", len(refused), 20*rate, refused[0])
			}
		})
	}
	wg.Wait()
	server.Start(t)
	waitFor(t, 30*time.Second, "the calls are on record", func() bool { return busy.budget("all").Spent == busy.costTotal() && busy.costTotal() > 0 })
}

// TestAFreshGatewayOnASlowWay: a database that is 150 ms away gives a gateway its
// part of a budget before its first calls give up.
func TestAFreshGatewayOnASlowWay(t *testing.T) {
	t.Parallel() // it waits most of the time
	server := testserver.NewPostgres(t)
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5, TokensPerSecond: 2000})
	config := func(store string) string {
		return writeFile(t, "far.yaml", "store: "+store+"\n"+fmt.Sprintf(soundConfig, lab)+farBudget)
	}
	start(t, t.TempDir(), "--config", config(server.URL())).stop() // makes the schema
	began := time.Now()
	wire, address := newWire(t, server)
	wire.delay.Store(int64(150 * time.Millisecond))
	p := launch(t, t.TempDir(), "--config", config(address))
	waitFor(t, time.Minute, "it is ready", func() bool { status, _ := p.probe("/readyz"); return status == http.StatusOK })
	t.Logf("ready after %s", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	for tries := 0; ; tries++ {
		if r := p.chat("hello", false); r.whole {
			t.Logf("admitted after %s and %d refusals", time.Since(began).Round(time.Millisecond), tries)
			return
		} else if time.Since(began) > 5*time.Second {
			t.Fatalf("the gateway refuses after %s: %s", time.Since(began).Round(time.Millisecond), r.reason)
		}
	}
}
