package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Change is one difference between two configurations.
type Change struct {
	Path string `json:"path"`
	Old  string `json:"old,omitempty"` // empty: was not set
	New  string `json:"new,omitempty"` // empty: is not set any more
	// Restart is true when the change takes effect at the next start only.
	Restart bool `json:"restart,omitempty"`
}

// String writes the change on one line.
func (c Change) String() string {
	s := fmt.Sprintf("%s: %s → %s", c.Path, orNone(c.Old), orNone(c.New))
	if c.Restart {
		s += " (after a restart)"
	}
	return s
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Sections that are read once, at the start.
var startOnly = []string{"alerts.every", "allowed_hosts", "data", "embeddings", "events", "keys", "limits", "listen", "log.format", "redis", "shared", "sinks", "store", "telemetry"}

// Diff returns the differences from old to new, by path. Literal header values
// and passwords are masked.
func Diff(from, to *Config) []Change {
	a, b := flatten(from), flatten(to)
	paths := slices.Collect(maps.Keys(a))
	for p := range b {
		if _, ok := a[p]; !ok {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	var out []Change
	for _, p := range paths {
		if a[p] == b[p] {
			continue
		}
		out = append(out, Change{Path: p, Old: mask(p, a[p]), New: mask(p, b[p]), Restart: needsRestart(p)})
	}
	return out
}

func needsRestart(path string) bool {
	return slices.ContainsFunc(startOnly, func(s string) bool { return inside(path, s) })
}

// flatten returns every value of c as JSON by its path.
func flatten(c *Config) map[string]string {
	data, err := json.Marshal(c)
	if err != nil {
		panic("config: a Config cannot be written as JSON: " + err.Error()) // every field type can
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		panic("config: own JSON cannot be read: " + err.Error())
	}
	out := make(map[string]string)
	flattenValue(out, "", v)
	return out
}

func flattenValue(out map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			flattenValue(out, join(path, k), e)
		}
	case []any:
		for i, e := range v {
			flattenValue(out, fmt.Sprintf("%s[%d]", path, i), e)
		}
	case string:
		out[path] = v
	default:
		out[path] = fmt.Sprint(v)
	}
}

const masked = "(not shown)"

// mask hides values that may be secrets.
func mask(path, value string) string {
	sink, channel := strings.HasPrefix(path, "sinks["), strings.HasPrefix(path, "alerts.channels[")
	switch {
	case path == "store" || path == "redis":
		return maskURL(value)
	case (sink || channel) && strings.HasSuffix(path, ".url"):
		return maskPath(value)
	case sink && strings.Contains(path, ".brokers["):
		return maskUser(value)
	}
	secret := strings.Contains(path, ".headers.") || strings.HasPrefix(path, "telemetry.otlp_headers.")
	if secret && value != "" && !isRef(value) {
		return masked
	}
	return value
}

// maskURL hides the passwords of a URL.
func maskURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return masked
	}
	_, secret := u.User.Password()
	if secret {
		u.User = url.UserPassword(u.User.Username(), maskedPassword)
	}
	q := u.Query()
	for name := range q {
		if strings.Contains(strings.ToLower(name), "password") {
			q.Set(name, maskedPassword)
			u.RawQuery, secret = q.Encode(), true
		}
	}
	if !secret {
		return s
	}
	return u.String()
}

// maskPath hides what follows the host of a URL, which lets in who knows it.
func maskPath(s string) string {
	if s == "" || isRef(s) {
		return s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" { // a NATS server may be named without nats://
		return masked
	}
	if u.Path == "" && u.RawQuery == "" && u.Fragment == "" && u.User == nil {
		return s
	}
	return u.Scheme + "://" + u.Host + "/" + maskedPassword
}

// maskUser hides what stands before a host and its port, where nothing should.
func maskUser(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return maskedPassword + s[i:]
	}
	return s
}

const maskedPassword = "xxxxx"

// Masked returns a copy of c in which what may be a secret is hidden.
func Masked(c *Config) *Config {
	out := *c
	out.Store, out.Redis = maskURL(c.Store), maskURL(c.Redis)
	out.Sinks = slices.Clone(c.Sinks)
	for i := range out.Sinks {
		s := &out.Sinks[i]
		s.URL, s.Headers, s.Brokers = maskPath(s.URL), maskHeaders(s.Headers), slices.Clone(s.Brokers)
		for j, b := range s.Brokers {
			s.Brokers[j] = maskUser(b)
		}
	}
	out.Alerts.Channels = slices.Clone(c.Alerts.Channels)
	for i := range out.Alerts.Channels {
		ch := &out.Alerts.Channels[i]
		ch.URL, ch.Headers = maskPath(ch.URL), maskHeaders(ch.Headers)
	}
	out.Providers = slices.Clone(c.Providers)
	for i := range out.Providers {
		p := &out.Providers[i]
		p.Headers = maskHeaders(p.Headers)
	}
	out.Telemetry.OTLPHeaders = maskHeaders(c.Telemetry.OTLPHeaders)
	return &out
}

func maskHeaders(h map[string]string) map[string]string {
	out := maps.Clone(h)
	for k, v := range out {
		if !isRef(v) {
			out[k] = masked
		}
	}
	return out
}

// Show writes the configuration as YAML that Parse reads, with literal header
// values and passwords masked.
func Show(c *Config) ([]byte, error) {
	data, err := json.Marshal(Masked(c))
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(data)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
