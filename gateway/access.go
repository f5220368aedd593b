package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// APIKey is one static key that callers may present.
type APIKey struct {
	Name   string       // who it belongs to; recorded as the user of calls that name none
	Secret string       // as sent in "Authorization: Bearer <secret>"; at least 16 bytes
	Role   key.Role     // what its holder may do
	Caller model.Caller // on whose account its calls are
}

// MinKeyBytes is the least length of an API key's secret.
const MinKeyBytes = 16

// keyring holds digests only, so that a memory dump shows no key. Immutable.
type keyring []keyDigest

type keyDigest struct {
	who    *key.Identity
	digest [sha256.Size]byte
}

func newKeyring(keys []APIKey) (keyring, error) {
	ring := make(keyring, 0, len(keys))
	for _, k := range keys {
		if len(k.Secret) < MinKeyBytes {
			return nil, model.Invalidf("gateway.New", "api_keys", "the key %q has %d bytes; want at least %d", k.Name, len(k.Secret), MinKeyBytes)
		}
		who := &key.Identity{Name: k.Name, Role: k.Role, Caller: k.Caller}
		ring = append(ring, keyDigest{who, sha256.Sum256([]byte(k.Secret))})
	}
	return ring, nil
}

// find compares the token with every key, so that the time taken says nothing
// about which one was nearly right.
func (r keyring) find(token string) (who *key.Identity) {
	digest := sha256.Sum256([]byte(token))
	for i := range r {
		if subtle.ConstantTimeCompare(digest[:], r[i].digest[:]) == 1 {
			who = r[i].who
		}
	}
	return who
}

// bearer reads the token of an Authorization header: the scheme in any case,
// one or more spaces, one token without spaces or control characters.
func bearer(header string) (token string, ok bool) {
	const scheme = "bearer"
	if len(header) <= len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) || header[len(scheme)] != ' ' {
		return "", false
	}
	token = strings.TrimLeft(header[len(scheme):], " ")
	for i := range len(token) {
		if token[i] <= ' ' || token[i] >= 0x7f {
			return "", false
		}
	}
	return token, token != ""
}

// authorize decides whether r may be served, and says who it comes from. Once
// there are keys it wants one of them. Without, it serves callers on this
// machine only, and since a web page in a local browser can send requests here
// too, it wants a loopback Host (against DNS rebinding) and, where the browser
// names an Origin, a loopback one (against forged cross-site posts).
func (g *Gateway) authorize(r *http.Request) (who *key.Identity, refused string, err *model.Error) {
	token, given := "", false
	if values := r.Header["Authorization"]; len(values) == 1 {
		token, given = bearer(values[0])
	}
	if given && g.isLocalToken(token) {
		return local, "", nil
	}
	if !g.wantsKeys() {
		refused, err = g.checkLocal(r)
		return anybody, refused, err
	}
	if !given {
		return nil, "unauthenticated", errNoKey
	}
	if who, err = g.callerOf(token); err != nil {
		return nil, "unauthenticated", err
	}
	return who, "", nil
}

// callerOf finds whose token it is: a virtual key's, or a static one's.
func (g *Gateway) callerOf(token string) (*key.Identity, *model.Error) {
	if g.cfg.Keys != nil {
		if who, err := g.cfg.Keys.Find(token); who != nil || err != nil {
			return who, err
		}
	}
	if who := g.keys.Load().find(token); who != nil {
		return who, nil
	}
	return nil, errWrongKey
}

// wantsKeys reports whether a request needs a key. That virtual keys expire or
// are revoked does not open the gateway again.
func (g *Gateway) wantsKeys() bool {
	return g.cfg.RequireKeys || len(*g.keys.Load()) > 0 || g.cfg.Keys != nil && g.cfg.Keys.Any()
}

// isLocalToken compares digests, as everywhere.
func (g *Gateway) isLocalToken(token string) bool {
	if g.cfg.LocalToken == "" || len(token) != len(g.cfg.LocalToken) {
		return false
	}
	digest := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(digest[:], g.local[:]) == 1
}

var (
	errNoKey = model.Errorf("gateway.authorize", model.KindUnauthenticated,
		"no API key was given; want one header Authorization: Bearer <key>")
	errWrongKey = model.Errorf("gateway.authorize", model.KindUnauthenticated, "the API key is not known here")
)

func (g *Gateway) checkLocal(r *http.Request) (refused string, err *model.Error) {
	if !g.allowedHost(r.Host) {
		return "host", model.Errorf("gateway.authorize", model.KindForbidden,
			"the Host %.100q is not allowed: without API keys only loopback names are served; configure api_keys or allowed_hosts", r.Host)
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, perr := url.Parse(origin)
		if perr != nil || u.Host == "" || !g.allowedHost(u.Host) {
			return "origin", model.Errorf("gateway.authorize", model.KindForbidden,
				"the Origin %.100q is not allowed: without API keys only pages of loopback names are served; configure api_keys or allowed_hosts", origin)
		}
	}
	return "", nil
}

// allowedHost reports whether a Host header names this machine or a name that
// the configuration allows.
func (g *Gateway) allowedHost(header string) bool {
	host, ok := hostOf(header)
	if !ok {
		return false
	}
	if isLoopback(host) {
		return true
	}
	for _, h := range g.cfg.AllowedHosts {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	return false
}

// hostOf splits a Host header into the host without port and brackets. It
// accepts "name", "name:port", "1.2.3.4:port", "[v6]" and "[v6]:port".
func hostOf(header string) (host string, ok bool) {
	rest := ""
	if strings.HasPrefix(header, "[") {
		host, rest, ok = strings.Cut(header[1:], "]")
		if addr, err := netip.ParseAddr(host); !ok || err != nil || !addr.Is6() {
			return "", false
		}
	} else {
		host = header
		if i := strings.IndexByte(header, ':'); i >= 0 {
			host, rest = header[:i], header[i:]
		}
		if !isHostName(host) {
			return "", false
		}
	}
	return host, rest == "" || isPort(rest)
}

func isHostName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '.' && c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return s != "" && len(s) <= 253
}

// isPort reads ":8080".
func isPort(s string) bool {
	if len(s) < 2 || len(s) > 6 || s[0] != ':' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == "" && addr.Unmap().IsLoopback()
}
