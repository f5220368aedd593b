package main

import (
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/postgres"
)

func TestPostgresIsOpenedFromItsURLOrAReference(t *testing.T) {
	url := testserver.Database(t)
	secrets := &config.Secrets{Getenv: func(name string) string {
		return map[string]string{"DATABASE_URL": url, "OTHER": "mysql://ada:s3cret@h/d"}[name]
	}}
	open := func(store string) (store, error) {
		return openStore(t.Context(), &config.Config{Data: t.TempDir(), Store: store}, secrets, slog.New(slog.DiscardHandler))
	}
	for _, name := range []string{url, "env:DATABASE_URL"} {
		s, err := open(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := s.(*postgres.Store); !ok {
			t.Errorf("%s opens %T", name, s)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := closed.Addr().String()
	closed.Close()
	for store, want := range map[string]string{
		"postgres://ada:s3cret@" + away + "/calls": "the database calls at " + away + " cannot be used: connect: connection refused",
		"postgres://ada:s3cret@h/d?sslmode=s3cret": "store: the URL is not understood",
		"env:OTHER":   "store: env:OTHER holds no URL",
		"env:MISSING": "the environment variable MISSING is not set",
	} {
		s, err := open(store)
		if s != nil || err == nil || !strings.Contains(model.AsError(err).Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, %v; want %q", store, s, err, want)
		}
	}
}
