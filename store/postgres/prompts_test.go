package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/memory"
	"github.com/cartrita/cartrita/store/storetest"
)

// The index finds what a scan does among thousands of random vectors, and it is
// the index that does.
func TestTheIndexFindsPromptsLikeAScan(t *testing.T) {
	t.Parallel()
	const all, dimensions = 4000, 64
	url := withVector(t)
	indexed := open(t, url)
	scanned, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	vector := func() []float32 {
		v := make([]float32, dimensions)
		for i := range v {
			v[i] = float32(random.NormFloat64())
		}
		return v
	}
	for n := 0; n < all; n += 500 {
		var calls []event.Call
		var ps []event.Prompt
		for i := range 500 {
			c := storetest.Sample(n + i)
			calls, ps = append(calls, c), append(ps, event.Prompt{Call: c.ID, At: c.Ended, Embedder: "e", Vector: vector()})
		}
		for _, s := range []interface {
			event.Sink
			event.PromptStore
		}{indexed, scanned} {
			if _, err := s.Ingest(t.Context(), event.Batch{Calls: calls}); err != nil {
				t.Fatal(err)
			}
			if err := s.SavePrompts(t.Context(), ps); err != nil {
				t.Fatal(err)
			}
		}
	}
	sql(t, url, `ANALYZE`)
	found := func(s event.PromptStore, q *event.PromptQuery) (out []string) {
		ns, err := s.NearestPrompts(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range ns {
			out = append(out, fmt.Sprint(ns[i].ID, ns[i].Score))
		}
		return out
	}
	for i := range 60 {
		q := event.PromptQuery{Embedder: "e", Vector: vector(), K: 10, Filter: []event.Filter{{}, {Team: "team-1"}, {Key: "key-2"}}[i%3]}
		if got, want := found(indexed, &q), found(scanned, &q); !slices.Equal(got, want) {
			t.Errorf("question %d: the index finds\n%v\nand a scan\n%v", i, got, want)
		}
	}
	if err := indexed.Close(); err != nil { // its connections say at their end what they used
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var index, scans int
	for end := time.Now().Add(10 * time.Second); index < 55 && err == nil && time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // they end in a while
		err = conn.QueryRow(t.Context(), `SELECT (SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'prompt_embeddings_hnsw_64'),
			(SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'prompt_embeddings')`).Scan(&index, &scans)
	}
	if err != nil || index < 55 || scans > 15 {
		t.Errorf("%v: %d scans of the index and %d of the table for 60 questions", err, index, scans)
	}
}
