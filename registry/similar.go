package registry

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
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
func (r *Registry) rankByLikeness(ctx context.Context, s *Snapshot, hits []Hit, wish string) (Method, string) {
	note := ""
	if r.embedder != nil {
		err := r.rankByEmbeddings(ctx, hits, wish)
		if err == nil {
			return MethodEmbeddings, ""
		}
		r.log.Warn("the embedder failed; similarity search uses built-in features", "error", err)
		note = "the embeddings endpoint did not answer; ranked by built-in features"
	}
	s.rankByFeatures(hits, wish)
	return MethodFeatures, note
}

// rankByEmbeddings scores by the cosine of the vectors.
func (r *Registry) rankByEmbeddings(ctx context.Context, hits []Hit, wish string) error {
	r.vectors.mu.Lock()
	defer r.vectors.mu.Unlock()
	if r.vectors.embedded == nil || len(r.vectors.embedded) > 2*len(r.Snapshot().Models)+1000 {
		r.vectors.embedded = map[string][]float32{} // also drops the texts of records that changed
	}
	docs := make([]string, len(hits))
	var missing []string
	for i := range hits {
		docs[i] = document(hits[i].Model)
		if _, ok := r.vectors.embedded[docs[i]]; !ok {
			missing = append(missing, docs[i])
		}
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	for batch := range slices.Chunk(missing, embedBatch) {
		vs, err := r.embed(ctx, batch)
		if err != nil {
			return err
		}
		for i, v := range vs {
			r.vectors.embedded[batch[i]] = v
		}
	}
	want, err := r.embed(ctx, []string{wish})
	if err != nil {
		return err
	}
	for i := range hits {
		hits[i].Score = cosine(want[0], r.vectors.embedded[docs[i]])
	}
	return nil
}

func (r *Registry) embed(ctx context.Context, texts []string) ([][]float32, error) {
	vs, err := r.embedder.Embed(ctx, texts)
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
