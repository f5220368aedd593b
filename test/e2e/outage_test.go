package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// probe returns the status of a path and what was answered.
func (p *process) probe(path string) (status int, body string) {
	resp, err := http.Get(p.url + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(raw)
}

// TestAProbeIsAnsweredDuringAMigration starts a gateway whose migration takes
// long: an orchestrator is told that it lives, or would restart it for ever.
func TestAProbeIsAnsweredDuringAMigration(t *testing.T) {
	url := testserver.Database(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock(hashtext('cartrita ' || current_schema()), 1)`)
	}
	if err != nil {
		t.Fatal(err)
	}
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 3, TokensPerSecond: 2000})
	p := launch(t, t.TempDir(), "--config", writeFile(t, "own.yaml", "store: "+url+"\n"+fmt.Sprintf(soundConfig, lab)))
	waitFor(t, 10*time.Second, "it says that it lives", func() bool { status, _ := p.probe("/healthz"); return status == http.StatusOK })
	if status, body := p.probe("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "its log says what it waits for") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.waitReady()
	if r := p.chat("hello", true); !r.whole {
		t.Errorf("a call afterwards: %s", r.reason)
	}
}

// TestAGatewayWaitsForItsDatabase starts one while the database is away, and
// brings the database.
func TestAGatewayWaitsForItsDatabase(t *testing.T) {
	server := testserver.NewPostgres(t)
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 3, TokensPerSecond: 2000})
	config := writeFile(t, "own.yaml", "store: "+server.URL()+"\n"+fmt.Sprintf(soundConfig, lab))
	server.Stop(t)
	data := t.TempDir()
	p := launch(t, data, "--config", config)
	waitFor(t, 10*time.Second, "it says that it lives", func() bool { status, _ := p.probe("/healthz"); return status == http.StatusOK })
	for _, path := range []string{"/readyz", "/v1/models", "/api/v1/costs"} {
		status, body := p.probe(path)
		if status != http.StatusServiceUnavailable || !strings.Contains(body, "its log says what it waits for") || strings.Contains(body, "cartrita-postgres") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if n := strings.Count(p.output(), "waiting for the database"); n != 1 {
		t.Errorf("the log says %d times what it waits for:\n%s", n, p.output())
	}
	server.Start(t)
	p.waitReady()
	if r := p.chat("hello", true); !r.whole {
		t.Errorf("a call afterwards: %s", r.reason)
	}
	p.kill()

	// One that is told to end while it waits ends.
	server.Stop(t)
	q := launch(t, data, "--config", config)
	waitFor(t, 10*time.Second, "it says that it lives", func() bool { status, _ := q.probe("/healthz"); return status == http.StatusOK })
	_ = q.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-q.done:
	case <-time.After(5 * time.Second):
		t.Error("it waits on after SIGTERM")
	}
}

// TestAGatewayDoesNotWaitForItsDisk: where the spool cannot be used it ends with the
// reason, and does not take that for a database that is away.
func TestAGatewayDoesNotWaitForItsDisk(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 3, TokensPerSecond: 2000})
	config := writeFile(t, "own.yaml", "store: "+testserver.Database(t)+"\n"+fmt.Sprintf(soundConfig, lab))
	spool := writeFile(t, "spool", "this is no directory")
	cmd := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Dir(spool), "--config", config)
	cmd.Env = cleanEnv()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !ended.Stop() || err == nil {
		t.Error("it does not end")
	}
	if !strings.Contains(out.String(), "the spool directory cannot be made") || strings.Contains(out.String(), "waiting for the database") {
		t.Errorf("it says:\n%s", out.String())
	}
}
