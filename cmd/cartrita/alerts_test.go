package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAlertsCommands changes and shows rules without a gateway, then has one that
// serves fire, tell a program, and resolve.
func TestAlertsCommands(t *testing.T) {
	told := filepath.Join(t.TempDir(), "told")
	script := filepath.Join(t.TempDir(), "tell")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho $CARTRITA_ALERT_EVENT $CARTRITA_ALERT_RULE >> "+told+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, mockSection(t)+`
alerts:
  every: 1s
  channels: [{name: log, kind: command, command: [`+script+`]}]
  rules: [{name: fixed, type: error_rate, threshold: 0.5, channels: [log]}]
`)
	if r := b.run("alerts", "create", "calls", "--type", "cost_threshold", "--threshold", "0", "--window", "30s", "--channel", "log", "--resolve-after", "1s"); r.code != exitOK || strings.Contains(r.err, "nobody") {
		t.Fatalf("%d: %s", r.code, r.err)
	}
	for _, args := range [][]string{
		{"create", "fixed", "--type", "cost_threshold", "--threshold", "1"},
		{"create", "x", "--type", "cost_threshold", "--threshold", "1", "--channel", "lok"},
		{"create", "x", "--type", "nonsense", "--threshold", "1"},
		{"create", "x", "--type", "cost_threshold", "--threshold", "1", "--window", "5"},
		{"create", "x", "--type", "cost_threshold", "--threshold", "NaN"},
		{"create", "x", "--type", "cost_threshold", "--threshold", "-inf"},
		{"delete", "fixed"},
		{"delete", "x"},
		{"test", "lok"},
	} {
		if r := b.run(append([]string{"alerts"}, args...)...); r.code == exitOK || r.err == "" || strings.Contains(r.err, "json") {
			t.Errorf("alerts %q: code %d, %q", args, r.code, r.err)
		}
	}
	if r := b.run("alerts", "create", "x", "--type", "cost_threshold", "--threshold", "1", "--channel", "log", "--channel", "log"); r.code == exitOK || !strings.Contains(r.err, "channels") || !strings.Contains(r.err, "twice") {
		t.Errorf("a channel that is named twice: code %d, %q", r.code, r.err)
	}
	if out := b.ok("alerts", "rules"); !strings.Contains(out, "calls\tcost_threshold\t\t> $0.00\t30s\t0s\twarning\tlog\tthe API\n") || !strings.Contains(out, "fixed\terror_rate\t\t> 50 %\t5m\t0s\twarning\tlog\tthe configuration\n") {
		t.Errorf("the rules are:\n%s", out)
	}
	if out := b.ok("alerts", "channels"); out != "log\n" {
		t.Errorf("the channels are %q", out)
	}
	b.ok("alerts", "test", "log")

	b.serve()
	until := func(what string, so func() bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !so(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("not within 30 s: ", what)
			}
		}
	}
	heard := func() string { doc, _ := os.ReadFile(told); return string(doc) }
	b.ok("chat", "hello")
	until("it fires", func() bool { return strings.Contains(b.ok("alerts"), "calls\twarning\t") })
	until("the program is told", func() bool { return heard() == "test test\nfiring calls\n" })
	b.ok("alerts", "delete", "calls")
	until("it is resolved", func() bool { return heard() == "test test\nfiring calls\nresolved calls\n" })
	if out := b.ok("alerts"); out != "" {
		t.Errorf("what fires in the end:\n%s", out)
	}
	if out := b.ok("alerts", "history", "--rule", "calls"); strings.Count(out, "\n") != 2 || strings.Contains(out, "fires") {
		t.Errorf("the history:\n%s", out)
	}
	if out := b.ok("alerts", "log"); strings.Count(out, "delivered") != 3 {
		t.Errorf("the messages:\n%s", out)
	}
}

// TestARuleThatTellsNobody is not in force without a word.
func TestARuleThatTellsNobody(t *testing.T) {
	b := newBench(t, `
budgets: [{name: teams, period: monthly, limit_usd: 5}]
alerts:
  rules: [{name: burning, type: burn_rate, threshold: 3, scope: {budget: team}}]
`)
	const none = `alerts.rules[0].scope.budget: "team" is no budget of the configuration`
	if r := b.run("config", "check"); r.code != exitOK || !strings.Contains(r.err, none) {
		t.Errorf("config check: %d, %s", r.code, r.err)
	}
	b.serve().err.wait(strings.ReplaceAll(none, `"`, `\"`))
	create := func(more ...string) string {
		return b.run(append([]string{"alerts", "create", "r", "--type", "burn_rate", "--threshold", "3"}, more...)...).err
	}
	const nobody, nothing = "nobody is told", "no budget has the name"
	if out := create(); !strings.Contains(out, nobody) || strings.Contains(out, nothing) {
		t.Errorf("without channels: %s", out)
	}
	if out := create("--budget", "teams"); strings.Contains(out, nothing) {
		t.Errorf("of a budget that is there: %s", out)
	}
	if out := create("--budget", "team"); !strings.Contains(out, nothing) {
		t.Errorf("of a budget that is not there: %s", out)
	}
}

// TestARuleAboutNothing says so, whatever part of its scope there is not.
func TestARuleAboutNothing(t *testing.T) {
	b := newBench(t, mockSection(t)+`
alerts:
  rules:
  - {name: sound, type: error_rate, threshold: 0.5, scope: {model: box/atlas-large, endpoint: box/atlas-large, provider: box}}
  - {name: better, type: benchmark_drift, threshold: 0.5, scope: {model: openai/gpt-4o}}
  - {name: model, type: error_rate, threshold: 0.5, scope: {model: box/atlas-larg}}
  - {name: endpoint, type: availability, threshold: 0.5, scope: {endpoint: box/nothing}}
  - {name: provider, type: cost_threshold, threshold: 5, scope: {provider: bix}}
  - {name: worse, type: benchmark_drift, threshold: 0.5, scope: {model: openai/gpt-4oh}}
`)
	want := []string{
		`alerts.rules[2].scope.model: no endpoint serves the model "box/atlas-larg" now, so the rule watches nothing: did you mean "box/atlas-large"`,
		`alerts.rules[3].scope.endpoint: there is no endpoint "box/nothing" now, so the rule watches nothing`,
		`alerts.rules[4].scope.provider: no endpoint belongs to the provider "bix" now, so the rule watches nothing: did you mean "box"?`,
		`alerts.rules[5].scope.model: there is no model "openai/gpt-4oh" now, so the rule watches nothing: did you mean`,
	}
	r := b.run("config", "check")
	if r.code != exitOK || strings.Count(r.err, "watches nothing") != len(want) {
		t.Errorf("config check: %d, %s", r.code, r.err)
	}
	log := b.serve().err
	for _, w := range want {
		if !strings.Contains(r.err, w) {
			t.Errorf("config check: %s\nwant %s", r.err, w)
		}
		log.wait(strings.ReplaceAll(w, `"`, `\"`))
	}
	for _, c := range []struct {
		want  string
		scope []string
	}{
		{"", []string{"error_rate", "-m", "box/atlas-large", "--endpoint", "box/atlas-large", "--provider", "box"}},
		{"", []string{"benchmark_drift", "-m", "openai/gpt-4o"}},
		{`no endpoint serves the model "box/atlas-larg" now`, []string{"error_rate", "-m", "box/atlas-larg"}},
		{`there is no endpoint "box/nothing" now`, []string{"error_rate", "--endpoint", "box/nothing"}},
		{`no endpoint belongs to the provider "bix" now`, []string{"error_rate", "--provider", "bix"}},
		{`there is no model "openai/gpt-4oh" now`, []string{"benchmark_drift", "-m", "openai/gpt-4oh"}},
	} {
		out := b.run(append([]string{"alerts", "create", "r", "--threshold", "0.5", "--type"}, c.scope...)...).err
		if strings.Contains(out, "watches nothing") != (c.want != "") || !strings.Contains(out, c.want) {
			t.Errorf("alerts create %q: %s", c.scope, out)
		}
	}
}

// TestADeadEndpointIsNotAvailable: the rule as the documentation has it fires for an
// endpoint at which nobody listens, though its circuit lets hardly any call through.
func TestADeadEndpointIsNotAvailable(t *testing.T) {
	b := newBench(t, `
providers:
- name: dead
  base_url: http://127.0.0.1:1/v1
  endpoints: [{model: dead/m, upstream: m, describe: {task_types: [chat-completions], status: active}}]
alerts:
  every: 1s
  rules: [{name: down, type: availability, threshold: 0.5}]
`)
	b.serve()
	for range 12 {
		if r := b.run("chat", "-m", "dead/m", "hello"); r.code == exitOK {
			t.Fatalf("a dead endpoint answers: %s", r.out)
		}
	}
	var out string
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(out, "down\twarning\tdead/m\t0 %\t< 50 %\tfires"); time.Sleep(100 * time.Millisecond) {
		if out = b.ok("alerts"); time.Now().After(deadline) {
			t.Fatalf("after 30 s fires:\n%s", out)
		}
	}
}
