package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// other is a gateway on another data directory, at the address that b's
// configuration names.
func (b *bench) other(t *testing.T) (*bench, *running) {
	t.Helper()
	o := newBench(t, "")
	r := o.serve("--demo")
	b.write(b.config, "listen: "+strings.TrimPrefix(r.url, "http://")+"\ndiscovery: {env: false, ollama: false}\n")
	return o, r
}

// A command with --data is answered from that directory, whoever listens at
// the configured address.
func TestDataIsNotAnsweredByAnotherGateway(t *testing.T) {
	b := newBench(t, "")
	b.other(t)
	b.ok("models", "add", b.file("small.yaml", ownRecord))
	if !fileExists(filepath.Join(b.data, "cartrita.db")) {
		t.Error("the record went to the gateway of another directory")
	}
	if out := b.ok("models", "list", "--served"); strings.Contains(out, "demo/") {
		t.Errorf("another gateway answered:\n%s", out)
	}
}

// A file that a killed gateway left behind is not believed, even when another
// gateway has its address by now.
func TestStaleServerFileIsIgnored(t *testing.T) {
	b := newBench(t, "")
	_, r := b.other(t)
	for _, instance := range []string{"", "0190-of-another-run"} {
		info, err := json.Marshal(serverInfo{URL: r.url, PID: os.Getpid(), Instance: instance})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(b.data, 0o700); err != nil {
			t.Fatal(err)
		}
		b.write(filepath.Join(b.data, serverFile), string(info))
		if out := b.ok("models", "list", "--served"); strings.Contains(out, "demo/") {
			t.Errorf("instance %q: another gateway answered:\n%s", instance, out)
		}
	}
}

// Without --data and without a gateway on the directory, the configured
// address counts.
func TestConfiguredAddressIsAsked(t *testing.T) {
	b := newBench(t, "")
	_, r := b.other(t)
	b.write(b.config, "data: "+b.data+"\nlisten: "+strings.TrimPrefix(r.url, "http://")+"\n")
	var out, errOut strings.Builder
	a := &app{ctx: t.Context(), in: strings.NewReader(""), out: &out, err: &errOut}
	if code := a.run([]string{"models", "list", "--served", "--config", b.config}); code != exitOK || !strings.Contains(out.String(), "demo/") {
		t.Errorf("exit code %d: %s%s", code, out.String(), errOut.String())
	}
}

// Who may not read anything still learns which gateway answers.
func TestInstanceIsToldWithoutAKey(t *testing.T) {
	h := namedInstance("abc", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	c := &client{base: "http://localhost", http: &http.Client{Transport: handlerTransport{h}}}
	if !c.isInstance(t.Context(), "abc") || c.isInstance(t.Context(), "abd") || c.isInstance(t.Context(), "") {
		t.Error("the gateway is known by its instance and by nothing else")
	}
}
