package upstream

import (
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
)

// Defaults of Config.
const (
	DefaultConnectTimeout = 5 * time.Second
	DefaultFirstTimeout   = 60 * time.Second
	DefaultUnaryTimeout   = 10 * time.Minute
	DefaultIdleTimeout    = 120 * time.Second
	DefaultMaxBody        = 64 << 20
	DefaultMaxEvent       = 8 << 20
	DefaultIdleConns      = 256
)

// Config is how to reach the servers of one provider. The zero value of every
// field means its default.
type Config struct {
	// Credentials resolves the endpoints' references; without it, endpoints
	// that have one fail with UpstreamAuth.
	Credentials provider.Credentials
	// Headers are sent with every request: an organisation, a beta flag.
	Headers map[string]string

	ConnectTimeout time.Duration // TCP connect, and TLS handshake again; default 5 s
	FirstTimeout   time.Duration // from sending to the response headers of a stream; default 60 s
	UnaryTimeout   time.Duration // from sending to the last byte of an answer in one piece; default 10 min
	IdleTimeout    time.Duration // from a stream's headers to its first content, and silence after that; default 2 min
	MaxBody        int64         // bytes of an answer in one piece; default 64 MiB
	MaxEvent       int           // bytes of one event of a stream; default 8 MiB
	IdleConns      int           // connections kept open to one host; default 256

	// Transport replaces the HTTP transport: for tests, and for users with
	// needs of their own (client certificates). Default: one tuned for many
	// small requests to few hosts, through the proxy that the environment
	// names, if any.
	Transport http.RoundTripper
}

func (c Config) withDefaults() Config {
	def(&c.ConnectTimeout, DefaultConnectTimeout)
	def(&c.FirstTimeout, DefaultFirstTimeout)
	def(&c.UnaryTimeout, DefaultUnaryTimeout)
	def(&c.IdleTimeout, DefaultIdleTimeout)
	def(&c.MaxBody, DefaultMaxBody)
	def(&c.MaxEvent, DefaultMaxEvent)
	def(&c.IdleConns, DefaultIdleConns)
	if c.Transport == nil {
		c.Transport = newTransport(c)
	}
	return c
}

func def[T ~int | ~int64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// validate checks a config that has its defaults.
func (c Config) validate(op string) error {
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"connect_timeout", int64(c.ConnectTimeout)}, {"first_timeout", int64(c.FirstTimeout)},
		{"unary_timeout", int64(c.UnaryTimeout)}, {"idle_timeout", int64(c.IdleTimeout)},
		{"max_body", c.MaxBody}, {"max_event", int64(c.MaxEvent)}, {"idle_conns", int64(c.IdleConns)},
	} {
		if limit.value < 0 {
			return model.Invalidf(op, limit.name, "must be positive, or 0 for the default")
		}
	}
	for name, value := range c.Headers {
		if !validHeader(name, value) {
			return model.Invalidf(op, "headers."+name, "is not a valid HTTP header")
		}
		if reserved[http.CanonicalHeaderKey(name)] {
			return model.Invalidf(op, "headers."+name, "is left to the gateway itself")
		}
	}
	return nil
}

// reserved headers are ours to send or, as those that would let net/http repeat
// a request, to leave out.
var reserved = map[string]bool{
	"Content-Length": true, "Content-Type": true, "Transfer-Encoding": true, "Connection": true, "Host": true,
	"Accept-Encoding": true, "Idempotency-Key": true, "X-Idempotency-Key": true,
}

func validHeader(name, value string) bool {
	isToken := func(r rune) bool {
		return r > ' ' && r < 0x7f && !strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	}
	return name != "" && strings.IndexFunc(name, func(r rune) bool { return !isToken(r) }) < 0 &&
		strings.IndexFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}

func newTransport(c Config) *http.Transport {
	dialer := &net.Dialer{Timeout: c.ConnectTimeout, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    c.ConnectTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           4 * c.IdleConns,
		MaxIdleConnsPerHost:    c.IdleConns,
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true, // answers are small, and relayed as they come
		MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize:        40 << 10, // a usual request goes out in one write
		ReadBufferSize:         4 << 10,
	}
}
