package main

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/store/postgres"
)

// vault is a secret file that is rotated, and read anew then.
type vault struct {
	mu    sync.Mutex
	value string
	read  time.Time
}

func (v *vault) rotate(value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.value, v.read = value, v.read.Add(time.Minute)
}

func (v *vault) secrets() *config.Secrets {
	return &config.Secrets{
		ReadFile: func(string) ([]byte, error) { v.mu.Lock(); defer v.mu.Unlock(); return []byte(v.value), nil },
		Now:      func() time.Time { v.mu.Lock(); defer v.mu.Unlock(); return v.read },
	}
}

// eventually waits for something that happens by itself.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}

// askPasswords has a private server ask a role for its password.
func askPasswords(t *testing.T, server *testserver.Postgres, role string) (exec func(string), as func(password string) string) {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	exec = func(statement string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	as = func(password string) string {
		u, err := url.Parse(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		u.User, u.Path = url.UserPassword(role, password), "/"+role
		return u.String()
	}
	var file string
	if err := admin.QueryRow(t.Context(), `SHOW hba_file`).Scan(&file); err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append([]byte("local all "+role+" scram-sha-256\n"), rules...), 0o600); err != nil {
		t.Fatal(err)
	}
	exec(`SELECT pg_reload_conf()`)
	eventually(t, "passwords are asked for", func() bool {
		conn, err := pgx.Connect(t.Context(), as("none"))
		if err == nil {
			_ = conn.Close(t.Context())
		}
		var answer *pgconn.PgError
		return errors.As(err, &answer) && answer.Code == "28P01"
	})
	return exec, as
}

func TestARotatedPasswordOfTheDatabaseIsUsed(t *testing.T) {
	t.Parallel()
	exec, as := askPasswords(t, testserver.NewPostgres(t), "gateway")
	exec(`CREATE ROLE gateway LOGIN PASSWORD 'first'`)
	exec(`CREATE DATABASE gateway OWNER gateway`)
	file := &vault{value: as("first")}
	s, err := openStore(t.Context(), &config.Config{Data: t.TempDir(), Store: "file:/database"}, file.secrets(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	exec(`ALTER ROLE gateway PASSWORD 'second'`)
	exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gateway'`)
	eventually(t, "the password of before is refused", func() bool {
		_, err := s.Head(t.Context())
		return err != nil && strings.Contains(err.Error(), "password authentication failed")
	})
	file.rotate(as("second"))
	eventually(t, "the new one is used", func() bool { _, err := s.Head(t.Context()); return err == nil })
	bus, err := s.(*postgres.Store).DialBus(t.Context())
	if err != nil {
		t.Fatalf("the connection for messages: %v", err)
	}
	bus.Close()
}

func TestARotatedPasswordOfRedisIsUsed(t *testing.T) {
	t.Parallel()
	server := testserver.NewRedis(t)
	as := func(password string) string {
		return strings.Replace(server.URL(), "redis://", "redis://gateway:"+password+"@", 1)
	}
	server.Do(t, "ACL SETUSER gateway on >first ~* &* +@all")
	file := &vault{value: as("first")}
	c, err := newRedis(t.Context(), &config.Config{Redis: "file:/redis"}, nil, file.secrets(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c.Connect(t.Context())
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	defer running.Wait()
	defer stop()
	if !c.Available() {
		t.Fatal("the first password does not do")
	}
	server.Do(t, "ACL SETUSER gateway resetpass >second")
	server.Do(t, "CLIENT KILL USER gateway")
	eventually(t, "the password of before is refused", func() bool { return !c.Available() })
	file.rotate(as("second"))
	eventually(t, "the new one is used", c.Available)
}
