package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"math"

	"github.com/cartrita/cartrita/internal/nearest"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

var _ registry.EmbeddingStore = (*Store)(nil)

// EmbeddedTexts implements registry.EmbeddingStore.
func (s *Store) EmbeddedTexts(ctx context.Context, embedder string, length int) (map[model.ModelID]registry.TextDigest, error) {
	out := map[model.ModelID]registry.TextDigest{}
	err := each(ctx, s.read, `SELECT model_id, text FROM model_embeddings WHERE embedder = ? AND dimensions = ?`, func(rows *sql.Rows) error {
		var id model.ModelID
		var text []byte
		if err := rows.Scan(&id, &text); err != nil {
			return err
		}
		out[id] = registry.TextDigest(text)
		return nil
	}, embedder, length)
	return out, failure("sqlite.EmbeddedTexts", err)
}

// SaveEmbeddings implements registry.EmbeddingStore.
func (s *Store) SaveEmbeddings(ctx context.Context, embedder string, es []registry.Embedding) error {
	const op = "sqlite.SaveEmbeddings"
	for i := range es {
		if err := es[i].Check(op); err != nil {
			return err
		}
	}
	return s.transact(ctx, op, func(writing context.Context) error {
		for i := range es {
			e := &es[i]
			if _, err := s.write.conn.ExecContext(writing, `INSERT OR REPLACE INTO model_embeddings (embedder, model_id, text, dimensions, embedding) VALUES (?, ?, ?, ?, ?)`,
				embedder, string(e.ID), e.Text[:], len(e.Vector), packVector(e.Vector)); err != nil {
				return err
			}
		}
		return nil
	})
}

// NearestModels implements registry.EmbeddingStore. It compares with every
// vector: some ms for the records of a large registry.
func (s *Store) NearestModels(ctx context.Context, embedder string, v []float32, k int) ([]registry.Neighbour, error) {
	best := nearest.NewBest(k, registry.Neighbour.Compare)
	err := each(ctx, s.read, `SELECT model_id, embedding FROM model_embeddings WHERE embedder = ? AND dimensions = ?`, func(rows *sql.Rows) error {
		var id model.ModelID
		var packed sql.RawBytes
		if err := rows.Scan(&id, &packed); err != nil {
			return err
		}
		best.Add(registry.Neighbour{ID: id, Score: nearest.Cosine(v, unpackVector(packed))})
		return nil
	}, embedder, len(v))
	if err != nil {
		return nil, failure("sqlite.NearestModels", err)
	}
	return best.Sorted(), nil
}

func packVector(v []float32) []byte {
	out := make([]byte, 0, 4*len(v))
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
	}
	return out
}

func unpackVector(b []byte) []float32 {
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}
