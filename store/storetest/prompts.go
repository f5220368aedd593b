package storetest

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/nearest"
	"github.com/cartrita/cartrita/model"
)

// promptOf is the vector of what a call was asked: any direction.
func promptOf(c *event.Call, n, dimensions int) event.Prompt {
	return event.Prompt{Call: c.ID, At: c.Ended, Embedder: "lab/e", Vector: embedding(n, dimensions).Vector}
}

func savePrompts(t *testing.T, s Store, ps ...event.Prompt) {
	t.Helper()
	if err := s.SavePrompts(t.Context(), ps); err != nil {
		t.Fatal(err)
	}
}

func nearestPrompts(t *testing.T, s Store, q event.PromptQuery) []event.PromptNeighbour {
	t.Helper()
	found, err := s.NearestPrompts(t.Context(), &q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// found is what a search is compared by.
type found struct {
	ID    model.CallID
	Score float64
}

func foundOf(ns []event.PromptNeighbour) []found {
	out := []found{}
	for i := range ns {
		out = append(out, found{ns[i].ID, ns[i].Score})
	}
	return out
}

// scanPrompts compares with every vector, whatever the store does.
func scanPrompts(calls map[model.CallID]*event.Call, ps []event.Prompt, q *event.PromptQuery) []found {
	f, times := q.Filter, event.Filter{Since: q.Filter.Since, Until: q.Filter.Until}
	f.Since, f.Until = time.Time{}, time.Time{}
	var all []event.PromptNeighbour
	for i := range ps {
		c := calls[ps[i].Call]
		if c == nil || ps[i].Embedder != q.Embedder || len(ps[i].Vector) != len(q.Vector) || !f.MatchCall(c) || !times.MatchCall(&event.Call{Ended: ps[i].At}) {
			continue
		}
		all = append(all, event.PromptNeighbour{Call: *c, Score: nearest.Cosine(q.Vector, ps[i].Vector)})
	}
	slices.SortFunc(all, func(a, b event.PromptNeighbour) int { return a.Compare(&b) })
	return foundOf(all[:min(max(q.K, 0), len(all))])
}

func promptsReturn(t *testing.T, s Store) {
	savePrompts(t, s)
	calls := samples(4)
	if _, err := s.Prompt(t.Context(), calls[0].ID); model.KindOf(err) != model.KindNotFound {
		t.Errorf("of an unknown call: %v", err)
	}
	one, two := promptOf(&calls[0], 1, 3), promptOf(&calls[1], 2, 3)
	savePrompts(t, s, two, one, promptOf(&calls[2], 3, 5))
	q := event.PromptQuery{Embedder: "lab/e", Vector: one.Vector, K: 9}
	if got := nearestPrompts(t, s, q); len(got) != 0 {
		t.Errorf("calls that are not stored are found: %+v", got)
	}
	ingest(t, s, 2, calls...)
	if got, err := s.Prompt(t.Context(), two.Call); err != nil || !cmp.Equal(got, two) {
		t.Errorf("%v; saved -, stored +:\n%s", err, cmp.Diff(two, got))
	}
	got := nearestPrompts(t, s, q)
	if len(got) != 2 || got[0].ID != one.Call || math.Abs(got[0].Score-1) > 1e-9 {
		t.Fatalf("%+v; want the call itself first", foundOf(got))
	}
	want := *calls[0].Record
	want.Plan = nil
	if diff := cmp.Diff(&want, got[0].Record, sameRecord); diff != "" || !got[0].Ended.Equal(calls[0].Ended) || !got[0].Started.Equal(calls[0].Started) || got[0].Strategy != calls[0].Strategy {
		t.Errorf("the call: %v to %v, %q; stored -, found +:\n%s", got[0].Started, got[0].Ended, got[0].Strategy, diff)
	}

	two.Vector, two.Embedder = []float32{-1, 0, 0.5}, "lab/f" // another embedder since
	savePrompts(t, s, two)
	if got := nearestPrompts(t, s, q); len(got) != 1 {
		t.Errorf("of one embedder: %+v", foundOf(got))
	}
	q.Embedder = "lab/f"
	if got := nearestPrompts(t, s, q); len(got) != 1 || got[0].ID != two.Call {
		t.Errorf("of the other: %+v", foundOf(got))
	}
	for name, spoil := range map[string]func(*event.Prompt){
		"no call": func(p *event.Prompt) { p.Call = model.CallID{} }, "no embedder": func(p *event.Prompt) { p.Embedder = "" },
		"no time": func(p *event.Prompt) { p.At = time.Time{} }, "nothing": func(p *event.Prompt) { p.Vector = nil },
		"no number": func(p *event.Prompt) { p.Vector = []float32{1, float32(math.Inf(1))} },
	} {
		bad := promptOf(&calls[3], 9, 3)
		spoil(&bad)
		if err := s.SavePrompts(t.Context(), []event.Prompt{promptOf(&calls[3], 8, 3), bad}); model.KindOf(err) != model.KindInvalid {
			t.Errorf("%s: %v, want %s", name, err, model.KindInvalid)
		}
	}
	if _, err := s.Prompt(t.Context(), calls[3].ID); model.KindOf(err) != model.KindNotFound {
		t.Errorf("one beside a refused one is stored: %v", err)
	}
}

// promptsNearest compares with a scan, with every kind of filter.
func promptsNearest(t *testing.T, s Store) {
	const all, dimensions = 2500, 64
	calls := samples(all)
	ingest(t, s, 500, calls...)
	byID := map[model.CallID]*event.Call{}
	var ps []event.Prompt
	for n := range all {
		byID[calls[n].ID] = &calls[n]
		p := promptOf(&calls[n], n, dimensions)
		if n%500 == 499 { // some as near as another
			p.Vector = ps[n-1].Vector
		}
		ps = append(ps, p)
	}
	savePrompts(t, s, ps...)
	task := model.TaskChat
	for name, f := range map[string]event.Filter{
		"all": {}, "since": {Since: base.Add(2000 * time.Second)}, "until": {Until: base.Add(100 * time.Second)},
		"between": {Since: base.Add(300 * time.Second), Until: base.Add(2200 * time.Second)}, "key": {Key: "key-3"}, "team": {Team: "team-1"},
		"tag": {Tag: "eu"}, "model": {Model: "model-1"}, "provider and user": {Provider: "p1", User: "user-2"}, "nobody": {Model: "none"},
		"task and state": {Task: &task, State: model.StateFailed}, "nothing": {Since: base.Add(time.Hour), Until: base.Add(2 * time.Hour)},
	} {
		for i := range 4 {
			for _, k := range []int{-1, 0, 1, 10, 100, 3000} {
				q := event.PromptQuery{Embedder: "lab/e", Vector: embedding(10_000+i, dimensions).Vector, K: k, Filter: f}
				want := scanPrompts(byID, ps, &q)
				if got := foundOf(nearestPrompts(t, s, q)); !slices.Equal(got, want) {
					t.Fatalf("%s: the %d nearest of %d; want -, got +:\n%s", name, k, i, cmp.Diff(want, got))
				}
			}
		}
	}
}

func promptsForgotten(t *testing.T, s Store) {
	const all = 1700 // more than two steps
	calls := samples(all)
	ingest(t, s, 500, calls...)
	var ps []event.Prompt
	for n := range all {
		ps = append(ps, promptOf(&calls[n], n, 4))
	}
	savePrompts(t, s, ps...)
	if n, err := s.ForgetPrompts(t.Context(), base); err != nil || n != 0 {
		t.Errorf("before the first: %d, %v", n, err)
	}
	if n, err := s.ForgetPrompts(t.Context(), calls[1200].Ended); err != nil || n != 1200 {
		t.Errorf("%d are forgotten, %v; want 1200", n, err)
	}
	left := 0
	err := s.WalkPrompts(t.Context(), func(some []event.Prompt) error {
		for i := range some {
			if diff := cmp.Diff(ps[1200+left], some[i]); diff != "" {
				t.Errorf("saved -, left +:\n%s", diff)
			}
			left++
		}
		return nil
	})
	if err != nil || left != all-1200 {
		t.Errorf("%d are left, %v", left, err)
	}
}

func promptsConcurrent(t *testing.T, s Store) {
	calls := samples(40)
	var wg sync.WaitGroup
	wg.Go(func() { ingest(t, s, 3, calls...) })
	for i := range 4 {
		wg.Go(func() {
			for n := range 20 {
				if err := s.SavePrompts(t.Context(), []event.Prompt{promptOf(&calls[(n+5*i)%20+20], n, 16), promptOf(&calls[n], n, 16)}); err != nil {
					t.Error(err)
				}
				if _, err := s.NearestPrompts(t.Context(), &event.PromptQuery{Embedder: "lab/e", Vector: embedding(n, 16).Vector, K: 3}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := nearestPrompts(t, s, event.PromptQuery{Embedder: "lab/e", Vector: embedding(1, 16).Vector, K: 100}); len(got) != 40 {
		t.Errorf("%d calls are found, want 40", len(got))
	}
}

// archivePrompts: vectors leave with their calls, and those that nobody has any
// more with the day in which they would have.
func archivePrompts(t *testing.T, s Database, _ func(string) [][]string) {
	calls := spread(0, 300)
	ingest(t, s, 130, calls...)
	var ps []event.Prompt
	for n := range calls {
		ps = append(ps, promptOf(&calls[n], n, 8))
	}
	alone := ps[0]
	alone.Call[1] ^= 0xff // its call was lost
	savePrompts(t, s, append(ps, alone)...)
	until := daysAfter(3)
	archiveUntil(t, archiver(s, t.TempDir()), until)
	gone := before(until)
	left := 0
	err := s.WalkPrompts(t.Context(), func(some []event.Prompt) error {
		for i := range some {
			if some[i].At.Before(until) {
				t.Errorf("the vector of %v is left", some[i].At)
			}
		}
		left += len(some)
		return nil
	})
	if err != nil || left != len(calls)-gone {
		t.Errorf("%d vectors are left, %v; want %d", left, err, len(calls)-gone)
	}
	if got := nearestPrompts(t, s, event.PromptQuery{Embedder: "lab/e", Vector: ps[0].Vector, K: 1000}); len(got) != left {
		t.Errorf("%d calls are found, want %d", len(got), left)
	}
}
