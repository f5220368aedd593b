package config

import "testing"

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
