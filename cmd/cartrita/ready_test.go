package main

import (
	"strings"
	"testing"
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
