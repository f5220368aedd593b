package registry

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/cartrita/cartrita/internal/nearest"
	"github.com/cartrita/cartrita/model"
)

// Embedder turns texts into vectors; all vectors of one embedder have the same
// length. Errors are logged and noted in the result, and the built-in features
// are used instead.
type Embedder interface {
	// Name tells embedders apart: the vectors of one are kept under it.
	Name() string
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// embedBatch is the number of texts given to the embedder at once.
const embedBatch = 128

// rankByLikeness scores the hits by how well they fit a wish in words, those
// that a search with the limit (negative: none) returns at least.
func (r *Registry) rankByLikeness(ctx context.Context, s *Snapshot, hits []Hit, q *Query, limit int) (Method, string) {
	note := ""
	if q.Embedder != nil {
		err := r.rankByEmbeddings(ctx, hits, q, limit)
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
func (r *Registry) rankByEmbeddings(ctx context.Context, hits []Hit, q *Query, limit int) error {
	wish, err := embed(ctx, q.Embedder, []string{q.Similar})
	if err != nil {
		return err
	}
	if err := r.embedMissing(ctx, hits, q.Embedder, len(wish[0])); err != nil {
		return err
	}
	scores, err := r.nearest(ctx, hits, q.Embedder.Name(), wish[0], limit)
	if err != nil {
		return err
	}
	for i := range hits {
		hits[i].Score = scores[hits[i].Model.ID]
	}
	return nil
}

// embedMissing stores the vectors of the records that have none, or one of
// another text than they have now. Nobody waits for another's model: two
// searches may ask for the same.
func (r *Registry) embedMissing(ctx context.Context, hits []Hit, e Embedder, length int) error {
	have, err := r.vectors.EmbeddedTexts(ctx, e.Name(), length)
	if err != nil {
		return err
	}
	missing := map[string][]Embedding{} // by text: records of the same weights share one
	for i := range hits {
		id, text := hits[i].Model.ID, document(hits[i].Model)
		digest := TextDigest(sha256.Sum256([]byte(text)))
		if have[id] != digest {
			missing[text] = append(missing[text], Embedding{ID: id, Text: digest})
		}
	}
	for texts := range slices.Chunk(slices.Sorted(maps.Keys(missing)), embedBatch) {
		vs, err := embed(ctx, e, texts)
		if err != nil {
			return err
		}
		var es []Embedding
		for i, text := range texts {
			for _, e := range missing[text] {
				e.Vector = vs[i]
				es = append(es, e)
			}
		}
		if err := r.vectors.SaveEmbeddings(ctx, e.Name(), es); err != nil {
			return err
		}
	}
	return nil
}

// nearest returns the scores of the hits that are nearest: of more than the
// limit, so that none is left out that is as near as the last. The store may
// hold records that are no hits, so it is asked for more until there are enough.
func (r *Registry) nearest(ctx context.Context, hits []Hit, embedder string, v []float32, limit int) (map[model.ModelID]float64, error) {
	isHit := make(map[model.ModelID]bool, len(hits))
	for i := range hits {
		isHit[hits[i].Model.ID] = true
	}
	k := 2 * limit
	if limit < 0 || k >= len(hits) {
		k = math.MaxInt32 // all there are
	}
	for {
		found, err := r.vectors.NearestModels(ctx, embedder, v, k)
		if err != nil {
			return nil, err
		}
		scores := make(map[model.ModelID]float64, limit)
		n, enough := 0, len(found) < k
		for _, f := range found {
			if !isHit[f.ID] {
				continue
			}
			scores[f.ID] = f.Score
			if n++; n == limit && f.Score > found[len(found)-1].Score {
				enough = true
			}
		}
		if enough {
			return scores, nil
		}
		k *= 8
	}
}

func embed(ctx context.Context, e Embedder, texts []string) ([][]float32, error) {
	vs, err := e.Embed(ctx, texts)
	if err != nil {
		return nil, err
	}
	if len(vs) != len(texts) {
		return nil, fmt.Errorf("the embedder returned %d vectors for %d texts", len(vs), len(texts))
	}
	for i := range vs {
		vs[i] = nearest.Unit(vs[i])
	}
	return vs, nil
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
