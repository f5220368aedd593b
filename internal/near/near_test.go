package near

import (
	"slices"
	"testing"
)

func TestNames(t *testing.T) {
	known := []string{"gpt-4o", "gpt-4o-mini", "openai/gpt-4o", "llama-3.3-70b-instruct", "context_length"}
	for _, c := range []struct {
		word string
		want []string
	}{
		{"gpt4o", []string{"gpt-4o"}},
		{"GPT-4o", []string{"gpt-4o", "gpt-4o-mini", "openai/gpt-4o"}},
		{"contxt_legth", []string{"context_length"}},
		{"llama-3.3-70b", []string{"llama-3.3-70b-instruct"}},
		{"zzzzzz", []string{}},
		{"", []string{}},
	} {
		if got := Names(c.word, known, 3); !slices.Equal(got, c.want) {
			t.Errorf("Names(%q) = %v: want %v", c.word, got, c.want)
		}
	}
	if got := Suggest("gpt4o", known); got != `: did you mean "gpt-4o"?` {
		t.Errorf("Suggest = %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		limit int
		want  int
	}{
		{"kitten", "sitting", 9, 3},
		{"abc", "abc", 2, 0},
		{"abc", "xyz", 2, 3},
		{"abcdefgh", "a", 2, 3},
		{"open", "openai", 2, 1},
	} {
		if got := distance(c.a, c.b, c.limit); got != c.want {
			t.Errorf("distance(%q, %q, %d) = %d: want %d", c.a, c.b, c.limit, got, c.want)
		}
	}
}

func TestShortWordsHaveFewNeighbours(t *testing.T) {
	for word, want := range map[string]int{"cut": 0, "atuo": 1, "aut": 1} {
		if got := Names(word, []string{"auto"}, 3); len(got) != want {
			t.Errorf("near %q: %q, want %d names", word, got, want)
		}
	}
}
