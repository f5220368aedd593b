package postgres

import (
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
)

// A database whose calls cannot be counted in time is inspected all the same.
func TestCallsThatAreTooManyToCountAreEstimated(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	s, err := Open(t.Context(), Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var calls []event.Call
	for n := range 100 {
		c := callAt(at, at.Add(time.Duration(n)*time.Second))
		if n%4 == 0 {
			c.State = model.StatePlanned
		}
		calls = append(calls, c)
	}
	if _, err := s.Ingest(t.Context(), event.Batch{Calls: calls}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(t.Context(), `ANALYZE`); err != nil {
		t.Fatal(err)
	}
	look := func(count time.Duration, estimated bool) {
		t.Helper()
		st, err := Inspect(t.Context(), Config{URL: url}, count)
		if err != nil || st.Estimated != estimated || st.Calls < 90 || st.Calls > 110 || st.Decisions < 15 || st.Decisions > 35 || st.Schema != st.Known || !st.Oldest.Equal(at) {
			t.Errorf("counting for %v: %+v, %v", count, st, err)
		}
	}
	look(time.Minute, false)
	look(0, true)
	// A view under the table's name takes 3 s to be counted.
	if _, err := s.pool.Exec(t.Context(), `ALTER TABLE calls RENAME TO kept; CREATE FUNCTION slow() RETURNS boolean LANGUAGE sql COST 0.0001 AS 'SELECT pg_sleep(0.03) IS NOT NULL';
		CREATE VIEW calls AS SELECT *, slow() AS waited FROM kept OFFSET 0`); err != nil {
		t.Fatal(err)
	}
	look(200*time.Millisecond, true)
}
