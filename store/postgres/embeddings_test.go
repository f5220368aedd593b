package postgres_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/postgres"
	"github.com/cartrita/cartrita/store/storetest"
)

// withVector makes a database that has the extension, in a schema of its own.
func withVector(t testing.TB) (url string) {
	t.Helper()
	url = testserver.Database(t)
	testserver.NeedVector(t, url)
	sql(t, url, `CREATE SCHEMA "of others"; CREATE EXTENSION vector SCHEMA "of others"`)
	return url
}

func TestStoreWithVector(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Store { return open(t, withVector(t)) })
}

// spread are records in directions that differ.
func spread(n, dimensions int) []registry.Embedding {
	out := make([]registry.Embedding, n)
	for i := range out {
		out[i] = registry.Embedding{ID: model.ModelID(fmt.Sprintf("m%05d", i)), Vector: make([]float32, dimensions)}
		for j := range out[i].Vector {
			out[i].Vector[j] = float32((i*31+j*j*17+i*j)%101) - 50
		}
	}
	return out
}

// The extension may come after the vectors; what is found stays the same, and
// the log says once how it is found.
func TestTheExtensionMayComeLater(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	testserver.NeedVector(t, url)
	reopened := func(says string) *postgres.Store {
		t.Helper()
		var log bytes.Buffer
		s, err := postgres.Open(t.Context(), postgres.Config{URL: url, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(log.String(), "similarity searches") != 1 || !strings.Contains(log.String(), says) {
			t.Errorf("the log says %q, want %q", &log, says)
		}
		return s
	}
	lengths := []int{16, 2500, 4500} // numbers of 32 bits, of 16, too many for an index
	questions := map[int][]float32{}
	answers := map[int][]registry.Neighbour{}
	s := reopened("compare with every vector")
	for _, n := range lengths {
		es := spread(300, n)
		if err := s.SaveEmbeddings(t.Context(), fmt.Sprint(n), es); err != nil {
			t.Fatal(err)
		}
		questions[n] = slices.Clone(es[50].Vector)
		questions[n][0] += 3
		var err error
		if answers[n], err = s.NearestModels(t.Context(), fmt.Sprint(n), questions[n], 10); err != nil || len(answers[n]) != 10 {
			t.Fatal(answers[n], err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sql(t, url, `CREATE EXTENSION vector`)
	for range 2 {
		s = reopened("use an index of the extension pgvector")
		for _, n := range lengths {
			got, err := s.NearestModels(t.Context(), fmt.Sprint(n), questions[n], 10)
			if err != nil || !slices.Equal(got, answers[n]) {
				t.Errorf("%d dimensions: %v, %v; without the extension %v", n, got, err, answers[n])
			}
		}
		if err := s.SaveEmbeddings(t.Context(), "32", spread(3000, 32)); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `SELECT indexname FROM pg_indexes WHERE tablename = 'model_embeddings' AND indexdef LIKE '%hnsw%' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if want := []string{"model_embeddings_hnsw_16", "model_embeddings_hnsw_2500", "model_embeddings_hnsw_32"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("indexes: %v, %v; want %v", names, err, want)
	}
	// The question of NearestModels is one that the index answers.
	sql(t, url, `ANALYZE model_embeddings`)
	rows, err = conn.Query(t.Context(), `EXPLAIN SELECT model_id, embedding FROM model_embeddings WHERE dimensions = 32 AND embedder = '32'
		ORDER BY (embedding::public.vector(32)) OPERATOR(public.<=>) $1::real[]::public.vector(32) LIMIT 80`, spread(1, 32)[0].Vector)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || !strings.Contains(strings.Join(plan, "\n"), "Index Scan using model_embeddings_hnsw_32") {
		t.Errorf("%v\n%s", err, strings.Join(plan, "\n"))
	}
}
