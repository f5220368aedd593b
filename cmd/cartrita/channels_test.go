package main

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/config"
)

const everyChannel = `alerts:
  channels:
  - {name: hook, kind: webhook, url: env:HOOK, secret: env:SECRET, headers: {X-Team: env:TEAM}}
  - {name: slack, kind: slack, url: env:HOOK}
  - {name: teams, kind: teams, url: env:HOOK}
  - {name: discord, kind: discord, url: env:HOOK, timeout: 5s}
  - {name: pager, kind: pagerduty, routing_key: env:SECRET}
  - {name: mail, kind: email, server: "smtp.example.com:465", from: a@example.com, to: [b@example.com], user: a, password: env:SECRET}
  - {name: script, kind: command, command: [/usr/local/bin/told, -v]}
`

func TestEveryKindOfChannelIsMade(t *testing.T) {
	l, err := config.Parse("file", []byte(everyChannel))
	if err != nil {
		t.Fatal(err)
	}
	secrets := config.Secrets{Getenv: func(string) string { return "https://hooks.example/T0PSECRET" }}
	channels, err := newChannels(l, &secrets)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(slices.Sorted(maps.Keys(channels)), " "); got != "discord hook mail pager script slack teams" {
		t.Errorf("channels %s", got)
	}
	for name, c := range channels {
		if c == nil {
			t.Errorf("%s is nothing", name)
		}
	}
}

func TestConfigCheckReadsWhatChannelsReferTo(t *testing.T) {
	b := newBench(t, everyChannel)
	b.environ = []string{"HOOK=T0PSECRET", "SECRET=x"}
	r := b.run("config", "check")
	if r.code != exitInvalid || strings.Contains(r.err, "T0PSECRET") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	for _, want := range []string{
		"alerts.channels[0].headers: the environment variable TEAM is not set",
		"alerts.channels[1].url: want a URL that begins with https://",
	} {
		if !strings.Contains(r.err, want) {
			t.Errorf("lacks %q:\n%s", want, r.err)
		}
	}
	b.environ = []string{"HOOK=https://hooks.example/x", "SECRET=x", "TEAM=y"}
	if r := b.run("config", "check"); r.code != exitOK || r.err != "" {
		t.Errorf("with all of it: exit code %d: %s", r.code, r.err)
	}
}

func TestServeTakesNoChannelThatCannotBeMade(t *testing.T) {
	b := newBench(t, "alerts: {channels: [{name: a, kind: slack, url: env:HOOK}]}\n")
	if r := b.run("serve"); r.code != exitInvalid || !strings.Contains(r.err, "alerts.channels[0].url: the environment variable HOOK is not set") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	b.environ = []string{"HOOK=https://hooks.example/x"}
	r := b.serve("--log-format", "text")
	section, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	b.write(b.config, strings.Replace(string(section), "env:HOOK", "env:OTHER", 1))
	if line := r.err.wait("OTHER is not set"); !strings.Contains(line, "alerts.channels[0].url") {
		t.Errorf("a reload says %s", line)
	}
}
