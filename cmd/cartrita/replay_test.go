package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cartrita/cartrita"
)

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
