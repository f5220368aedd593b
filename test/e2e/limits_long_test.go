package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
)

// longVariable names the environment variable that asks for the tests that take
// minutes.
const longVariable = "CARTRITA_TEST_LONG"

// TestLongRateLimit has three replicas at a limit of 100 per minute under load
// while the window moves on twice: 100 ± 2 are admitted in each, and no minute,
// wherever it begins, has more.
func TestLongRateLimit(t *testing.T) {
	if os.Getenv(longVariable) == "" {
		t.Skip("takes minutes; `make long` runs it")
	}
	for _, shared := range []string{"redis", "postgres"} {
		t.Run(shared, func(t *testing.T) {
			t.Parallel()
			redis := ""
			if shared == "redis" {
				redis = patient(testserver.Keyspace(t))
			}
			replicas := limitedReplicas(t, testserver.Database(t), redis, "rate_limits: [{name: everybody, requests: 100}]\n")
			l := startLoad(t, replicas)
			after(2*62*time.Second + 30*time.Second)
			l.stop()
			for _, p := range replicas {
				if log := p.output(); strings.Contains(log, "cannot be shared") {
					t.Errorf("the machine is too busy for this test: what is shared did not answer in time\n%s", log)
				}
			}
			if len(l.admitted) < 3*98 || len(l.admitted) > 3*102 {
				t.Errorf("%d calls are admitted in three windows, want 300 ± 6", len(l.admitted))
			}
			busiest := l.busiest(time.Minute, l.admitted[0], time.Now())
			t.Logf("%d calls are admitted in three windows, at most %d in a minute", len(l.admitted), busiest)
			if busiest > 102 {
				t.Errorf("%d calls are admitted in a minute, want at most 102", busiest)
			}
		})
	}
}
