//go:build unix

package testserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestDatabasesAreApart(t *testing.T) {
	for range 2 {
		conn, err := pgx.Connect(t.Context(), Database(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), "CREATE TABLE t (i int)"); err != nil {
			t.Fatal(err)
		}
	}
}

// orphan is set in a process that starts a server and is killed.
const orphan = "CARTRITA_TEST_ORPHAN"

// A server ends with the process that started it, also when that is killed,
// and leaves nothing behind.
func TestAServerDoesNotOutliveItsTest(t *testing.T) {
	if os.Getenv(orphan) != "" {
		NewPostgres(t)
		NewRedis(t)
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		t.Fatal(self.Kill())
	}
	if _, err := findPostgres(); err != nil {
		skip(t, err, "PostgreSQL", PostgresVariable)
	}
	dir, err := os.MkdirTemp("", "orphan") // short, and open to the server's user
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run", t.Name())
	cmd.Env = append(os.Environ(), orphan+"=1", "TMPDIR="+dir)
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.Exited() {
		t.Fatalf("the process was not killed: %v\n%s", err, out)
	}
	for deadline := time.Now().Add(startTimeout); ; {
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v is left", left)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
