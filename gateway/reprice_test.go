package gateway

import (
	"strings"
	"testing"
)

// Records are never rewritten: a reprice that does not say it is a dry run is
// refused, and says why.
func TestRepriceWithoutDryRunIsRefused(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Replays = &fakeReplays{} })
	const prices = `"prices": {"m": {}}`
	for body, want := range map[string]struct {
		status int
		say    string
	}{
		`{` + prices + `, "dry_run": true}`:                {200, "endpoints"},
		`{` + prices + `, "dry_run": false}`:               {400, "never rewritten"},
		`{` + prices + `}`:                                 {400, "never rewritten"},
		`{` + prices + `, "dry_run": true, "write": true}`: {400, "write"},
	} {
		resp := w.do("POST", "/api/v1/costs/reprice", body)
		status := resp.StatusCode
		if got := text(t, resp); status != want.status || !strings.Contains(got, want.say) {
			t.Errorf("%s: %d %s, want %d with %q", body, status, got, want.status, want.say)
		}
	}
}
