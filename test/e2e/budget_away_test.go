package e2e

import (
	"fmt"
	"net/http"
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
