//go:build unix

package testserver

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Redis is a private server.
type Redis struct {
	watched
	program string
	args    []string
}

// runRedis keeps nothing: what was in the server is gone after Stop. The watcher
// reads $2, so the further arguments take their places behind it.
const runRedis = `redis() { program=$1 dir=$2; shift 2
  : >"$dir/conf" # a sentinel wants to write one
  exec "$program" "$dir/conf" --port 0 --unixsocket "$dir/redis.sock" --dir "$dir" --pidfile "$dir/pid" --save "" --appendonly no "$@"; }
redis "$@"`

// StartRedis starts a private server for a program that is no test; it is the
// program's to Remove. Errors: what is missing.
func StartRedis(args ...string) (*Redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, missingError("there is no redis-server on the PATH")
	}
	dir, err := os.MkdirTemp("", "cartrita-redis-")
	if err != nil {
		return nil, err
	}
	s := &Redis{watched: newWatched(dir), program: program, args: args}
	if err := s.start(); err != nil {
		s.Remove()
		return nil, err
	}
	return s, nil
}

// URL returns the address of the server's socket.
func (s *Redis) URL() string { return "redis:///?socket=" + url.QueryEscape(s.socket()) }

func (s *Redis) socket() string { return filepath.Join(s.dir, "redis.sock") }

func (s *Redis) start() error {
	return s.launch(runRedis, "KILL", s.program, s.ping, s.args...)
}

func (s *Redis) ping(ctx context.Context) error {
	answer, err := s.ask(ctx, "PING")
	if err == nil && !strings.HasPrefix(answer, "+PONG") {
		err = errors.New(answer)
	}
	return err
}

// ask sends one command of words without spaces and returns the beginning of its answer.
func (s *Redis) ask(ctx context.Context, command string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", s.socket())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		return "", err
	}
	b := make([]byte, 512)
	n, err := conn.Read(b)
	return string(b[:n]), err
}

// Do sends one command of words without spaces, and fails the test unless it is
// answered well.
func (s *Redis) Do(t testing.TB, command string) {
	t.Helper()
	s.Ask(t, command)
}

// Ask does so and returns the beginning of the answer, as it comes over the wire.
func (s *Redis) Ask(t testing.TB, command string) string {
	t.Helper()
	answer, err := s.ask(context.Background(), command)
	if err != nil || strings.HasPrefix(answer, "-") {
		t.Fatalf("%s: %s %v", command, answer, err)
	}
	return answer
}

// Start starts the server after Stop, empty.
func (s *Redis) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// Freeze stops the server from answering, its connections left open, until Thaw.
func (s *Redis) Freeze(t testing.TB) { t.Helper(); s.signal(t, syscall.SIGSTOP) }

// Thaw lets the server go on.
func (s *Redis) Thaw(t testing.TB) { t.Helper(); s.signal(t, syscall.SIGCONT) }

func (s *Redis) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}
