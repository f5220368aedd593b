package postgres_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/store/postgres"
	"github.com/cartrita/cartrita/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return open(t, testserver.Database(t)) })
}
