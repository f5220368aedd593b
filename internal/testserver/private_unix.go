//go:build unix

package testserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres is a private server.
type Postgres struct {
	bin, dir string
	attr     *syscall.SysProcAttr
	watcher  *exec.Cmd // nil while stopped
	hold     io.WriteCloser
}

// URL returns the address of the server's first database.
func (s *Postgres) URL() string {
	q := url.Values{"host": {s.dir}}
	return (&url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: q.Encode()}).String()
}

// watch starts the server and waits for its input to end. With a word before,
// the directory stays: the server is to be started again.
const watch = `"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off \
  -c full_page_writes=off -c max_connections=200 -c timezone=UTC >>"$2/log" 2>&1 </dev/null &
server=$!
read -r word
kill -QUIT $server 2>/dev/null
wait $server
[ -n "$word" ] || rm -rf "$2"`

func startPostgres() (*Postgres, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cartrita-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Postgres{bin: bin, dir: dir, attr: &syscall.SysProcAttr{Setpgid: true}} // an interrupt at the terminal is not for it
	if err := s.init(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.start(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// findPostgres returns the directory of the newest installed server.
func findPostgres() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian's, off the PATH
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return "", missingError("there is no initdb in /usr/lib/postgresql/*/bin nor on the PATH")
	}
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil {
		return "", err
	}
	return filepath.Dir(initdb), nil
}

// init makes the data directory. PostgreSQL does not run as root.
func (s *Postgres) init() error {
	if os.Geteuid() == 0 {
		uid, gid, err := unprivileged()
		if err != nil {
			return err
		}
		s.attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
		if err := os.Chown(s.dir, int(uid), int(gid)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "--no-sync", "--auth=trust", "--username=postgres", //nolint:gosec // what was found installed
		"--encoding=UTF8", "--no-locale", "-D", filepath.Join(s.dir, "data"))
	cmd.SysProcAttr, cmd.Dir = s.attr, s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func unprivileged() (uid, gid uint32, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, lerr := user.Lookup(name)
		if err = lerr; err != nil {
			continue
		}
		id, uerr := strconv.ParseUint(u.Uid, 10, 32)
		group, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if err = errors.Join(uerr, gerr); err == nil {
			return uint32(id), uint32(group), nil
		}
	}
	return 0, 0, fmt.Errorf("no user to run it as: %w", err)
}

func (s *Postgres) start() (err error) {
	cmd := exec.CommandContext(context.Background(), "/bin/sh", "-c", watch, "sh", s.bin, s.dir) //nolint:gosec // a fixed script
	cmd.SysProcAttr, cmd.Dir = s.attr, s.dir
	if s.hold, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.watcher = cmd
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("it does not start: %w\n%s", err, log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the server at once, as a crash would.
func (s *Postgres) Stop(t testing.TB) {
	t.Helper()
	if _, err := io.WriteString(s.hold, "stay\n"); err != nil {
		t.Fatal(err)
	}
	s.end()
}

// Start starts the server after Stop.
func (s *Postgres) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func (s *Postgres) end() {
	_ = s.hold.Close() // the watcher reads the end, whatever this says
	_ = s.watcher.Wait()
	s.watcher = nil
}

// remove ends the server for good.
func (s *Postgres) remove() {
	if s.watcher != nil {
		s.end()
	}
	_ = os.RemoveAll(s.dir) // else the watcher did
}
