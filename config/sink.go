package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The values of Sink.Kind.
const (
	SinkFile    = "file"
	SinkWebhook = "webhook"
	SinkOTLP    = "otlp"
	SinkKafka   = "kafka"
	SinkNATS    = "nats"
	SinkRedis   = "redis"
)

// The values of Sink.From.
const (
	SinkFromNow       = "now"
	SinkFromBeginning = "beginning"
)

// Sink is where events are sent to, besides the store.
type Sink struct {
	// Name, under which the store keeps how far it came. Another name begins anew.
	Name string `json:"name"`
	// What it is: file, webhook, otlp, kafka, nats or redis.
	Kind string `json:"kind"`
	// Kinds of events that are sent, such as model_call.failed. None: all.
	Events []string `json:"events,omitempty"`
	// Where a new one begins: now or beginning. [now]
	From string `json:"from,omitempty"`
	// How long a webhook, a collector, Kafka or NATS may take for what is sent at once, 5m at most. [10s]
	Timeout Duration `json:"timeout,omitzero"`

	// File that events are appended to, one a line.
	Path string `json:"path,omitempty"`
	// Size from which the file is full and another is begun: 64KiB or more. [100MiB]
	MaxSize Size `json:"max_size,omitzero"`
	// Full files that are kept. [10]
	Keep int `json:"keep,omitempty"`

	// Where a webhook, a collector (before /v1/logs) or a NATS server is, itself or where that is: env:NAME or file:/path.
	URL string `json:"url,omitempty"`
	// Where the secret is with which a webhook is signed: env:NAME or file:/path.
	Secret Ref `json:"secret,omitempty"`
	// Headers of requests to a webhook or collector. A value may be a reference.
	Headers map[string]string `json:"headers,omitempty"`

	// Servers of Kafka, host:port.
	Brokers []string `json:"brokers,omitempty"`
	// Topic in Kafka.
	Topic string `json:"topic,omitempty"`
	// Speak to Kafka over TLS.
	TLS bool `json:"tls,omitempty"`
	// How to say who we are to Kafka: plain, scram-sha-256 or scram-sha-512. [plain, with a user]
	SASL string `json:"sasl,omitempty"`
	// User at Kafka.
	User string `json:"user,omitempty"`
	// Where the user's password is: env:NAME or file:/path.
	Password Ref `json:"password,omitempty"`

	// Subject in NATS that a JetStream stream takes.
	Subject string `json:"subject,omitempty"`

	// Redis stream, at the server of the setting redis.
	Stream string `json:"stream,omitempty"`
	// Events that the stream keeps, about. [100000]
	Length int `json:"length,omitempty"`
}

// sinkFields are the fields of each kind: those it needs, then those it may have.
var sinkFields = map[string][2][]string{
	SinkFile:    {{"path"}, {"max_size", "keep"}},
	SinkWebhook: {{"url"}, {"secret", "headers", "timeout"}},
	SinkOTLP:    {{"url"}, {"headers", "timeout"}},
	SinkKafka:   {{"brokers", "topic"}, {"tls", "sasl", "user", "password", "timeout"}},
	SinkNATS:    {{"url", "subject"}, {"timeout"}},
	SinkRedis:   {{"stream"}, {"length"}},
}

var sinkKinds = []string{SinkFile, SinkWebhook, SinkOTLP, SinkKafka, SinkNATS, SinkRedis}

// given says which of the fields that belong to a kind are set.
func (s *Sink) given() map[string]bool {
	return map[string]bool{
		"timeout": s.Timeout != 0, "path": s.Path != "", "max_size": s.MaxSize != 0, "keep": s.Keep != 0, "url": s.URL != "", "secret": s.Secret != "",
		"headers": len(s.Headers) > 0, "brokers": len(s.Brokers) > 0, "topic": s.Topic != "", "tls": s.TLS, "sasl": s.SASL != "",
		"user": s.User != "", "password": s.Password != "", "subject": s.Subject != "", "stream": s.Stream != "", "length": s.Length != 0,
	}
}

// longestSend bounds how long one attempt may take: another gateway goes on for one
// that hangs after twice that.
const longestSend = Duration(5 * time.Minute)

func (v *validator) sinks() {
	seen, files := map[string]bool{}, map[string]string{}
	for i := range v.c.Sinks {
		s, at := &v.c.Sinks[i], fmt.Sprintf("sinks[%d]", i)
		v.name(at+".name", s.Name, seen)
		if !slices.Contains([]string{"", SinkFromNow, SinkFromBeginning}, s.From) {
			v.problem(at+".from", "%q: want now or beginning", s.From)
		}
		if s.Keep < 0 || s.Length < 0 {
			v.problem(at, "keep and length must not be negative")
		}
		if s.Timeout < 0 || s.Timeout > longestSend {
			v.problem(at+".timeout", "want more than 0, and %s at most", longestSend)
		}
		v.headers(at+".headers", s.Headers)
		v.sinkKind(s, at)
		v.sinkFile(s, at, files)
	}
}

// minSinkFile tells a size from one whose unit was forgotten.
const minSinkFile = 64 * KiB

// sinkFile checks that a file is no other sink's: two would break each other's
// lines. files holds the sinks by their files.
func (v *validator) sinkFile(s *Sink, at string, files map[string]string) {
	if s.MaxSize != 0 && s.MaxSize < minSinkFile {
		v.problem(at+".max_size", "is %d bytes: want at least %s, with a unit, such as 100MiB", s.MaxSize, minSinkFile)
	}
	if s.Path == "" {
		return
	}
	path := filepath.Clean(s.Path)
	if other, taken := files[path]; taken {
		v.problem(at+".path", "%q is the file of the sink %s: want one for each", s.Path, other)
		return
	}
	files[path] = s.Name
}

func (v *validator) sinkKind(s *Sink, at string) {
	fields, known := sinkFields[s.Kind]
	if !known {
		v.problem(at+".kind", "%q: want %s", s.Kind, strings.Join(sinkKinds, ", "))
		return
	}
	v.fields(at, "a sink of kind "+s.Kind, fields, s.given())
	if !slices.Contains([]string{"", "plain", "scram-sha-256", "scram-sha-512"}, s.SASL) {
		v.problem(at+".sasl", "%q: want plain, scram-sha-256 or scram-sha-512", s.SASL)
	}
	if (s.User == "") != (s.Password == "") {
		v.problem(at+".user", "user and password go together")
	}
	if s.Kind == SinkRedis && v.c.Redis == "" {
		v.problem(at+".kind", "a sink of kind redis needs the setting redis")
	}
	switch {
	case s.URL == "":
	case s.Kind != SinkNATS:
		v.secretURL(at+".url", s.URL)
	case !isRef(s.URL) && !IsNATS(s.URL):
		v.problem(at+".url", "want nats://host:4222 or tls://, ws://, wss://, several with commas between; it is not repeated here, for it may hold a password")
	}
	if s.Subject != "" && !natsSubject(s.Subject) {
		v.problem(at+".subject", "%q: want words with dots between, such as cartrita.events, without spaces and wildcards", s.Subject)
	}
}

// IsNATS reports whether a text names servers as NATS clients take them. Without a
// scheme it is NATS's own.
func IsNATS(s string) bool {
	for server := range strings.SplitSeq(s, ",") {
		if server = strings.TrimSpace(server); !strings.Contains(server, "://") {
			server = "nats://" + server
		}
		u, err := url.Parse(server)
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return false
		}
	}
	return true
}

// natsSubject reports whether messages can be published to a subject.
func natsSubject(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if token == "" || token == "*" || token == ">" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return false
		}
	}
	return true
}
