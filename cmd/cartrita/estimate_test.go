package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cartrita/cartrita"
)

// batchFile writes n good requests with a bad one after every hundred.
func batchFile(t *testing.T, n int) (path string, bad int) {
	t.Helper()
	var b strings.Builder
	for i := range n {
		if i%100 == 99 {
			bad++
			b.WriteString(`{"custom_id":"bad","body":{"messages":[{"content":"no role"}]}}` + "\n\n")
		}
		fmt.Fprintf(&b, `{"custom_id":"r%d","method":"POST","url":"/v1/chat/completions","body":{"model":"auto","max_tokens":200,"messages":[{"role":"user","content":"Summarize case %d in a sentence, please."}]}}`+"\n", i, i)
	}
	path = filepath.Join(t.TempDir(), "requests.jsonl")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, bad
}

func TestEstimateBatchAddsUpAFileInParts(t *testing.T) {
	b := newBench(t, mockSection(t))
	path, bad := batchFile(t, 1234)
	r := b.run("estimate", "batch", path, "--json")
	if r.code != exitInvalid {
		t.Fatalf("exit code %d with bad lines in the file: %s", r.code, r.err)
	}
	report, err := decode[cartrita.BatchReport]([]byte(r.out))
	if err != nil || report.Calls != 1234+bad || report.Total == nil || report.Total.Calls != 1234 || len(report.Errors) != bad {
		t.Fatalf("%v: %d calls, total %+v, %d errors, want 1234 and %d", err, report.Calls, report.Total, len(report.Errors), bad)
	}
	for i, e := range report.Errors { // the number of the line in the whole file
		if want := (i+1)*100 + 2*i; e.Line != want || e.ID != "bad" || e.Field != "body.messages[0].role" {
			t.Fatalf("error %+v, want line %d", e, want)
		}
	}
	if s := report.Total; s.Expected <= 0 || s.Low >= s.Expected || s.High <= s.Expected {
		t.Errorf("total %+v", s)
	}
}

func TestEstimateBatchComparesModels(t *testing.T) {
	b := newBench(t, mockSection(t))
	path, _ := batchFile(t, 20)
	out := b.ok("estimate", "batch", path, "-m", "box/atlas-large,box/pebble-nano", "--level", "0.8")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[1], "box/pebble-nano\t20\t$") || !strings.HasPrefix(lines[2], "box/atlas-large\t20\t$") {
		t.Errorf("want the cheaper model first:\n%s", out)
	}
	if r := b.run("estimate", "batch", filepath.Join(t.TempDir(), "none")); r.code != exitNotFound {
		t.Errorf("no such file: exit code %d: %s", r.code, r.err)
	}
}

func TestEstimateCalibrationShowsSettledCalls(t *testing.T) {
	b := newBench(t, mockSection(t))
	if r := b.run("estimate", "calibration"); r.code != exitOK || !strings.Contains(r.err, "no calls were settled") {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	for range 3 {
		b.ok("chat", "-m", "box/pebble-nano", "hello")
	}
	out := b.ok("estimate", "calibration")
	if !strings.Contains(out, "pebble-nano\tchat-completions\t3\t") || !strings.Contains(out, "fewer than 50 calls") {
		t.Errorf("calibration:\n%s", out)
	}
}

func TestEstimateKeepsItsPlainForm(t *testing.T) {
	b := newBench(t, mockSection(t))
	wide := b.ok("estimate", "-m", "box/atlas-large", "--level", "0.99", "hello there")
	narrow := b.ok("estimate", "-m", "box/atlas-large", "--level=0.5", "hello there")
	first := func(out string) []string { // behind the header
		_, rows, _ := strings.Cut(out, "\n")
		return strings.Split(rows, "\t")
	}
	w, n := first(wide), first(narrow)
	if len(w) < 8 || len(n) < 8 || w[1] != n[1] || w[3] == n[3] {
		t.Errorf("at 99 %%: %q, at 50 %%: %q; want the same expectation and another interval", wide, narrow)
	}
}
