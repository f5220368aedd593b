// Package near finds the names that somebody who mistyped one may have meant.
package near

import (
	"cmp"
	"slices"
	"strings"
)

// Names returns up to n of the candidates that are nearest to word, best
// first. A candidate is near if it contains the word, or the other way round,
// or if at most a third of the word's letters would have to be edited: at least
// two in words of four letters and more, for swapped ones, else one.
func Names(word string, candidates []string, n int) []string {
	type scored struct {
		name string
		dist int
	}
	w := strings.ToLower(word)
	limit := max(2, len(w)/3)
	if len(w) < 4 {
		limit = 1
	}
	var hits []scored
	for _, c := range candidates {
		if d := distance(w, strings.ToLower(c), limit); d <= limit {
			hits = append(hits, scored{c, d})
		}
	}
	slices.SortFunc(hits, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.dist, b.dist), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	hits = slices.CompactFunc(hits, func(a, b scored) bool { return a.name == b.name })
	out := make([]string, 0, n)
	for _, h := range hits[:min(n, len(hits))] {
		out = append(out, h.name)
	}
	return out
}

// Suggest words the nearest names for an error message: `: did you mean
// "a" or "b"?`, or nothing.
func Suggest(word string, candidates []string) string {
	names := Names(word, candidates, 3)
	if len(names) == 0 {
		return ""
	}
	for i, n := range names {
		names[i] = `"` + n + `"`
	}
	return ": did you mean " + strings.Join(names, " or ") + "?"
}

// distance is the edit distance of a and b, or limit+1 if it is larger.
// Containment counts as one edit: people leave out prefixes and suffixes.
func distance(a, b string, limit int) int {
	if a == b {
		return 0
	}
	if len(a) >= 3 && strings.Contains(b, a) || len(b) >= 3 && strings.Contains(a, b) {
		return 1
	}
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	prev := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		best := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			best = min(best, row[j])
		}
		if best > limit {
			return limit + 1
		}
		prev, row = row, prev
	}
	return prev[len(b)]
}
