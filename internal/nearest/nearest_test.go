package nearest

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCosine(t *testing.T) {
	for _, c := range []struct {
		a, b []float32
		want float64
	}{
		{[]float32{1, 2}, []float32{2, 4}, 1},
		{[]float32{1, 0}, []float32{0, 3}, 0},
		{[]float32{1, 0}, []float32{-1, 0}, 0},
		{[]float32{1, 1}, []float32{1, 0}, math.Sqrt(0.5)},
		{[]float32{0, 0}, []float32{1, 0}, 0},
	} {
		if got := Cosine(c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v and %v: %v, want %v", c.a, c.b, got, c.want)
		}
	}
	if u := Unit([]float32{3, 4}); u[0] != 0.6 || u[1] != 0.8 {
		t.Errorf("%v", u)
	}
	if u := Unit([]float32{0, 0}); !slices.Equal(u, []float32{0, 0}) {
		t.Errorf("%v", u)
	}
}

func TestOdd(t *testing.T) {
	if _, found := Odd([]float32{1, 0}); found {
		t.Error("a number is odd")
	}
	if x, found := Odd([]float32{1, float32(math.Inf(-1))}); !found || !math.IsInf(x, -1) {
		t.Errorf("%v, %v", x, found)
	}
}

// The best are the beginning of the sorted whole, whatever comes first.
func TestBestIsTheBeginningOfAll(t *testing.T) {
	for k := range 30 {
		all := make([]int, 25)
		for i := range all {
			all[i] = rand.IntN(15) // some twice
		}
		b := NewBest(k, cmp.Compare[int])
		for _, n := range all {
			if b.Add(n); len(b.heap.of) > k {
				t.Fatalf("%d are kept of %d", len(b.heap.of), k)
			}
		}
		slices.Sort(all)
		if got := b.Sorted(); !slices.Equal(got, all[:min(k, len(all))]) {
			t.Errorf("%d of %v: %v", k, all, got)
		}
	}
	if got := NewBest(-1, cmp.Compare[int]).Sorted(); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
