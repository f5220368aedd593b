package postgres

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/internal/nearest"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

var _ registry.EmbeddingStore = (*Store)(nil)

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
		return s.failure(op, err)
	}
	s.index(ctx, modelVectors, slices.Collect(maps.Keys(lengths))...)
	return nil
}

// NearestModels implements registry.EmbeddingStore.
func (s *Store) NearestModels(ctx context.Context, embedder string, v []float32, k int) ([]registry.Neighbour, error) {
	return search(ctx, s, "postgres.NearestModels", &question[registry.Neighbour]{
		table: modelVectors, columns: `model_id, embedding`, where: `embedder = $1`, args: []any{embedder}, vector: v,
		scan: func(rows pgx.Rows) (n registry.Neighbour, wanted bool, err error) {
			var found []float32
			err = rows.Scan((*string)(&n.ID), &found)
			n.Score = nearest.Cosine(v, found)
			return n, true, err
		},
		compare: registry.Neighbour.Compare, score: func(n registry.Neighbour) float64 { return n.Score },
	}, k)
}
