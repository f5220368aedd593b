//go:build unix

package testserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Postgres is a private server.
type Postgres struct {
	watched
	bin string
}

// URL returns the address of the server's first database.
func (s *Postgres) URL() string {
	q := url.Values{"host": {s.dir}}
	return (&url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: q.Encode()}).String()
}

// runPostgres is the command of the server in $1 on the directory $2.
const runPostgres = `"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off \
  -c full_page_writes=off -c max_connections=200 -c timezone=UTC`

// StartPostgres starts a private server for a program that is no test; it is
// the program's to Remove. Errors: what is missing.
func StartPostgres() (*Postgres, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cartrita-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Postgres{watched: newWatched(dir), bin: bin}
	if err := s.init(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.start(); err != nil {
		s.Remove()
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

func (s *Postgres) start() error {
	return s.launch(runPostgres, "QUIT", s.bin, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, s.URL())
		if err == nil {
			err = conn.Close(ctx)
		}
		return err
	})
}

// Start starts the server after Stop.
func (s *Postgres) Start(t Failer) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}
