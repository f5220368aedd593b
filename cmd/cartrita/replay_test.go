package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cartrita/cartrita"
)

// Decisions that no call followed are no calls.
func TestReplayNamesDryRunsApart(t *testing.T) {
	b := newBench(t, "")
	b.serve("--demo")
	b.ok("select", "hello")
	b.ok("chat", "hello")
	if r := b.run("replay"); r.code != exitOK || !strings.HasPrefix(r.out, "1 call and 1 decision without a call decided again, 2 identical\n") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
	var report cartrita.ReplayReport
	b.json(&report, "replay")
	if report.Calls != 2 || report.Decisions != 1 {
		t.Errorf("%+v", report)
	}
	// A store without any has nothing to say of them.
	if out := b.ok("replay", "--since", "0s"); !strings.HasPrefix(out, "0 calls decided again") {
		t.Errorf("of no time:\n%s", out)
	}
}

// One is not many.
func TestReplayCounts(t *testing.T) {
	for n, want := range map[int64][]string{
		1: {"1 call holds nothing", "1 call cannot be read and is left out", "1 call is not in the costs", "of 1 call only"},
		2: {"2 calls hold nothing", "2 calls cannot be read and are left out", "2 calls are not in the costs", "of 2 calls only"},
	} {
		var out, errs bytes.Buffer
		r := &cartrita.ReplayReport{Untraced: n, Partial: n, Total: &cartrita.Comparison{Calls: n}}
		r.Damaged.Count = n
		(&printer{out: &out, err: &errs}).replay(r, "model")
		for _, w := range want {
			if !strings.Contains(errs.String(), w) {
				t.Errorf("%q is not said:\n%s", w, errs.String())
			}
		}
	}
}
