package registry_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

func figures(kv ...any) map[string]model.Figure {
	out := map[string]model.Figure{}
	for i := 0; i < len(kv); i += 2 {
		out[kv[i].(string)] = model.Figure{Value: kv[i+1].(float64)}
	}
	return out
}

func TestComposite(t *testing.T) {
	for _, c := range []struct {
		name    string
		metrics map[string]model.Figure
		want    float64
		known   bool
	}{
		{"nothing", nil, 0, false},
		{"custom metrics have no scale", figures("house_rubric", 7.5), 0, false},
		{"mmlu", figures("mmlu", 80.0), 0.8, true},
		{"mt_bench", figures("mt_bench", 9.0), 0.9, true},
		{"arena at the centre", figures("arena_elo", 1020.0), 0.5, true},
		{"arena 400 above", figures("arena_elo", 1420.0), 10.0 / 11, true},
		{"weighted mean", figures("mmlu", 80.0, "hellaswag", 50.0, "arena_elo", 1020.0), (0.8 + 0.5*0.5 + 2*0.5) / 3.5, true},
		{"composite wins", figures("composite", 0.42, "mmlu", 99.0), 0.42, true},
		{"out of range", figures("mmlu", 250.0), 1, true},
	} {
		got, known := registry.Composite(c.metrics)
		if known != c.known || math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, %v: want %v, %v", c.name, got, known, c.want, c.known)
		}
	}
}

// TestCompositeProperties: always in [0,1], and raising a metric never lowers it.
func TestCompositeProperties(t *testing.T) {
	names := []string{"mmlu", "truthfulqa", "hellaswag", "mt_bench", "arena_elo"}
	rapid.Check(t, func(t *rapid.T) {
		m := map[string]model.Figure{}
		for _, n := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, len(names), rapid.ID).Draw(t, "metrics") {
			m[n] = model.Figure{Value: rapid.Float64Range(-10, 4000).Draw(t, n)}
		}
		before, known := registry.Composite(m)
		if !known || before < 0 || before > 1 {
			t.Fatalf("%v: %v, %v", m, before, known)
		}
		for n, f := range m {
			f.Value += rapid.Float64Range(0, 500).Draw(t, "more")
			m[n] = f
			break
		}
		if after, _ := registry.Composite(m); after < before {
			t.Fatalf("%v: raising a metric lowered the composite from %v to %v", m, before, after)
		}
	})
}

// TestArenaAgreesWithMMLU checks the centre of the arena's scale: on the models
// for which both are published the two scores are close.
func TestArenaAgreesWithMMLU(t *testing.T) {
	sum, n, worst := 0.0, 0, 0.0
	seen := map[string]bool{}
	for _, m := range loaded(t).Snapshot().Models {
		mmlu, ok := m.Quality["mmlu"]
		elo, ok2 := m.Quality["arena_elo"]
		if !ok || !ok2 || seen[m.Canonical] {
			continue
		}
		seen[m.Canonical] = true
		a, _ := registry.Composite(map[string]model.Figure{"mmlu": mmlu})
		b, _ := registry.Composite(map[string]model.Figure{"arena_elo": elo})
		sum, n, worst = sum+b-a, n+1, max(worst, math.Abs(b-a))
	}
	t.Logf("%d models: arena_elo − mmlu is %+.3f on average, at most %.3f apart", n, sum/float64(n), worst)
	if n < 15 || math.Abs(sum/float64(n)) > 0.03 || worst > 0.1 {
		t.Errorf("the two scales disagree: choose another centre")
	}
}
