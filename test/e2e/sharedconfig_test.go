package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// command runs a command of the binary against a gateway.
func (p *process) command(stdin string, args ...string) (out string, err error) {
	p.t.Helper()
	c := exec.CommandContext(p.t.Context(), binary, append(args, "--server", p.url)...)
	c.Env, c.Stdin = cleanEnv(), strings.NewReader(stdin)
	both, err := c.CombinedOutput()
	return string(both), err
}

// post sends a JSON document and returns the status and what was answered.
func (p *process) post(path string, in, into any) int {
	p.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.Post(p.url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		p.t.Fatalf("POST %s: %v", path, err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		p.t.Fatalf("POST %s: %s %v", path, resp.Status, err)
	}
	return resp.StatusCode
}

// TestASharedConfigurationReachesEveryGateway changes what two gateways on one
// database route by, over one of them, and starts a third that has no endpoint
// in its own file.
func TestASharedConfigurationReachesEveryGateway(t *testing.T) {
	database := testserver.Database(t)
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 3, TokensPerSecond: 2000})
	own := writeFile(t, "own.yaml", "store: "+database+"\n")
	document := fmt.Sprintf(soundConfig, lab)
	first, second := launch(t, t.TempDir(), "--config", own), launch(t, t.TempDir(), "--config", own)

	if r := second.chat("hello", false); r.whole {
		t.Fatal("a gateway without endpoints answers")
	}
	if out, err := first.command(document, "config", "push", "--dry-run", "-"); err != nil || !strings.Contains(out, "nothing was saved") {
		t.Fatalf("dry run: %v: %s", err, out)
	}
	if out, err := first.command(document, "config", "push", "-"); err != nil || !strings.Contains(out, "saved version 1") {
		t.Fatalf("push: %v: %s", err, out)
	}
	if r := first.chat("hello", false); !r.whole {
		t.Errorf("where it was pushed: %s", r.reason)
	}
	waitFor(t, 2*time.Second, "the other gateway routes by it", func() bool { return second.chat("hello", false).whole })

	// A document with a mistake changes nothing anywhere.
	for bad, want := range map[string]string{
		document + "\nrouter: {default_strategy: none-such}\n": "router.default_strategy",
		"listen: 127.0.0.1:1\n":                                "document:1:1: listen: is read when a gateway starts",
	} {
		if out, err := second.command(bad, "config", "push", "-"); err == nil || !strings.Contains(out, want) {
			t.Errorf("a mistake: %v: %s", err, out)
		}
	}
	if out, err := second.command("{}", "config", "push", "--after", "0", "-"); err == nil || !strings.Contains(out, "the latest version is 1, not 0") {
		t.Errorf("a push after another version: %v: %s", err, out)
	}
	if out, err := second.command("", "config", "pull"); err != nil || out != document {
		t.Errorf("pull: %v:\n%s\nwant\n%s", err, out, document)
	}

	// Who starts later takes it up; who is told of an empty one lets go.
	third := start(t, t.TempDir(), "--config", own)
	if r := third.chat("hello", false); !r.whole {
		t.Errorf("a gateway that started later: %s", r.reason)
	}
	if out, err := third.command("{}", "config", "push", "--after", "1", "-"); err != nil {
		t.Fatalf("push: %v: %s", err, out)
	}
	for _, p := range []*process{first, second, third} {
		waitFor(t, 2*time.Second, "the endpoints are gone", func() bool { return !p.chat("hello", false).whole })
	}
	if out, err := first.command("", "config", "versions"); err != nil || len(strings.Fields(out)) < 4 || !strings.Contains(out, "\n2\t") {
		t.Errorf("versions: %v: %s", err, out)
	}
	var seen struct {
		Events []struct {
			Kind string `json:"kind"`
		} `json:"events"`
	}
	if first.get("/api/v1/events?kind=config.changed", &seen); len(seen.Events) != 2 {
		t.Errorf("%d events tell of a change, want 2", len(seen.Events))
	}
}

// TestOfTwoPushesAtOnceOneWins sends two documents that follow the same version
// to two gateways.
func TestOfTwoPushesAtOnceOneWins(t *testing.T) {
	own := writeFile(t, "own.yaml", "store: "+testserver.Database(t)+"\n")
	gateways := []*process{launch(t, t.TempDir(), "--config", own), launch(t, t.TempDir(), "--config", own)}
	status := make(chan int, 2)
	for i, p := range gateways {
		go func() {
			var answer json.RawMessage
			status <- p.post("/api/v1/config", map[string]any{"document": fmt.Sprintf("router: {max_attempts: %d}\n", i+5), "after": 0}, &answer)
		}()
	}
	if a, b := <-status, <-status; a+b != http.StatusOK+http.StatusConflict {
		t.Errorf("status %d and %d, want one 200 and one 409", a, b)
	}
	documents := map[string]bool{}
	for _, p := range gateways {
		var got struct {
			Version  int64  `json:"version"`
			InForce  int64  `json:"in_force"`
			Document string `json:"document"`
		}
		waitFor(t, 2*time.Second, "version 1 is in force", func() bool { p.get("/api/v1/config", &got); return got.InForce == 1 })
		documents[got.Document] = true
	}
	if len(documents) != 1 {
		t.Errorf("the gateways know %v", documents)
	}
}
