package registry

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/cartrita/cartrita/model"
)

// Embedder turns texts into vectors; all vectors of one embedder have the same
// length. Errors are logged and noted in the result, and the built-in features
// are used instead.
type Embedder interface {
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// embedBatch is the number of texts given to the embedder at once.
const embedBatch = 128

// vectorCache keeps the vectors of records by their texts, across snapshots.
// They are made at the first search that needs them, never at start-up.
type vectorCache struct {
	mu       sync.Mutex
	embedded map[string][]float32
}

// rankByLikeness scores the hits by how well they fit a wish in words.
func (r *Registry) rankByLikeness(ctx context.Context, s *Snapshot, hits []Hit, q *Query) (Method, string) {
	note := ""
	if q.Embedder != nil {
		err := r.rankByEmbeddings(ctx, hits, q)
		if err == nil {
			return MethodEmbeddings, ""
		}
		r.log.Warn("the embedder failed; similarity search uses built-in features", "error", err)
		note = "ranked by built-in features, since there are no embeddings: " + reason(err)
	}
	s.rankByFeatures(hits, q.Similar)
	return MethodFeatures, note
}

// reason is what a searcher is told of an embedder's failure.
func reason(err error) string {
	e := model.AsError(err)
	if e.Message == "" {
		return e.Kind.String()
	}
	return e.Message
}

// rankByEmbeddings scores by the cosine of the vectors.
func (r *Registry) rankByEmbeddings(ctx context.Context, hits []Hit, q *Query) error {
	docs := make([]string, len(hits))
	for i := range hits {
		docs[i] = document(hits[i].Model)
	}
	known, missing := r.vectors.of(docs, 2*len(r.Snapshot().Models)+1000)
	// Nobody waits for another's model: two searches may ask for the same.
	for batch := range slices.Chunk(missing, embedBatch) {
		vs, err := embed(ctx, q.Embedder, batch)
		if err != nil {
			return err
		}
		r.vectors.keep(batch, vs)
		for i, v := range vs {
			known[batch[i]] = v
		}
	}
	want, err := embed(ctx, q.Embedder, []string{q.Similar})
	if err != nil {
		return err
	}
	for i := range hits {
		hits[i].Score = cosine(want[0], known[docs[i]])
	}
	return nil
}

// of returns the vectors of the texts, and the texts that have none. With more
// than most of them it begins anew, which drops those of records that changed.
func (c *vectorCache) of(texts []string, most int) (known map[string][]float32, missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.embedded == nil || len(c.embedded) > most {
		c.embedded = map[string][]float32{}
	}
	known = make(map[string][]float32, len(texts))
	for _, t := range texts {
		if v, ok := c.embedded[t]; ok {
			known[t] = v
		} else {
			missing = append(missing, t)
		}
	}
	slices.Sort(missing)
	return known, slices.Compact(missing)
}

func (c *vectorCache) keep(texts []string, vectors [][]float32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range texts {
		c.embedded[t] = vectors[i]
	}
}

func embed(ctx context.Context, e Embedder, texts []string) ([][]float32, error) {
	vs, err := e.Embed(ctx, texts)
	if err == nil && len(vs) != len(texts) {
		err = fmt.Errorf("the embedder returned %d vectors for %d texts", len(vs), len(texts))
	}
	return vs, err
}

// cosine is in [0,1]; opposite vectors are as unlike as unrelated ones.
func cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return 0
	}
	var dot, aa, bb float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return clamp(dot / math.Sqrt(aa*bb))
}

// rankByFeatures scores by the properties that the wish names and, for the
// rest, by words: four parts to one when both say something.
func (s *Snapshot) rankByFeatures(hits []Hit, text string) {
	words := tokens(text)
	var asked []func(*Hit) float64
	for i := range wishes {
		w := &wishes[i]
		if slices.ContainsFunc(words, func(t string) bool { return slices.Contains(w.words, t) }) {
			asked = append(asked, func(h *Hit) float64 { return w.score(h.Model) })
		}
	}
	want := textVector(text)
	vectors := s.textVectors()
	for i := range hits {
		h := &hits[i]
		v := vectors[s.models[h.Model.ID]]
		like := want.dot(&v)
		if len(asked) == 0 {
			h.Score = clamp(like)
			continue
		}
		sum := 0.0
		for _, score := range asked {
			sum += score(h)
		}
		h.Score = clamp(0.8*sum/float64(len(asked)) + 0.2*like)
	}
}

// textVectors makes the vectors of all records at the first search that needs
// them; parallel to Models.
func (s *Snapshot) textVectors() []vector {
	s.vectorsOnce.Do(func() {
		s.vectors = make([]vector, len(s.Models))
		for i, m := range s.Models {
			s.vectors[i] = textVector(document(m))
		}
	})
	return s.vectors
}
