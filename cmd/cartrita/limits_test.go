package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	const limits = `
rate_limits:
  - {name: everybody, requests: 2, window: 1h}
  - {name: each-user, scope: {user: "*", team: a}, tokens: 1000, concurrency: 3}
  - {name: lost, scope: {provider: boxx}, requests: 3}
`
	b := newBench(t, mockSection(t)+limits)
	r := b.serve()
	if out := b.ok("limits"); !strings.Contains(out, "everybody\teverybody\t1h0m0s") || !strings.Contains(out, "each-user\tuser=* team=a\t1m0s") {
		t.Errorf("before any call:\n%s", out)
	}
	if want := `rate limit "lost": scope.provider: no endpoint belongs to the provider "boxx" now, so nothing counts against it: did you mean "box"?`; !strings.Contains(strings.ReplaceAll(r.err.String(), `\"`, `"`), want) {
		t.Errorf("the log lacks: %s\n%s", want, r.err)
	}
	for range 2 {
		b.ok("chat", "hello")
	}
	refused := b.run("chat", "hello")
	if refused.code == exitOK || !strings.Contains(refused.err, `the limit "everybody" of 2 requests per hour is used up`) {
		t.Errorf("the third call: exit code %d: %s", refused.code, refused.err)
	}
	if out := b.ok("limits"); !strings.Contains(out, "everybody\teverybody\t1h0m0s\t0 of 2\t\t0\t1\n") {
		t.Errorf("after them:\n%s", out)
	}
	if code, body := get(t, r.url+"/metrics"); code != http.StatusOK || !strings.Contains(body, `cartrita_rate_limited_total{limit="everybody"} 1`+"\n") {
		t.Errorf("the metrics lack the refusal: %d", code)
	}

	// A change of the file holds at once, and what was counted stays.
	b.write(b.config, strings.Replace("listen: 127.0.0.1:0\ndiscovery: {env: false, ollama: false}\n"+mockSection(t)+limits, "requests: 2", "requests: 3", 1))
	for deadline := time.Now().Add(20 * time.Second); b.run("chat", "hello").code != exitOK; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the changed limit does not hold:\n%s", r.err)
		}
	}
	if out := b.ok("limits"); !strings.Contains(out, "0 of 3") {
		t.Errorf("after the change:\n%s", out)
	}
}

func TestRateLimitsThatAreRefused(t *testing.T) {
	for limit, want := range map[string]string{
		"{name: a}":                                  "rate_limits[0].requests: want at least one of requests, tokens and concurrency",
		"{name: key, requests: 1}":                   `rate_limits[0].name: "key": want a name other than "key"`,
		"{name: a, requests: -1}":                    "rate_limits[0].requests: want a number from 1",
		"{name: a, tokens: 1, window: 10ms}":         "rate_limits[0].window: want a duration from 1s to 24h",
		"{name: a, tokens: 1, scope: {usr: x}}":      "rate_limits[0].scope.usr",
		"{name: a, tokens: 1}, {name: a, tokens: 1}": `rate_limits[1].name: "a" is used twice`,
	} {
		b := newBench(t, "rate_limits: ["+limit+"]\n")
		for _, command := range []string{"check", "serve"} {
			args := []string{"config", "check"}
			if command == "serve" {
				args = []string{"serve"}
			}
			if r := b.run(args...); r.code != exitInvalid || !strings.Contains(r.err, want) {
				t.Errorf("%s of %s: exit code %d: %s\nwant %s", command, limit, r.code, r.err, want)
			}
		}
	}
}
