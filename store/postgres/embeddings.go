package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

var _ registry.EmbeddingStore = (*Store)(nil)

// The most dimensions that indexes of pgvector take, with numbers of 32 bits
// and of 16, and the most records that they are asked for. Beyond, every vector
// is compared.
const (
	maxVector     = 2000
	maxHalfVector = 4000
	maxIndexed    = 1000
)

// EmbeddedTexts implements registry.EmbeddingStore.
func (s *Store) EmbeddedTexts(ctx context.Context, embedder string, length int) (map[model.ModelID]registry.TextDigest, error) {
	out := map[model.ModelID]registry.TextDigest{}
	_, err := list(ctx, s, "postgres.EmbeddedTexts", `SELECT model_id, text FROM model_embeddings WHERE embedder = $1 AND dimensions = $2`, []any{embedder, length},
		func(row pgx.CollectableRow) (none struct{}, err error) {
			var id string
			var text []byte
			if err = row.Scan(&id, &text); err == nil {
				out[model.ModelID(id)] = registry.TextDigest(text)
			}
			return none, err
		})
	return out, err
}

// SaveEmbeddings implements registry.EmbeddingStore.
func (s *Store) SaveEmbeddings(ctx context.Context, embedder string, es []registry.Embedding) error {
	const op = "postgres.SaveEmbeddings"
	q := &pgx.Batch{}
	lengths := map[int]bool{}
	es = slices.SortedFunc(slices.Values(es), func(a, b registry.Embedding) int { return cmp.Compare(a.ID, b.ID) }) // else two writers wait for each other's rows
	for i := range es {
		e := &es[i]
		if err := e.Check(op); err != nil {
			return err
		}
		lengths[len(e.Vector)] = true
		q.Queue(`INSERT INTO model_embeddings (embedder, model_id, text, dimensions, embedding) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (embedder, model_id) DO UPDATE SET text = excluded.text, dimensions = excluded.dimensions, embedding = excluded.embedding`,
			embedder, string(e.ID), e.Text[:], len(e.Vector), e.Vector)
	}
	if q.Len() == 0 {
		return nil
	}
	err := s.update(ctx, func(ctx context.Context, tx pgx.Tx) error { return tx.SendBatch(ctx, q).Close() })
	if err != nil {
		return failure(op, err)
	}
	for n := range lengths {
		s.index(ctx, n)
	}
	return nil
}

// NearestModels implements registry.EmbeddingStore. What the index gives is
// compared once more as without it, so that the answers are the same.
func (s *Store) NearestModels(ctx context.Context, embedder string, v []float32, k int) ([]registry.Neighbour, error) {
	const op = "postgres.NearestModels"
	if k <= 0 || len(v) == 0 {
		return nil, nil
	}
	if asked := k + max(k, 64); s.vectorType(len(v)) != "" && asked <= maxIndexed {
		some, err := s.candidates(ctx, embedder, v, asked)
		if err != nil {
			return nil, failure(op, err)
		}
		// Fewer: there are no more, or the index has others in their way. As near
		// as the last of them: others may be, too.
		if ranked := registry.Rank(v, some, asked); len(ranked) == asked && ranked[k-1].Score > ranked[asked-1].Score+1e-6 {
			return ranked[:k], nil
		}
	}
	all, err := list(ctx, s, op, `SELECT model_id, embedding FROM model_embeddings WHERE embedder = $1 AND dimensions = $2`, []any{embedder, len(v)}, scanEmbedding)
	if err != nil {
		return nil, err
	}
	return registry.Rank(v, all, k), nil
}

func scanEmbedding(row pgx.CollectableRow) (e registry.Embedding, err error) {
	return e, row.Scan((*string)(&e.ID), &e.Vector)
}

// candidates are about the n nearest.
func (s *Store) candidates(ctx context.Context, embedder string, v []float32, n int) (out []registry.Embedding, err error) {
	kind := s.vectorType(len(v))
	return out, s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL hnsw.ef_search = `+strconv.Itoa(n)); err != nil {
			return err
		}
		// The number of dimensions stands as it is: with a parameter no index is used.
		rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT model_id, embedding FROM model_embeddings WHERE dimensions = %d AND embedder = $1
			ORDER BY (embedding::%s) OPERATOR(%s.<=>) $2::real[]::%[2]s LIMIT $3`, len(v), kind, s.vectorSchema), embedder, v, n)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, scanEmbedding)
		return err
	})
}

// vectorType is the type of indexed vectors of a length, with its schema; ""
// where they have no index.
func (s *Store) vectorType(length int) string {
	switch {
	case s.vectorSchema == "" || length > maxHalfVector:
		return ""
	case length > maxVector:
		return fmt.Sprintf("%s.halfvec(%d)", s.vectorSchema, length)
	}
	return fmt.Sprintf("%s.vector(%d)", s.vectorSchema, length)
}

// findVector looks for the extension, makes the indexes that are missing, and
// says once how records are compared. Whatever fails costs time, no answers.
func (s *Store) findVector(ctx context.Context) {
	var schema, version string
	err := s.row(ctx, `SELECT quote_ident(nspname), extversion FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'`, nil, &schema, &version)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		s.log.Info("similarity searches compare with every model; with the extension pgvector in the database they use an index")
		return
	case err != nil:
		s.log.Warn("whether the database has the extension pgvector cannot be asked; similarity searches compare with every model", "error", err)
		return
	}
	if older(version, 0, 7) {
		s.log.Warn("similarity searches compare with every model: the extension pgvector is older than 0.7", "version", version)
		return
	}
	s.log.Info("similarity searches use an index of the extension pgvector", "version", version)
	s.vectorSchema = schema
	lengths, err := list(ctx, s, "postgres.Open", `SELECT DISTINCT dimensions FROM model_embeddings`, nil, pgx.RowTo[int])
	if err != nil {
		s.log.Warn("the indexes for similarity searches were not looked for", "error", err)
	}
	for _, n := range lengths {
		s.index(ctx, n)
	}
}

// older reports whether a version is below major.minor.
func older(version string, major, minor int) bool {
	parts := strings.SplitN(version+".0.", ".", 3)
	a, _ := strconv.Atoi(parts[0])
	b, _ := strconv.Atoi(parts[1])
	return a < major || a == major && b < minor
}

// index makes the index of the vectors of a length, once.
func (s *Store) index(ctx context.Context, length int) {
	kind := s.vectorType(length)
	s.mu.Lock()
	known := s.indexed[length]
	s.indexed[length] = true
	s.mu.Unlock()
	if kind == "" || known {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), migrateTimeout)
	defer cancel()
	class, _, _ := strings.Cut(kind, "(")
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockSchema); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, fmt.Sprintf(`CREATE INDEX IF NOT EXISTS model_embeddings_hnsw_%d ON model_embeddings
			USING hnsw ((embedding::%s) %s_cosine_ops) WHERE dimensions = %[1]d`, length, kind, class))
		return err
	})
	if err != nil {
		s.log.Warn("the index for similarity searches cannot be made: they compare with every model", "dimensions", length, "error", err)
	}
}
