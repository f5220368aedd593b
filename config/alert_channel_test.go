package config

import (
	"strings"
	"testing"
)

func TestAlertChannelsAreChecked(t *testing.T) {
	const mail = "name: m, kind: email, server: 'smtp.example.com:587', from: 'Cartrita <a@example.com>', to: [b@example.com]"
	for channels, want := range map[string]string{
		`{name: a, kind: webhook, url: env:U, secret: env:S, headers: {X: y}, timeout: 5s}, {name: b, kind: slack, url: 'https://hooks.example/T0PSECRET'}`:   "",
		`{name: a, kind: pagerduty, routing_key: env:K}, {name: b, kind: command, command: [notify, -x]}, {` + mail + `, tls: tls, user: u, password: env:P}`: "",
		`{kind: slack, url: env:U}`: "alerts.channels[0].name: is missing",
		`{name: a, kind: slack, url: env:U}, {name: a, kind: teams, url: env:U}`: `alerts.channels[1].name: "a" is used twice`,
		`{name: a, kind: slak, url: env:U}`:                                      `alerts.channels[0].kind: "slak": want webhook, slack, teams, discord, pagerduty, email or command; did you mean slack?`,
		`{name: a, kind: slack}`:                                                 "alerts.channels[0].url: is missing: a channel of kind slack needs it",
		`{name: a, kind: slack, url: env:U, secret: env:S}`:                      "alerts.channels[0].secret: is not for a channel of kind slack",
		`{name: a, kind: slack, url: 'env:'}`:                                    "alerts.channels[0].url: want env:NAME",
		`{name: a, kind: slack, url: hooks/T0PSECRET}`:                           "alerts.channels[0].url: want a URL such as",
		`{name: a, kind: slack, url: 'https://u:T0PSECRET@hooks'}`:               "alerts.channels[0].url: want a URL without user and password",
		`{name: a, kind: slack, url: env:U, timeout: 31s}`:                       "alerts.channels[0].timeout: want more than 0, and 30s at most",
		`{name: a, kind: webhook, url: env:U, secret: T0PSECRET}`:                "alerts.channels[0].secret: want a reference",
		`{name: a, kind: webhook, url: env:U, headers: {'a b': c}}`:              "alerts.channels[0].headers",
		`{name: a, kind: pagerduty}`:                                             "alerts.channels[0].routing_key: is missing",
		`{name: a, kind: command, command: ['']}`:                                "alerts.channels[0].command[0]: want the name of a program",
		`{name: a, kind: email}`:                                                 "alerts.channels[0].to: is missing",
		`{` + strings.Replace(mail, ":587", "", 1) + `}`:                         "alerts.channels[0].server: \"smtp.example.com\": want host:port",
		`{` + strings.Replace(mail, "<a@example.com>", "", 1) + `}`:              "alerts.channels[0].from: \"Cartrita \": want an address",
		`{` + strings.Replace(mail, "[b@", "[c@example.com, ", 1) + `}`:          "alerts.channels[0].to[1]: \"example.com\": want an address",
		`{` + mail + `, tls: ssl}`:                                               "alerts.channels[0].tls: \"ssl\": want starttls, tls or none",
		`{` + mail + `, user: u}`:                                                "alerts.channels[0].user: user and password go together",
		`{` + mail + `, tls: none, user: u, password: env:P}`:                    "alerts.channels[0].tls: a password is sent over TLS only",
	} {
		_, err := Parse("file", []byte("alerts: {channels: ["+channels+"]}"))
		var text []string
		for _, p := range Problems(err) {
			text = append(text, p.String())
		}
		if got := strings.Join(text, "\n"); err == nil != (want == "") || !strings.Contains(got, want) || strings.Contains(got, "T0PSECRET") {
			t.Errorf("%s\ngot %q, want %q", channels, got, want)
		}
	}
}

func TestASharedConfigurationNamesNoProgram(t *testing.T) {
	l, err := Parse("file", []byte("alerts: {channels: [{name: own, kind: command, command: [own]}]}"))
	if err != nil {
		t.Fatal(err)
	}
	for document, want := range map[string]string{
		"alerts: {channels: [{name: a, kind: command, command: [sh, -c, x]}]}": "shared:1:46: alerts.channels[0].command: names a program: set it in the file of each gateway",
		"alerts: {channels: [{name: a, kind: slack, url: 'https://x/y'}]}":     "",
	} {
		over, err := l.WithShared(Shared{Name: "shared", Data: []byte(document)})
		var text []string
		for _, p := range Problems(err) {
			text = append(text, p.String())
		}
		if got := strings.Join(text, "\n"); err == nil != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s got %q, want %q", document, got, want)
		}
		if err == nil && over.Alerts.Channels[0].Name != "own" {
			t.Errorf("the file's own channels are %+v", over.Alerts.Channels)
		}
	}
}

func TestTheAddressesOfChannelsAreNotShown(t *testing.T) {
	l := parse(t, "alerts: {channels: [{name: a, kind: webhook, url: 'https://hooks.example/T0PSECRET', headers: {X: T0PSECRET}}, {name: b, kind: slack, url: env:U}]}")
	other := parse(t, "alerts: {channels: [{name: a, kind: webhook, url: 'https://hooks.example/other?k=T0PSECRET'}, {name: b, kind: slack, url: env:V}]}")
	text, err := Show(&l.Config)
	if err != nil || strings.Contains(string(text), "T0PSECRET") || !strings.Contains(string(text), "https://hooks.example/xxxxx") || !strings.Contains(string(text), "env:U") {
		t.Errorf("%v\n%s", err, text)
	}
	var lines []string
	for _, c := range Diff(&l.Config, &other.Config) {
		lines = append(lines, c.String())
	}
	want := `alerts.channels[0].headers.X: (not shown) → none
alerts.channels[0].url: https://hooks.example/xxxxx → https://hooks.example/xxxxx
alerts.channels[1].url: env:U → env:V`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if l.Alerts.Channels[0].URL != "https://hooks.example/T0PSECRET" {
		t.Error("masking changed the configuration itself")
	}
}
