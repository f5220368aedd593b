package main

import (
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/internal/testserver"
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

// What one attempt of a start says of the database, the next one does not repeat.
func TestAStartThatWaitsTellsNewsOnce(t *testing.T) {
	t.Parallel()
	store, err := url.Parse(testserver.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), store.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	q := store.Query()
	q.Set("statement_timeout", "300")
	store.RawQuery = q.Encode()
	b := newBench(t, "store: "+store.String()+"\n")
	if r := b.run("db", "migrate"); r.code != exitOK {
		t.Fatal(r.err)
	}
	held, err := conn.Begin(t.Context())
	if err == nil {
		_, err = held.Exec(t.Context(), `LOCK TABLE model_versions`)
	}
	if err != nil {
		t.Fatal(err)
	}
	free := make(chan error, 1)
	go func() {
		time.Sleep(4 * time.Second) // some attempts
		free <- held.Rollback(t.Context())
	}()
	r := b.serve("--log-format", "text")
	if err := <-free; err != nil {
		t.Error(err)
	}
	log := r.err.String()
	if strings.Count(log, "waiting for the database") == 0 || strings.Count(log, "similarity searches") != 1 {
		t.Errorf("the log says:\n%s", log)
	}
}
