// Package nearest compares vectors by their direction, and keeps the best of
// many things of which only a few are wanted.
package nearest

import (
	"container/heap"
	"math"
	"slices"
)

// Cosine of two vectors of one length, in [0,1]: opposite vectors are as unlike
// as unrelated ones. 0 for one that is zero.
func Cosine(a, b []float32) float64 {
	var dot, aa, bb float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return min(1, max(0, dot/math.Sqrt(aa*bb)))
}

// Unit returns a vector with its length made 1: what matters is the direction,
// and indexes of few bits hold no large numbers.
func Unit(v []float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return v
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(float64(x) / math.Sqrt(sum))
	}
	return out
}

// Odd returns the first number of a vector that cannot be compared: one that is
// infinite, or none.
func Odd(v []float32) (number float64, found bool) {
	for _, x := range v {
		if x := float64(x); math.IsNaN(x) || math.IsInf(x, 0) {
			return x, true
		}
	}
	return 0, false
}

// Best keeps the first k of all that are added, in an order. It never holds
// more. A Best belongs to one goroutine.
type Best[T any] struct {
	k    int
	heap last[T]
}

// NewBest makes an empty one; compare is negative for what comes first.
func NewBest[T any](k int, compare func(a, b T) int) *Best[T] {
	return &Best[T]{k: max(k, 0), heap: last[T]{compare: compare}}
}

// Add looks at one more.
func (b *Best[T]) Add(v T) {
	switch {
	case len(b.heap.of) < b.k:
		heap.Push(&b.heap, v)
	case b.k > 0 && b.heap.compare(v, b.heap.of[0]) < 0:
		b.heap.of[0] = v
		heap.Fix(&b.heap, 0)
	}
}

// Sorted returns what is kept, the first first. Nothing is added afterwards.
func (b *Best[T]) Sorted() []T {
	slices.SortFunc(b.heap.of, b.heap.compare)
	return b.heap.of
}

// last is a heap whose root comes last in the order.
type last[T any] struct {
	of      []T
	compare func(a, b T) int
}

func (h *last[T]) Len() int           { return len(h.of) }
func (h *last[T]) Less(i, j int) bool { return h.compare(h.of[i], h.of[j]) > 0 }
func (h *last[T]) Swap(i, j int)      { h.of[i], h.of[j] = h.of[j], h.of[i] }
func (h *last[T]) Push(v any)         { h.of = append(h.of, v.(T)) }
func (h *last[T]) Pop() any           { panic("nearest: nothing is taken out") }
