package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/mock"
)

func TestExplainFailure(t *testing.T) {
	b := newBench(t, mockSection(t, mock.Profile{Name: "broken", ErrorRate: 1, ErrorStatus: 400}))
	if r := b.run("chat", "hello"); r.code == exitOK {
		t.Fatalf("the call did not fail: %s", r.out)
	}
	out := b.ok("explain", "last")
	for _, want := range []string{"failed", "error", "invalid_request: ", "tried last", "box/broken"} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	for _, not := range []string{", first token", "$0\n", "$0 ", "$0\t", "answered by"} {
		if strings.Contains(out, not) {
			t.Errorf("holds %q:\n%s", not, out)
		}
	}
}

func TestExplainRefusal(t *testing.T) {
	b := newBench(t, mockSection(t)+"router: {default_strategy: strict, strategies: {strict: {weights: {cost: 1}, limits: {required_tags: [nowhere]}}}}\n")
	if r := b.run("chat", "hello"); r.code != exitNoCandidate {
		t.Fatalf("exit code %d: %s", r.code, r.err)
	}
	out := b.ok("explain", "last")
	if !strings.Contains(out, "no_candidate: ") || strings.Contains(out, ", first token") || strings.Contains(out, "cost    ") {
		t.Errorf("a call that nobody was asked:\n%s", out)
	}
}

func TestExplainUnpriced(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"choices":[{"message":{"role":"assistant","content":"hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`))
	}))
	t.Cleanup(up.Close)
	b := newBench(t, fmt.Sprintf("providers: [{name: box, base_url: %s, endpoints: [{model: box/m, upstream: m, describe: {context_length: 4096}}]}]\n", up.URL))
	b.ok("chat", "--no-stream", "hello")
	out := b.ok("explain", "last")
	if strings.Contains(out, "$0") || !strings.Contains(out, "cost         unknown\n") {
		t.Errorf("a cost that nobody knows:\n%s", out)
	}
}

// A decision that no call followed is not the last call.
func TestExplainLastIsACall(t *testing.T) {
	b := newBench(t, mockSection(t))
	b.ok("select", "hello")
	if r := b.run("explain", "last"); r.code != exitNotFound || !strings.Contains(r.err, "no call") {
		t.Errorf("only a decision: exit code %d: %s%s", r.code, r.out, r.err)
	}
	b.ok("chat", "hello")
	b.ok("select", "hello")
	if out := b.ok("explain", "last"); !strings.Contains(out, "completed") {
		t.Errorf("after a call and a decision:\n%s", out)
	}
}
