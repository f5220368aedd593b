package storetest

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

// embedding makes the vector of record n in that many dimensions: any direction.
func embedding(n, dimensions int) registry.Embedding {
	random := rand.New(rand.NewPCG(uint64(n), uint64(dimensions)))
	v := make([]float32, dimensions)
	for i := range v {
		v[i] = float32(random.NormFloat64())
	}
	id := fmt.Sprintf("acme/%04d", n)
	return registry.Embedding{ID: model.ModelID(id), Text: sha256.Sum256([]byte(id)), Vector: v}
}

func saveEmbeddings(t *testing.T, s Store, embedder string, es ...registry.Embedding) {
	t.Helper()
	if err := s.SaveEmbeddings(t.Context(), embedder, es); err != nil {
		t.Fatal(err)
	}
}

func embeddingsReturn(t *testing.T, s Store) {
	saveEmbeddings(t, s, "e")
	if got, err := s.NearestModels(t.Context(), "e", []float32{1, 2}, 3); err != nil || len(got) != 0 {
		t.Errorf("an empty store has %v, %v", got, err)
	}
	one, two := embedding(1, 3), embedding(2, 3)
	saveEmbeddings(t, s, "e", one, two, embedding(3, 5))
	saveEmbeddings(t, s, "f", embedding(4, 3))
	two.Vector, two.Text = []float32{-1, 0, 0.5}, registry.TextDigest{7}
	saveEmbeddings(t, s, "e", two)
	got, err := s.EmbeddedTexts(t.Context(), "e", 3)
	if want := map[model.ModelID]registry.TextDigest{one.ID: one.Text, two.ID: two.Text}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	near, err := s.NearestModels(t.Context(), "e", two.Vector, 1)
	if err != nil || len(near) != 1 || near[0].ID != two.ID || math.Abs(near[0].Score-1) > 1e-9 {
		t.Errorf("%v, %v; want the record itself", near, err)
	}
	for name, bad := range map[string]registry.Embedding{
		"no record": {Vector: []float32{1}}, "nothing": {ID: "a"}, "no number": {ID: "a", Vector: []float32{1, float32(math.NaN())}},
	} {
		if err := s.SaveEmbeddings(t.Context(), "e", []registry.Embedding{embedding(8, 3), bad}); model.KindOf(err) != model.KindInvalid {
			t.Errorf("%s: %v, want %s", name, err, model.KindInvalid)
		}
	}
	if got, err := s.EmbeddedTexts(t.Context(), "e", 3); err != nil || len(got) != 2 {
		t.Errorf("after refused ones: %v, %v", got, err)
	}
}

// embeddingsNearest compares with a scan of every vector, whatever the store does.
func embeddingsNearest(t *testing.T, s Store) {
	const dimensions = 48
	var all []registry.Embedding
	for n := range 1500 {
		all = append(all, embedding(n, dimensions))
	}
	all = append(all, registry.Embedding{ID: "zero", Vector: make([]float32, dimensions)})
	saveEmbeddings(t, s, "e", all...)
	saveEmbeddings(t, s, "other", embedding(1, dimensions), embedding(2, dimensions))
	for i := range 20 {
		q := embedding(10_000+i, dimensions).Vector
		for _, k := range []int{-1, 0, 1, 7, 40, 700, 5000} {
			got, err := s.NearestModels(t.Context(), "e", q, k)
			want := registry.Rank(q, all, k)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("the %d nearest of %d: %v; want -, got +:\n%s", k, i, err, cmp.Diff(want, got))
			}
		}
	}
	if got, err := s.NearestModels(t.Context(), "other", embedding(2, dimensions).Vector, 5); err != nil || len(got) != 2 || got[0].ID != "acme/0002" {
		t.Errorf("of another embedder: %v, %v", got, err)
	}
}

// embeddingsTies: records with the same vector come by id, however many.
func embeddingsTies(t *testing.T, s Store) {
	var all []registry.Embedding
	for n := range 600 {
		e := embedding(n/300, 8) // two of 300 each
		e.ID = model.ModelID(strconv.Itoa(1000 + (n*7919)%600))
		all = append(all, e)
	}
	saveEmbeddings(t, s, "e", all...)
	q := embedding(0, 8).Vector
	got, err := s.NearestModels(t.Context(), "e", q, 5)
	if want := registry.Rank(q, all, 5); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v; want -, got +:\n%s", err, cmp.Diff(want, got))
	}
}

func embeddingsConcurrent(t *testing.T, s Store) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 20 {
				if err := s.SaveEmbeddings(t.Context(), "e", []registry.Embedding{embedding((n+5*i)%20, 16), embedding(n, 16)}); err != nil {
					t.Error(err)
				}
				if _, err := s.NearestModels(t.Context(), "e", embedding(n, 16).Vector, 3); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, err := s.EmbeddedTexts(t.Context(), "e", 16); err != nil || len(got) != 20 {
		t.Errorf("%d records, %v; want 20", len(got), err)
	}
}
