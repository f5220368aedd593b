package config

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// validator checks the parts of a configuration that could be read. It works
// on values and paths; where they stood in a file is added later.
type validator struct {
	c                  *Config
	unread             []string // paths that hold a default only because they could not be read
	problems, warnings []Problem
}

// read reports whether everything at path and inside of it could be read.
func (v *validator) read(path string) bool {
	return !slices.ContainsFunc(v.unread, func(u string) bool { return inside(path, u) || inside(u, path) })
}

// problem reports what is wrong with a value. A check that compares values asks
// for the others with read.
func (v *validator) problem(path, format string, args ...any) {
	if !v.read(path) {
		return
	}
	v.problems = append(v.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (v *validator) warn(path, format string, args ...any) {
	v.warnings = append(v.warnings, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// maxSharedBuffer is some gigabytes of a Redis server.
const maxSharedBuffer = 1_000_000

func (v *validator) config() {
	c := v.c
	v.listen()
	if c.Data == "" {
		v.problem("data", "want the path of a directory")
	}
	v.store()
	v.redis()
	for i, h := range c.AllowedHosts {
		if h == "" || strings.ContainsFunc(h, notNameRune) {
			v.problem(fmt.Sprintf("allowed_hosts[%d]", i), "%q: want the name of a host, without port", h)
		}
	}
	v.apiKeys()
	v.oneOf("keys.required", c.Keys.Required, KeysAuto, KeysAlways)
	v.providers()
	v.models()
	v.router()
	v.budgets()
	v.rateLimits()
	v.limits()
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "auto", "text", "json")
	v.telemetry()
	v.oneOf("events.fsync", c.Events.Fsync, FsyncOff, FsyncBatch)
	v.atLeast("events.segment", int64(c.Events.Segment), int64(64*KiB), "64KiB")
	if v.read("events.segment") {
		v.atLeast("events.max_spool", int64(c.Events.MaxSpool), 2*int64(c.Events.Segment), "twice events.segment")
	}
	if n := c.Events.SharedBuffer; n < 0 || n > maxSharedBuffer {
		v.problem("events.shared_buffer", "%d: want a number of calls from 0 to %d", n, maxSharedBuffer)
	}
	v.embeddings()
	v.shared()
	v.retention()
	v.sinks()
	v.alerts()
	v.url("discovery.ollama_url", c.Discovery.OllamaURL)
}

// store checks where records are kept. It never repeats what may hold a password.
func (v *validator) store() {
	s := v.c.Store
	switch {
	case s == StoreSQLite, s == StoreMemory:
	case isRef(s):
		if err := checkRef(s); err != nil {
			v.problem("store", "%s", err)
		}
	case IsPostgres(s):
		if u, err := url.Parse(s); err != nil || u.Fragment != "" {
			v.problem("store", "want postgres://user:password@host:5432/database; write %%23 for # and %%2F for / in a password")
		}
	case strings.Contains(s, "="): // libpq's other form
		v.problem("store", "want the URL postgres://user:password@host:5432/database, not host=… user=… password=…")
	case strings.ContainsAny(s, ":@"):
		v.problem("store", "want sqlite, memory or postgres://user:password@host:5432/database")
	default:
		v.problem("store", "%q: want sqlite, memory or postgres://user:password@host:5432/database%s", s, suggest(s, []string{StoreSQLite, StoreMemory}))
	}
}

// redis checks where Redis is. It never repeats what may hold a password.
func (v *validator) redis() {
	s := v.c.Redis
	switch {
	case s == "" || IsRedis(s):
	case isRef(s):
		if err := checkRef(s); err != nil {
			v.problem("redis", "%s", err)
		}
	default:
		v.problem("redis", "want redis://user:password@host:6379/0, rediss://…, env:NAME or file:/path")
	}
}

// IsRedis reports whether a text begins as the URL of a Redis server does.
func IsRedis(s string) bool {
	return strings.HasPrefix(s, "redis://") || strings.HasPrefix(s, "rediss://")
}

// IsPostgres reports whether a store is the URL of a PostgreSQL database.
func IsPostgres(store string) bool {
	return strings.HasPrefix(store, "postgres://") || strings.HasPrefix(store, "postgresql://")
}

// SharesStore reports whether the store is a database in which other gateways may
// store, too.
func (c *Config) SharesStore() bool { return c.Store != StoreSQLite && c.Store != StoreMemory }

func (v *validator) listen() {
	host, port, err := net.SplitHostPort(v.c.Listen)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || n > math.MaxUint16 {
		v.problem("listen", "%q: want host:port, such as %s or :8080", v.c.Listen, DefaultListen)
		return
	}
	if !Loopback(host) && len(v.c.APIKeys) == 0 && v.c.Keys.Required != KeysAlways && v.read("api_keys") && v.read("keys.required") {
		v.problem("listen", "%s can be reached from other machines: set api_keys or keys.required: always, or listen on 127.0.0.1", v.c.Listen)
	}
}

// Loopback reports whether a listener on host can be reached from this machine
// only. The empty host is every interface.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func (v *validator) apiKeys() {
	seen := map[string]bool{}
	for i, k := range v.c.APIKeys {
		at := fmt.Sprintf("api_keys[%d]", i)
		v.name(at+".name", k.Name, seen)
		if k.Key == "" {
			v.problem(at+".key", "is missing; want env:NAME or file:/path")
		}
		if k.Role != "" {
			v.oneOf(at+".role", k.Role, "admin", "operator", "viewer", "caller")
		}
	}
}

// name checks that a name is given, can be part of an id and is new.
func (v *validator) name(path, name string, seen map[string]bool) {
	switch {
	case name == "":
		v.problem(path, "is missing; want a name")
	case strings.ContainsFunc(name, notNameRune):
		v.problem(path, "%q: want letters, digits, dots, dashes and underscores only", name)
	case seen[name]:
		v.problem(path, "%q is used twice", name)
	}
	seen[name] = true
}

func notNameRune(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	return !letter && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
}

func (v *validator) models() {
	seen := map[model.ModelID]bool{}
	for i := range v.c.Models {
		m, at := &v.c.Models[i], fmt.Sprintf("models[%d]", i)
		v.modelID(at+".model_id", m.ID)
		if m.ID != "" && seen[m.ID] {
			v.problem(at+".model_id", "%q is used twice", m.ID)
		}
		seen[m.ID] = true
		v.pricing(at+".cost_profile", m.Pricing)
	}
}

func (v *validator) modelID(path string, id model.ModelID) {
	switch {
	case id == "":
		v.problem(path, "is missing; want a model id")
	case strings.ContainsAny(string(id), " \t\r\n"):
		v.problem(path, "%q: want an id without spaces", id)
	}
}

func (v *validator) limits() {
	l := &v.c.Limits
	v.atLeast("limits.body", int64(l.Body), int64(KiB), "1KiB")
	if v.read("limits.body") {
		v.atLeast("limits.body_memory", int64(l.BodyMemory), int64(l.Body), "limits.body")
	}
	v.atLeast("limits.header", int64(l.Header), int64(4*KiB), "4KiB")
	v.atLeast("limits.concurrency", int64(l.Concurrency), 1, "1")
	v.atLeast("limits.queue", int64(l.Queue), 0, "0")
	for _, d := range []struct {
		path string
		d    Duration
	}{
		{"limits.header_timeout", l.HeaderTimeout},
		{"limits.body_timeout", l.BodyTimeout},
		{"limits.write_timeout", l.WriteTimeout},
		{"limits.idle_timeout", l.IdleTimeout},
		{"limits.queue_timeout", l.QueueTimeout},
		{"limits.shutdown_timeout", l.ShutdownTimeout},
	} {
		if d.d == 0 {
			v.problem(d.path, "want more than 0")
		}
	}
}

func (v *validator) telemetry() {
	t := &v.c.Telemetry
	if t.OTLPEndpoint != "" {
		v.url("telemetry.otlp_endpoint", t.OTLPEndpoint)
	}
	v.headers("telemetry.otlp_headers", t.OTLPHeaders)
	v.within("telemetry.sample_ratio", t.SampleRatio, 0, 1)
	if t.ServiceName == "" {
		v.problem("telemetry.service_name", "want a name")
	}
}

func (v *validator) shared() {
	for i, p := range v.c.Shared.Secrets {
		if !isRef(p) {
			v.problem(fmt.Sprintf("shared.secrets[%d]", i), "%q: want references as env:NAME or file:/path, with * for any text", p)
		}
	}
}

// url checks the address of a server. It never repeats the address when that
// holds a password.
func (v *validator) url(path, s string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		if err == nil && u.User != nil {
			s = u.Redacted()
		}
		v.problem(path, "%q: want a URL such as http://127.0.0.1:9001/v1", s)
	case u.User != nil:
		v.problem(path, "want a URL without user and password; a credential goes into api_key or headers as a reference")
	case u.Fragment != "":
		v.problem(path, "%q: want a URL without fragment", s)
	}
}

func (v *validator) oneOf(path, value string, names ...string) {
	if !slices.Contains(names, value) {
		v.problem(path, "%q: want %s%s", value, orList(names), suggest(value, names))
	}
}

func orList(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

func (v *validator) atLeast(path string, n, least int64, word string) {
	if n < least {
		v.problem(path, "want at least %s", word)
	}
}

func (v *validator) within(path string, f, low, high float64) {
	if !(f >= low && f <= high) {
		v.problem(path, "%v: want a number from %v to %v", f, low, high)
	}
}
