package config

import (
	"strings"
	"testing"
)

func parse(t *testing.T, text string) *Loaded {
	t.Helper()
	l, err := Parse("c.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestDiff(t *testing.T) {
	a := parse(t, "router: {max_attempts: 2}\nproviders:\n- {name: a, base_url: http://127.0.0.1:1, headers: {X-A: s3cret, X-B: env:B}}\n")
	b := parse(t, "listen: 127.0.0.1:9\nproviders:\n- {name: a, base_url: http://127.0.0.1:1, headers: {X-A: s4cret, X-B: env:C}, tags: [eu]}\n")
	var lines []string
	for _, c := range Diff(&a.Config, &b.Config) {
		lines = append(lines, c.String())
	}
	want := `listen: 127.0.0.1:8080 → 127.0.0.1:9 (after a restart)
providers[0].headers.X-A: (not shown) → (not shown)
providers[0].headers.X-B: env:B → env:C
providers[0].tags[0]: none → eu
router.max_attempts: 2 → 3`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if d := Diff(&a.Config, &a.Config); len(d) != 0 {
		t.Errorf("a configuration differs from itself: %v", d)
	}
}

func TestShowMasksLiteralHeaders(t *testing.T) {
	l := parse(t, "providers:\n- {name: a, base_url: http://127.0.0.1:1, headers: {X-A: s3cret, X-B: env:B}}\ntelemetry: {otlp_headers: {X-C: s3cret}}\n")
	text, err := Show(&l.Config)
	if err != nil || strings.Contains(string(text), "s3cret") || !strings.Contains(string(text), "env:B") {
		t.Errorf("%v\n%s", err, text)
	}
	if l.Providers[0].Headers["X-A"] != "s3cret" || l.Telemetry.OTLPHeaders["X-C"] != "s3cret" {
		t.Error("masking changed the configuration itself")
	}
}
