package registry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"sync"

	"github.com/cartrita/cartrita/internal/nearest"
	"github.com/cartrita/cartrita/model"
)

// EmbeddingStore keeps the vectors of records, so that an embedder is asked for
// each text once, and finds the nearest. A Store may implement it; a registry
// whose store does not keeps them for the life of the process. Vectors of
// different embedders, or of different lengths, are never compared.
// Implementations are safe for concurrent use. Errors of an unreachable store
// are KindUnavailable.
type EmbeddingStore interface {
	// EmbeddedTexts returns the records that have a vector of an embedder and a
	// length, with the text that each is of.
	EmbeddedTexts(ctx context.Context, embedder string, length int) (map[model.ModelID]TextDigest, error)

	// SaveEmbeddings keeps vectors, in place of those that the same embedder
	// gave the same records. KindInvalid for one that Check refuses.
	SaveEmbeddings(ctx context.Context, embedder string, es []Embedding) error

	// NearestModels returns the k records whose vectors have the largest cosine
	// with a vector, in the order of Rank; all, where there are fewer.
	NearestModels(ctx context.Context, embedder string, v []float32, k int) ([]Neighbour, error)
}

// TextDigest is the SHA-256 of a text.
type TextDigest [sha256.Size]byte

// Embedding is the vector of a record.
type Embedding struct {
	ID     model.ModelID
	Text   TextDigest // that the vector is of
	Vector []float32
}

// Check returns what is wrong with an embedding: KindInvalid.
func (e *Embedding) Check(op string) error {
	if e.ID == "" || len(e.Vector) == 0 {
		return model.Invalidf(op, "vector", "want one of a record, with at least one number")
	}
	if x, odd := nearest.Odd(e.Vector); odd {
		return model.Invalidf(op, "vector", "has the number %v", x)
	}
	return nil
}

// Neighbour is a record that was found.
type Neighbour struct {
	ID    model.ModelID
	Score float64 // the cosine, in [0,1]: opposite vectors are as unlike as unrelated ones
}

// Compare orders neighbours: the nearest first, ties by id.
func (n Neighbour) Compare(o Neighbour) int {
	return cmp.Or(-cmp.Compare(n.Score, o.Score), cmp.Compare(n.ID, o.ID))
}

// Rank compares a vector with each of the embeddings and returns the k nearest,
// in order. Those of another length are left out.
func Rank(v []float32, among []Embedding, k int) []Neighbour {
	best := nearest.NewBest(k, Neighbour.Compare)
	for i := range among {
		if e := &among[i]; len(e.Vector) == len(v) {
			best.Add(Neighbour{e.ID, nearest.Cosine(v, e.Vector)})
		}
	}
	return best.Sorted()
}

// Embeddings is an EmbeddingStore in memory. The zero value is empty.
type Embeddings struct {
	mu   sync.RWMutex
	sets map[string]map[model.ModelID]Embedding // by embedder
}

var _ EmbeddingStore = (*Embeddings)(nil)

// EmbeddedTexts implements EmbeddingStore.
func (s *Embeddings) EmbeddedTexts(_ context.Context, embedder string, length int) (map[model.ModelID]TextDigest, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := map[model.ModelID]TextDigest{}
	for id, e := range s.sets[embedder] {
		if len(e.Vector) == length {
			out[id] = e.Text
		}
	}
	return out, nil
}

// SaveEmbeddings implements EmbeddingStore.
func (s *Embeddings) SaveEmbeddings(_ context.Context, embedder string, es []Embedding) error {
	for i := range es {
		if err := es[i].Check("registry.SaveEmbeddings"); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sets == nil {
		s.sets = map[string]map[model.ModelID]Embedding{}
	}
	if s.sets[embedder] == nil {
		s.sets[embedder] = map[model.ModelID]Embedding{}
	}
	for _, e := range es {
		e.Vector = slices.Clone(e.Vector)
		s.sets[embedder][e.ID] = e
	}
	return nil
}

// NearestModels implements EmbeddingStore.
func (s *Embeddings) NearestModels(_ context.Context, embedder string, v []float32, k int) ([]Neighbour, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	among := make([]Embedding, 0, len(s.sets[embedder]))
	for _, e := range s.sets[embedder] {
		among = append(among, e)
	}
	return Rank(v, among, k), nil
}
