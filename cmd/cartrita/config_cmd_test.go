package main

import (
	"strings"
	"testing"
)

const boxWithoutKey = "providers:\n- {name: box, base_url: \"https://127.0.0.1:1/v1\", api_key: env:BOX_KEY, endpoints: [{model: openai/gpt-4o}, {model: openai/gpt-4o-mini}]}\n"

// Endpoints without their credential are named at the start, not at the first call.
func TestServeWarnsOfMissingCredentials(t *testing.T) {
	b := newBench(t, boxWithoutKey)
	r := b.serve("--log-format", "text")
	if got := r.err.String(); strings.Count(got, "BOX_KEY is not set") != 1 || !strings.Contains(got, "providers[0].api_key") || !strings.Contains(got, "2 endpoints of box") {
		t.Errorf("serve logs:\n%s", got)
	}
	if r := b.run("models", "list", "-n", "1"); r.err != "" && strings.Contains(r.err, "BOX_KEY") {
		t.Errorf("a command repeats the warning: %s", r.err)
	}
}

func TestConfigCheckReadsSecrets(t *testing.T) {
	b := newBench(t, boxWithoutKey)
	if r := b.run("config", "check"); r.code != exitOK || !strings.Contains(r.err, "BOX_KEY is not set") {
		t.Errorf("an endpoint without its credential: exit code %d: %s", r.code, r.err)
	}
	b.environ = []string{"BOX_KEY=x"}
	if r := b.run("config", "check"); r.code != exitOK || r.err != "" {
		t.Errorf("with it: exit code %d: %s", r.code, r.err)
	}

	b = newBench(t, "api_keys: [{name: a, key: env:KEY_A}, {name: b, key: env:KEY_B}]\nproviders: [{name: openai, headers: {X-Team: env:TEAM}}]\n")
	b.environ = []string{"KEY_B=short"}
	r := b.run("config", "check")
	if r.code != exitInvalid || strings.Contains(r.err, "=short") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	for _, want := range []string{
		":3:", "api_keys[0].key: the environment variable KEY_A is not set",
		"api_keys[1].key: env:KEY_B holds 5 characters", "providers[0].headers: the environment variable TEAM is not set",
	} {
		if !strings.Contains(r.err, want) {
			t.Errorf("lacks %q:\n%s", want, r.err)
		}
	}
}
