package registry_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

// stingy is a store that is asked for many only once a few were not enough.
type stingy struct {
	registry.Store
	registry.Embeddings
	asked []int
}

func (s *stingy) NearestModels(ctx context.Context, embedder string, v []float32, k int) ([]registry.Neighbour, error) {
	s.asked = append(s.asked, k)
	return s.Embeddings.NearestModels(ctx, embedder, v, k)
}

// noStore stores nothing.
type noStore struct{}

func (noStore) LoadModels(context.Context) ([]registry.Stored, error) { return nil, nil }
func (noStore) SaveModels(context.Context, []registry.Version) error  { return nil }
func (noStore) ModelsVersion(context.Context) (uint64, error)         { return 0, nil }
func (noStore) ModelHistory(context.Context, model.ModelID) ([]registry.Version, error) {
	return nil, nil
}

// TestSearchAsksTheStoreForTheNearest: what a short search finds is the
// beginning of what one without a limit does, ties and filters included, and
// it does not ask for all where a few are enough.
func TestSearchAsksTheStoreForTheNearest(t *testing.T) {
	s := &stingy{Store: noStore{}}
	r := registry.New(registry.Config{Catalogue: noCatalogue, Store: s})
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	var records []model.Model
	for i := range 400 {
		records = append(records, record(fmt.Sprintf("p%d/m%03d", i%2, i), func(m *model.Model) {
			m.Name = strings.Repeat("z", i/4) + "a" // four of each
		}))
	}
	if _, err := r.Apply(t.Context(), registry.Change{Models: records}); err != nil {
		t.Fatal(err)
	}
	e := &bagOfLetters{}
	for _, filters := range [][]string{nil, {"provider=p1"}, {"model_id=p1/m001"}} {
		all := search(t, r, registry.Query{Similar: "zzz", Filters: filters, Embedder: e, Limit: -1})
		s.asked = nil
		few := search(t, r, registry.Query{Similar: "zzz", Filters: filters, Embedder: e, Limit: 6})
		n := min(6, len(all.Hits))
		if !slices.Equal(few.Hits, all.Hits[:n]) || few.Total != all.Total {
			t.Errorf("%q: %+v, without a limit %+v", filters, few, all.Hits[:n])
		}
		if filters == nil && !slices.Equal(s.asked, []int{12}) {
			t.Errorf("the store was asked for %v", s.asked)
		}
	}
	// A vector is made anew when the text has changed.
	calls := e.calls
	if _, err := r.Apply(t.Context(), registry.Change{Models: []model.Model{record("p0/m000", func(m *model.Model) { m.Name = "zzz" })}}); err != nil {
		t.Fatal(err)
	}
	if search(t, r, registry.Query{Similar: "zzz", Embedder: e}); e.calls != calls+2 {
		t.Errorf("%d calls of the embedder after a change, want two", e.calls-calls)
	}
}

func TestSearchForWhatIsLikeARecord(t *testing.T) {
	r := registry.New(registry.Config{Catalogue: noCatalogue})
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Apply(t.Context(), registry.Change{Models: []model.Model{
		record("a/quartz"), record("b/quartz-2"), record("c/other"),
	}}); err != nil {
		t.Fatal(err)
	}
	for _, e := range []registry.Embedder{nil, &bagOfLetters{}} {
		res := search(t, r, registry.Query{SimilarTo: "a/quartz", Embedder: e})
		if len(res.Hits) != 2 || res.Hits[0].Model.ID != "b/quartz-2" {
			t.Errorf("with %v: %+v", e, res)
		}
	}
	for kind, q := range map[model.Kind]registry.Query{
		model.KindNotFound: {SimilarTo: "nobody"},
		model.KindInvalid:  {SimilarTo: "a/quartz", Similar: "small"},
	} {
		if _, err := r.Search(t.Context(), q); model.KindOf(err) != kind || model.AsError(err).Param != "similar_to" {
			t.Errorf("%+v: %v, want %s", q, err, kind)
		}
	}
}
