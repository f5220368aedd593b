package postgres_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/postgres"
	"github.com/cartrita/cartrita/store/storetest"
)

// Gateways that ask at once are given the same secret, and another database has
// another.
func TestTheSharedSecret(t *testing.T) {
	t.Parallel()
	s, other := open(t, testserver.Database(t)), open(t, testserver.Database(t))
	secrets := make([][]byte, 8)
	var asking sync.WaitGroup
	for i := range secrets {
		asking.Go(func() {
			var err error
			if secrets[i], err = s.SharedSecret(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	for _, got := range secrets {
		if len(got) != 32 || !bytes.Equal(got, secrets[0]) {
			t.Errorf("the secrets are %x and %x", secrets[0], got)
		}
	}
	if got, err := other.SharedSecret(t.Context()); err != nil || bytes.Equal(got, secrets[0]) {
		t.Errorf("another database has the same secret, or %v", err)
	}
}

// The same database is known again, and a copy of it is not the same.
func TestADatabaseIsKnownByItsIdentity(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	var ids []string
	for _, s := range []*postgres.Store{open(t, url), open(t, url), open(t, testserver.Database(t))} {
		id, err := s.Identity(t.Context())
		if err != nil || len(id) != 16 {
			t.Fatalf("%q, %v", id, err)
		}
		ids = append(ids, id)
	}
	if ids[0] != ids[1] || ids[0] == ids[2] {
		t.Errorf("one database and another one are %v", ids)
	}
}

func TestWhichCallsAreStored(t *testing.T) {
	t.Parallel()
	s := open(t, testserver.Database(t))
	stored, missing := storetest.Sample(1), storetest.Sample(2)
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{stored}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Stored(t.Context(), []model.CallID{missing.Record.ID, stored.Record.ID})
	if err != nil || len(got) != 1 || !got[stored.Record.ID] {
		t.Errorf("stored are %v, %v", got, err)
	}
	if got, err := s.Stored(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("of none: %v, %v", got, err)
	}
}
