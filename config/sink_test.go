package config

import (
	"strings"
	"testing"
)

func TestSinksAreChecked(t *testing.T) {
	checkFiles(t, map[string]string{
		"sinks: [{name: a, kind: file, path: x}, {name: b, kind: webhook, url: env:U, secret: env:S}, {name: c, kind: kafka, brokers: ['k:1'], topic: t}]": "",
		"sinks: [{name: a, kind: fax}]":                                                                             "sinks[0].kind: \"fax\": want file, webhook, otlp, kafka, nats, redis",
		"sinks: [{name: a, kind: file}]":                                                                            "sinks[0].path: is missing",
		"sinks: [{name: a, kind: file, path: x, topic: t}]":                                                         "sinks[0].topic: is not for a sink of kind file",
		"sinks: [{name: a, kind: file, path: x}, {name: a, kind: file, path: y}]":                                   "sinks[1].name: \"a\" is used twice",
		"sinks: [{kind: file, path: x}]":                                                                            "sinks[0].name: is missing",
		"sinks: [{name: a, kind: file, path: x, from: then}]":                                                       "sinks[0].from: \"then\": want now or beginning",
		"sinks: [{name: a, kind: file, path: x/e}, {name: b, kind: file, path: ./x//e}]":                            "sinks[1].path: \"./x//e\" is the file of the sink a: want one for each",
		"sinks: [{name: a, kind: file, path: x, max_size: 10}]":                                                     "sinks[0].max_size: is 10 bytes: want at least 64KiB, with a unit, such as 100MiB",
		"sinks: [{name: a, kind: file, path: x, max_size: 64KiB}, {name: b, kind: file, path: y, max_size: 10MiB}]": "",
		"sinks: [{name: a, kind: nats, url: 'nats://u:p@h:4222, tls://i', subject: a.b-c.$d}, {name: b, kind: nats, url: 'h:4222', subject: e}, {name: c, kind: nats, url: env:U, subject: e}]": "",
		"sinks: [{name: a, kind: nats, url: 'http://h:4222', subject: s}]":     "sinks[0].url: want nats://host:4222 or tls://",
		"sinks: [{name: a, kind: nats, url: 'nats://u:p@h,,', subject: s}]":    "sinks[0].url: want nats://host:4222 or tls://",
		"sinks: [{name: a, kind: nats, url: 'nats://h', subject: a b}]":        "sinks[0].subject: \"a b\": want words with dots between",
		"sinks: [{name: a, kind: nats, url: 'nats://h', subject: a.>}]":        "sinks[0].subject: \"a.>\": want words",
		"sinks: [{name: a, kind: nats, url: 'nats://h', subject: a..b}]":       "sinks[0].subject: \"a..b\": want words",
		"sinks: [{name: a, kind: redis, stream: s}]":                           "needs the setting redis",
		"sinks: [{name: a, kind: webhook, url: 'ftp://x'}]":                    "sinks[0].url:",
		"sinks: [{name: a, kind: kafka, brokers: ['k:1'], topic: t, user: u}]": "user and password go together",
	})
}

func TestTimeoutsOfSinksAreChecked(t *testing.T) {
	checkFiles(t, map[string]string{
		"sinks: [{name: a, kind: webhook, url: env:U, timeout: 1m}, {name: b, kind: nats, url: env:U, subject: s, timeout: 5m}]": "",
		"sinks: [{name: a, kind: webhook, url: env:U, timeout: 6m}]":                                                             "sinks[0].timeout: want more than 0, and 5m at most",
		"sinks: [{name: a, kind: webhook, url: env:U, timeout: -1s}]":                                                            "sinks[0].timeout:",
		"sinks: [{name: a, kind: file, path: x, timeout: 1s}]":                                                                   "sinks[0].timeout: is not for a sink of kind file",
	})
}

// What follows the host of a sink's URL lets in who knows it, as in those of channels.
func TestSecretsInURLsOfSinksAreNotShown(t *testing.T) {
	for in, want := range map[string]string{
		"kind: webhook, url: 'https://hooks.example.com/in?token=s3cret'": "url: https://hooks.example.com/xxxxx\n",
		"kind: webhook, url: 'https://hooks.example.com/s3cret'":          "url: https://hooks.example.com/xxxxx\n",
		"kind: nats, subject: s, url: 'nats://h:4222#s3cret'":             "url: nats://h:4222/xxxxx\n",
		"kind: otlp, url: 'http://127.0.0.1:4318'":                        "url: http://127.0.0.1:4318\n",
		"kind: webhook, url: env:HOOK":                                    "url: env:HOOK\n",
		"kind: nats, subject: s, url: 'nats://ada:s3cret@h:4222'":         "url: nats://h:4222/xxxxx\n",
		"kind: nats, subject: s, url: 'nats://s3cret@h:4222'":             "url: nats://h:4222/xxxxx\n",
		"kind: nats, subject: s, url: 'ada:s3cret@h:4222'":                "url: (not shown)\n",
		"kind: nats, subject: s, url: 's3cret@h:4222'":                    "url: (not shown)\n",
		"kind: kafka, topic: t, brokers: ['ada:s3cret@k:9092', 'l:9092']": "- xxxxx@k:9092\n  - l:9092\n",
	} {
		l := parse(t, "sinks: [{name: a, "+in+"}]\n")
		text, err := Show(&l.Config)
		_, shown, _ := strings.Cut(string(text), "\nsinks:")
		if err != nil || strings.Contains(shown, "s3cret") || !strings.Contains(shown, want) {
			t.Errorf("%s: %v\n%.200s", in, err, shown)
		}
		other := Default()
		for _, change := range Diff(&other, &l.Config) {
			if strings.Contains(change.String(), "s3cret") {
				t.Errorf("%s: the difference is %v", in, change)
			}
		}
	}
	for _, bad := range []string{"ftp://h/in?token=s3cret", "https://ada:s3cret@h", "https://h#s3cret"} {
		_, err := Parse("c.yaml", []byte("sinks: [{name: a, kind: webhook, url: '"+bad+"'}]"))
		if err == nil || !strings.Contains(err.Error(), "sinks[0].url: want a URL") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
