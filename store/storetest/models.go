package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

// version makes version n of a record.
func version(id model.ModelID, n int) registry.Version {
	doc, err := json.Marshal(model.Model{ID: id, Provider: "acme", Name: fmt.Sprintf("version %d", n)})
	if err != nil {
		panic(err)
	}
	return registry.Version{
		ID: id, Number: n, At: time.UnixMicro(1_790_000_000_000_001 + int64(n)).UTC(), Actor: "tester", Action: registry.ActionEdit, Doc: doc,
		Diff: []registry.FieldChange{{Path: "name", Old: json.RawMessage(`"old"`), New: json.RawMessage(`"new"`)}, {Path: "tags", New: json.RawMessage(`["a"]`)}},
	}
}

func save(t *testing.T, s Store, vs ...registry.Version) {
	t.Helper()
	if err := s.SaveModels(t.Context(), vs); err != nil {
		t.Fatal(err)
	}
}

func modelVersions(t *testing.T, s Store) {
	if got, err := s.LoadModels(t.Context()); err != nil || len(got) != 0 {
		t.Fatalf("an empty store has %v, %v", got, err)
	}
	plain := registry.Version{ID: "b", Number: 1, At: time.UnixMicro(5).UTC(), Actor: "", Action: registry.ActionAdd, Doc: json.RawMessage(`{"model_id":"b"}`)}
	save(t, s, version("a", 1), plain)
	save(t, s, version("a", 2))
	save(t, s)

	got, err := s.LoadModels(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	latest := map[model.ModelID]int{}
	for _, m := range got {
		latest[m.ID] = m.Number
		var doc model.Model
		if err := json.Unmarshal(m.Doc, &doc); err != nil || doc.ID != m.ID {
			t.Errorf("%s comes back as %s, %v", m.ID, m.Doc, err)
		}
	}
	if want := (map[model.ModelID]int{"a": 2, "b": 1}); !reflect.DeepEqual(latest, want) {
		t.Errorf("latest versions are %v, want %v", latest, want)
	}
	sameHistory(t, s, "a", version("a", 1), version("a", 2))
	sameHistory(t, s, "b", plain)
	sameHistory(t, s, "nobody")
}

func sameHistory(t *testing.T, s Store, id model.ModelID, want ...registry.Version) {
	t.Helper()
	got, err := s.ModelHistory(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if g, w := canonical(t, got), canonical(t, want); g != w {
		t.Errorf("history of %s is\n%s\nwant\n%s", id, g, w)
	}
}

// canonical writes a value as JSON with sorted members, so that a store may
// keep documents in a form of its own.
func canonical(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var any any
	if err := json.Unmarshal(b, &any); err != nil {
		t.Fatal(err)
	}
	b, err = json.Marshal(any)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func modelConflict(t *testing.T, s Store) {
	save(t, s, version("a", 1))
	for _, n := range []int{0, 1, 3} {
		if err := s.SaveModels(t.Context(), []registry.Version{version("a", n)}); model.KindOf(err) != model.KindConflict {
			t.Errorf("version %d after version 1 gives %v, want a conflict", n, err)
		}
	}
	sameHistory(t, s, "a", version("a", 1))
}

func modelsAllOrNothing(t *testing.T, s Store) {
	save(t, s, version("a", 1))
	if err := s.SaveModels(t.Context(), []registry.Version{version("b", 1), version("a", 7)}); err == nil {
		t.Fatal("a gap in the numbers is accepted")
	}
	bad := version("c", 1)
	bad.Doc = json.RawMessage(`{"model_id":`)
	if err := s.SaveModels(t.Context(), []registry.Version{version("b", 1), bad}); model.KindOf(err) != model.KindInvalid {
		t.Errorf("a record that is not JSON gives %v, want invalid", err)
	}
	sameHistory(t, s, "b")
	sameHistory(t, s, "a", version("a", 1))
}

func modelsVersion(t *testing.T, s Store) {
	seen := map[uint64]bool{}
	for n := range 4 {
		if n > 0 {
			save(t, s, version("a", n))
		}
		v, err := s.ModelsVersion(t.Context())
		if err != nil || seen[v] {
			t.Fatalf("after %d writes the version is %d again, %v", n, v, err)
		}
		seen[v] = true
		if again, err := s.ModelsVersion(t.Context()); err != nil || again != v {
			t.Errorf("the version changes without a write: %d, then %d, %v", v, again, err)
		}
	}
}

func modelsRace(t *testing.T, s Store) {
	const writers = 8
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() { errs[i] = s.SaveModels(t.Context(), []registry.Version{version("a", 1)}) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case model.KindOf(err) != model.KindConflict:
			t.Errorf("a late writer gets %v, want a conflict", err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers won, want 1", won)
	}
}
