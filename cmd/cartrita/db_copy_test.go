package main

import (
	"strings"
	"testing"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/storetest"
)

func TestDBCopyBringsSQLiteToPostgres(t *testing.T) {
	to := postgresBench(t)
	b := sqliteBench(t)
	b.environ = to.environ
	b.fill(b.open(), 300)
	// A part is there already, as after a copy that was cut off.
	if _, err := to.open().Ingest(t.Context(), event.Batch{Calls: []event.Call{storetest.Sample(0), storetest.Sample(1)}}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Target   string
		Same     bool
		Contents []copiedContents
	}
	for range 2 {
		b.json(&got, "db", "copy", "--to", "env:DATABASE_URL")
		want := map[string]int64{"model versions": 2, "keys": 1, "budgets": 1, "audit entries": 4, "calls": 300}
		for _, c := range got.Contents {
			if c.Source.Count != want[c.What] || c.Target != c.Source || !c.Same || len(c.Source.Checksum) != 16 {
				t.Errorf("%+v", c)
			}
		}
		if !got.Same || len(got.Contents) != 12 {
			t.Errorf("%+v", got)
		}
	}
	if out := to.ok("db", "verify"); !strings.HasPrefix(out, "ok ") || !strings.Contains(out, "300 calls") {
		t.Errorf("the copy's sums:\n%s", out)
	}

	// Its vector is kept for longer than that of the source.
	target := to.open()
	c := storetest.Sample(0)
	if err := target.(event.PromptStore).SavePrompts(t.Context(), []event.Prompt{{Call: c.ID, At: c.Ended, Embedder: "e", Vector: []float32{1}}}); err != nil {
		t.Fatal(err)
	}
	r := b.run("db", "copy", "--to", "env:DATABASE_URL")
	if r.code != exitFailure || !strings.Contains(r.out, "vectors of prompts\t0\t1\t") || !strings.Contains(r.out, "\tDIFFERENT\n") || !strings.Contains(r.err, "differ") {
		t.Errorf("a target with a vector more: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if _, err := target.Ingest(t.Context(), event.Batch{Calls: []event.Call{storetest.Sample(300)}}); err != nil {
		t.Fatal(err)
	}
	r = b.run("db", "copy", "--to", "env:DATABASE_URL")
	if r.code != exitInvalid || r.out != "" || !strings.Contains(r.err, "the target has calls of its own") || !strings.Contains(r.err, "Nothing was written; copy into an empty database") {
		t.Errorf("a target with a call more: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if r := to.run("db", "copy", "--to", "env:DATABASE_URL"); r.code != exitInvalid || !strings.Contains(r.err, "copy reads a SQLite database") {
		t.Errorf("onto itself: exit code %d\n%s", r.code, r.err)
	}
}

func TestDBCopyRefusesATargetThatIsNone(t *testing.T) {
	b := sqliteBench(t)
	b.ok("db", "migrate")
	for to, want := range map[string]struct {
		code int
		text string
	}{
		"sqlite":                 {exitInvalid, "--to"},
		"mysql://ada:s3cret@h/d": {exitInvalid, "--to"},
		"postgres://ada:s3cret@h:port/d?sslmode=perhaps": {exitInvalid, "cartrita: --to: the URL is not understood"},
		"env:NOT_SET": {exitInvalid, "the environment variable NOT_SET is not set"},
		"postgres://ada:s3cret@127.0.0.1:1/calls": {exitUnavailable, "cannot be used"},
	} {
		if r := b.run("db", "copy", "--to", to); r.code != want.code || !strings.Contains(r.err, want.text) || strings.Contains(r.err, "s3cret") {
			t.Errorf("%s: exit code %d\n%s", to, r.code, r.err)
		}
	}
}

// A database of another version is not brought up to date by a copy: gateways
// of that version may run on it.
func TestDBCopyLeavesATargetOfAnotherVersionAlone(t *testing.T) {
	to := postgresBench(t)
	to.ok("db", "migrate")
	to.exec(`DELETE FROM cartrita_schema WHERE number = (SELECT max(number) FROM cartrita_schema)`)
	b := sqliteBench(t)
	b.environ = to.environ
	b.ok("db", "migrate")
	if r := b.run("db", "copy", "--to", "env:DATABASE_URL"); r.code != exitInvalid || !strings.Contains(r.err, "cartrita db migrate brings it up to date") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
}
