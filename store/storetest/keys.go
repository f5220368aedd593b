package storetest

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

func storedKey(id model.KeyID, n int) key.Stored {
	return key.Stored{ID: id, Number: n, Doc: json.RawMessage(fmt.Sprintf(`{"id":%q,"name":"n%d"}`, id, n))}
}

func keysByID(t *testing.T, s Store) map[model.KeyID]key.Stored {
	t.Helper()
	list, err := s.LoadKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[model.KeyID]key.Stored{}
	for _, k := range list {
		out[k.ID] = k
	}
	return out
}

func keysWhole(t *testing.T, s Store) {
	if got := keysByID(t, s); len(got) != 0 {
		t.Fatalf("an empty store has %v", got)
	}
	seen := map[uint64]bool{}
	for _, k := range []key.Stored{storedKey("a", 1), storedKey("b", 1), storedKey("a", 2), storedKey("b", 2)} {
		v, err := s.KeysVersion(t.Context())
		if err != nil || seen[v] {
			t.Fatalf("before %s %d the version is %d again, %v", k.ID, k.Number, v, err)
		}
		seen[v] = true
		if err := s.SaveKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	got := keysByID(t, s)
	for _, id := range []model.KeyID{"a", "b"} {
		want := storedKey(id, 2)
		if g := got[id]; g.Number != 2 || canonical(t, g.Doc) != canonical(t, want.Doc) || !g.LastUsed.IsZero() {
			t.Errorf("%s comes back as %+v", id, g)
		}
	}
	for _, n := range []int{0, 1, 2, 4} {
		if err := s.SaveKey(t.Context(), storedKey("a", n)); model.KindOf(err) != model.KindConflict {
			t.Errorf("version %d after version 2 gives %v, want a conflict", n, err)
		}
	}
	if err := s.SaveKey(t.Context(), key.Stored{ID: "c", Number: 1, Doc: json.RawMessage(`{`)}); model.KindOf(err) != model.KindInvalid {
		t.Errorf("a key that is not JSON gives %v, want invalid", err)
	}
	if got := keysByID(t, s); len(got) != 2 || got["a"].Number != 2 {
		t.Errorf("after refused writes the store has %v", got)
	}
}

func keysRace(t *testing.T, s Store) {
	const writers = 8
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() { errs[i] = s.SaveKey(t.Context(), storedKey("a", 1)) })
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

func keysLastUsed(t *testing.T, s Store) {
	at := time.Unix(1_790_000_000, 0).UTC()
	if err := s.SaveKey(t.Context(), storedKey("a", 1)); err != nil {
		t.Fatal(err)
	}
	before, err := s.KeysVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ set, want time.Time }{
		{at.Add(999 * time.Millisecond), at}, {at.Add(-time.Hour), at}, {at.Add(time.Minute), at.Add(time.Minute)},
	} {
		if err := s.TouchKeys(t.Context(), map[model.KeyID]time.Time{"a": c.set, "nobody": c.set}); err != nil {
			t.Fatal(err)
		}
		if got := keysByID(t, s); len(got) != 1 || !got["a"].LastUsed.Equal(c.want) {
			t.Errorf("used at %v: %+v", c.set, got)
		}
	}
	if after, err := s.KeysVersion(t.Context()); err != nil || after != before {
		t.Errorf("a use counts as a change: %d, then %d, %v", before, after, err)
	}
	if err := s.SaveKey(t.Context(), storedKey("a", 2)); err != nil {
		t.Fatal(err)
	}
	if got := keysByID(t, s)["a"]; !got.LastUsed.Equal(at.Add(time.Minute)) {
		t.Errorf("a change forgets the last use: %+v", got)
	}
}
