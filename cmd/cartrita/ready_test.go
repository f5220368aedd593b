package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/gateway"
)

func TestReadySaysWhetherCallsAreServed(t *testing.T) {
	b := newBench(t, "")
	if r := b.run("ready"); r.code != exitUnavailable || !strings.Contains(r.err, "no gateway is running") {
		t.Errorf("without a gateway: exit code %d: %s", r.code, r.err)
	}
	b.serve()
	if r := b.run("ready"); r.code != exitUnavailable || !strings.Contains(r.err, "endpoint") {
		t.Errorf("without endpoints: exit code %d: %s", r.code, r.err)
	}

	b = newBench(t, "")
	b.serve("--demo")
	if r := b.run("ready"); r.code != exitOK || !strings.HasPrefix(r.out, "ready http://127.0.0.1:") {
		t.Errorf("with demo models: exit code %d: %s%s", r.code, r.out, r.err)
	}
}

// A gateway that waits for its database has left no word of where it listens; what
// is meant for that database goes to no other.
func TestCommandsBesideAGatewayThatWaitsForItsDatabase(t *testing.T) {
	waiting := httptest.NewServer(gateway.Starting())
	defer waiting.Close()
	b := newBench(t, "")
	b.write(b.config, "listen: "+strings.TrimPrefix(waiting.URL, "http://")+"\nstore: postgres://ada@127.0.0.1:1/calls\n")
	if r := b.run("ready"); r.code != exitUnavailable || !strings.Contains(r.err, "its log says what it waits for") {
		t.Errorf("ready: exit code %d: %s%s", r.code, r.out, r.err)
	}
	if r := b.run("keys", "create", "me"); r.code != exitUnavailable || !strings.Contains(r.err, "cannot be used") {
		t.Errorf("keys create: exit code %d: %s%s", r.code, r.out, r.err)
	}
	if _, err := os.Stat(filepath.Join(b.data, "cartrita.db")); !os.IsNotExist(err) {
		t.Errorf("there is a SQLite file: %v", err)
	}
}
