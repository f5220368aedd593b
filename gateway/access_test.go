package gateway

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/key"
)

func TestHostOf(t *testing.T) {
	for header, want := range map[string]string{
		"localhost": "localhost", "localhost:8080": "localhost", "LOCALHOST:1": "LOCALHOST", "127.0.0.1:80": "127.0.0.1",
		"[::1]": "::1", "[::1]:8080": "::1", "a.b-c_d": "a.b-c_d",
		"": "", ":80": "", "a:": "", "a:b": "", "a:123456": "", "a b": "", "a/b": "", "::1": "", "[::1": "", "[::1]x": "",
		"[127.0.0.1]": "", "a@b": "", "localhost\x00": "", "a:80:90": "", "[localhost]": "",
	} {
		if got, ok := hostOf(header); ok != (want != "") || ok && got != want {
			t.Errorf("hostOf(%q) = %q, %v", header, got, ok)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.8.9.1": true, "::1": true, "::ffff:127.0.0.1": true,
		"localhost.evil.com": false, "127.0.0.1.evil.com": false, "0.0.0.0": false, "10.0.0.1": false, "::": false, "2130706433": false, "0x7f.1": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("isLoopback(%q) = %v", host, got)
		}
	}
}

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer abc": "abc", "BEARER   abc": "abc",
		"Bearer": "", "Bearer ": "", "Basic abc": "", "Bearerabc": "", "Bearer a b": "", "Bearer a\tb": "", "Bearer \u00e9": "", "": "", "Bearer abc ": "",
	} {
		if got, ok := bearer(header); got != want && ok || ok != (want != "") {
			t.Errorf("bearer(%q) = %q, %v", header, got, ok)
		}
	}
}

func TestWithoutKeysOnlyLoopbackNamesAreServed(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.AllowedHosts = []string{"box.local"} })
	for _, c := range []struct {
		host, origin string
		status       int
	}{
		{"localhost:1234", "", 200}, {"[::1]", "", 200}, {"box.local:80", "", 200}, {"BOX.local", "http://box.local", 200},
		{"localhost", "http://localhost:3000", 200},
		{"evil.com", "", 403}, {"127.0.0.1.evil.com", "", 403}, {"localhost", "https://evil.com", 403}, {"localhost", "null", 403},
		{"localhost", "http://localhost.evil.com", 403}, {"169.254.169.254", "", 403},
	} {
		header := []string{"Host", c.host}
		if c.origin != "" {
			header = append(header, "Origin", c.origin)
		}
		resp := w.do("POST", "/v1/chat/completions", chatBody, header...)
		if text(t, resp); resp.StatusCode != c.status {
			t.Errorf("Host %q, Origin %q: %d, want %d", c.host, c.origin, resp.StatusCode, c.status)
		}
	}
	resp := w.do("GET", "/healthz", "", "Host", "10.0.0.7")
	if text(t, resp); resp.StatusCode != http.StatusOK {
		t.Errorf("/healthz from a probe: %d", resp.StatusCode)
	}
}

const testKey = "sk-0123456789abcdef"

func TestWithKeysOneOfThemIsWanted(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.APIKeys = []APIKey{{Name: "other", Secret: "sk-fedcba9876543210", Role: key.RoleAdmin}, {Name: "team-a", Secret: testKey, Role: key.RoleAdmin}}
	})
	for _, c := range []struct {
		header []string
		status int
	}{
		{nil, 401},
		{[]string{"Authorization", "Bearer " + testKey}, 200},
		{[]string{"Authorization", "bearer " + testKey, "Host", "gateway.example.com", "Origin", "https://app.example.com"}, 200},
		{[]string{"Authorization", "Bearer " + testKey + "x"}, 401},
		{[]string{"Authorization", "Basic " + testKey}, 401},
		{[]string{"Authorization", "Bearer " + testKey, "Authorization", "Bearer x"}, 401},
		{[]string{"Authorization", "Bearer ' OR 1=1 --"}, 401},
	} {
		for _, path := range []string{"/v1/models", "/metrics", "/api/v1/version", "/"} {
			resp := w.do("GET", path, "", c.header...)
			body := text(t, resp)
			if resp.StatusCode != c.status {
				t.Errorf("%s with %q: %d, want %d", path, c.header, resp.StatusCode, c.status)
			}
			if c.status == 401 && (resp.Header.Get("Www-Authenticate") != "Bearer" || !strings.Contains(body, `"code":"invalid_api_key"`)) {
				t.Errorf("%s with %q: %s", path, c.header, body)
			}
		}
	}
	if resp := w.do("GET", "/healthz", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %d", resp.StatusCode)
	}
}

func TestKeysAreReplacedAtOnce(t *testing.T) {
	w := newWorld(t)
	status := func(key string) int {
		resp := w.do("GET", "/api/v1/version", "", "Authorization", "Bearer "+key)
		text(t, resp)
		return resp.StatusCode
	}
	if got := status("anything"); got != 200 {
		t.Errorf("without keys: %d", got)
	}
	if err := w.SetAPIKeys([]APIKey{{Name: "a", Secret: testKey, Role: key.RoleAdmin}}); err != nil {
		t.Fatal(err)
	}
	if a, b := status("anything"), status(testKey); a != 401 || b != 200 {
		t.Errorf("with a key: %d and %d", a, b)
	}
	if err := w.SetAPIKeys([]APIKey{{Name: "a", Secret: "short"}}); err == nil || status(testKey) != 200 {
		t.Errorf("a short key: %v; the former key must stay", err)
	}
}

// FuzzAuthorization checks that nothing but the very keys open the gate: a
// static key, a virtual one and the local token; and none beside a second header.
func FuzzAuthorization(f *testing.F) {
	ring, err := newKeyring([]APIKey{{Name: "a", Secret: testKey, Role: key.RoleAdmin}})
	if err != nil {
		f.Fatal(err)
	}
	kw := newKeyWorld(f)
	id, token := kw.make(f, key.Fields{Name: ptr("app")})
	_, revoked := kw.make(f, key.Fields{Name: ptr("gone")})
	for _, k := range kw.ring.List() {
		if k.Name == "gone" {
			if _, err := kw.ring.Revoke(f.Context(), k.ID, "test"); err != nil {
				f.Fatal(err)
			}
		}
	}
	for _, s := range []string{
		"Bearer " + testKey, "bearer  " + testKey, "Bearer", "Basic x", "Bearer \x00", "", "Bearer " + token, "BEARER   " + token,
		"Bearer " + token + " ", "Bearer " + token[:len(token)-1], "Bearer " + token + "," + token, "Bearer " + revoked, token,
		"Bearer ' OR '1'='1' --", "Bearer sk-cartrita-" + string(id) + "-", "Bearer sk-cartrita-\u00e9\u202e", "Bearer " + localTestToken,
		"Bearer " + strings.Repeat("A", 1<<16), "Bearer sk-cartrita-' UNION SELECT key FROM api_keys--", "bearer\t" + token,
	} {
		f.Add(s, false)
	}
	f.Add("Bearer "+token, true)
	g := &Gateway{cfg: Config{Keys: kw.ring, LocalToken: localTestToken}, local: sha256.Sum256([]byte(localTestToken))}
	g.keys.Store(&ring)
	f.Fuzz(func(t *testing.T, header string, twice bool) {
		r := &http.Request{Header: http.Header{"Authorization": {header}}, Host: "localhost"}
		if twice {
			r.Header.Add("Authorization", header)
		}
		who, _, err := g.authorize(r)
		scheme, rest, _ := strings.Cut(header, " ")
		sent := strings.TrimLeft(rest, " ")
		right := !twice && strings.EqualFold(scheme, "bearer") && (sent == testKey || sent == token || sent == localTestToken)
		if (err == nil) != right || (who != nil) != right {
			t.Errorf("%q, twice %v: %v, %v", header, twice, who, err)
		}
		if right && sent == token && (who.Caller.Key != id || who.Role != key.RoleCaller) {
			t.Errorf("the virtual key stands for %+v", who)
		}
	})
}

// FuzzHost checks that an accepted Host can only be a loopback name.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"localhost", "127.0.0.1:80", "[::1]:1", "evil.com", "localhost:80@evil.com", "127.0.0.1#.evil.com", "[::1%25lo]"} {
		f.Add(s, s)
	}
	g := &Gateway{}
	g.keys.Store(&keyring{})
	f.Fuzz(func(t *testing.T, host, origin string) {
		r := &http.Request{Header: http.Header{"Origin": {origin}}, Host: host}
		if _, _, err := g.authorize(r); err != nil {
			return
		}
		name, _ := hostOf(host)
		if !isLoopback(name) || strings.ContainsAny(host, "@/#?%\\ ") {
			t.Errorf("host %q is accepted", host)
		}
	})
}
