// Package testserver answers where tests find a real PostgreSQL and a real
// Redis. It uses the servers that CARTRITA_TEST_POSTGRES (a URL of a user who may
// create databases) and CARTRITA_TEST_REDIS name, else starts private ones from
// what is installed, one of each for each test process. Without either, the test
// is skipped and says so.
//
// A private server listens on a socket in a temporary directory, never on a
// port. A shell watches over it that ends it, and removes the directory, when
// the test process is gone, however it ended.
package testserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresVariable names the environment variable with the URL of a server.
const PostgresVariable = "CARTRITA_TEST_POSTGRES"

// Failer ends what uses a server that does not do what it is told: a test, or a
// program of ours.
type Failer interface {
	Helper()
	Fatal(args ...any)
}

// startTimeout bounds the start of a server, beside other work.
const startTimeout = time.Minute

// shared is the private server of this process.
var shared = sync.OnceValues(StartPostgres)

// Database makes an empty database for one test and returns its URL. It is
// dropped when the test ends.
func Database(t testing.TB) string {
	t.Helper()
	if server := os.Getenv(PostgresVariable); server != "" {
		return newDatabase(t, server)
	}
	s, err := shared()
	if err != nil {
		skip(t, err, "PostgreSQL", PostgresVariable)
	}
	return newDatabase(t, s.URL())
}

// NewPostgres starts a server that is this test's alone, to be stopped and
// started again. Its URL names an empty database.
func NewPostgres(t testing.TB) *Postgres {
	t.Helper()
	s, err := StartPostgres()
	if err != nil {
		skip(t, err, "PostgreSQL", "")
	}
	t.Cleanup(s.Remove)
	return s
}

// VectorDatabase is a Database with the extension pgvector. It skips the test
// where the server has none.
func VectorDatabase(t testing.TB) string {
	t.Helper()
	database := Database(t)
	NeedVector(t, database)
	admin(t, database, "CREATE EXTENSION vector")
	return database
}

// NeedVector skips a test whose server has no pgvector to create in its databases.
func NeedVector(t testing.TB, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	var there bool
	err = conn.QueryRow(t.Context(), `SELECT count(*) > 0 FROM pg_available_extensions WHERE name = 'vector'`).Scan(&there)
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if !there {
		t.Skip("NOT TESTED: the PostgreSQL has no extension pgvector. On Debian and Ubuntu `make servers` installs it.")
	}
}

// skip ends a test that has no server; one that is there but does not start is
// a failure. The variable names another that would do, "" for a test that stops
// its server.
func skip(t testing.TB, err error, what, variable string) {
	t.Helper()
	if missing := missingError(""); errors.As(err, &missing) {
		or := ": this test stops its server, so that no other would do"
		if variable != "" {
			or = " or set " + variable + " to the URL of one"
		}
		t.Skipf("NOT TESTED: no %s. %v. Install it (on Debian and Ubuntu `make servers` does)%s.", what, err, or)
	}
	t.Fatalf("the private %s: %v", what, err)
}

// missingError says that nothing is installed.
type missingError string

func (e missingError) Error() string { return string(e) }

var databases atomic.Int64

func newDatabase(t testing.TB, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s: want a URL", PostgresVariable) // without the error: it repeats the password
	}
	name := fmt.Sprintf("cartrita_test_%d_%d_%d", os.Getpid(), time.Now().UnixNano(), databases.Add(1))
	admin(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { admin(t, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}

// admin runs one statement on a connection of its own; the test may be over.
func admin(t testing.TB, server, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatalf("the PostgreSQL for tests: %v", err)
	}
	_, err = conn.Exec(ctx, statement)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
