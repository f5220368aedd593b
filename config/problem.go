package config

import (
	"fmt"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// Problem is one thing wrong with a configuration.
type Problem struct {
	Source  string `json:"source"`           // a file name, "--listen" or "CARTRITA_LISTEN"
	Line    int    `json:"line,omitempty"`   // from 1; 0 outside of files
	Column  int    `json:"column,omitempty"` // from 1
	Path    string `json:"path,omitempty"`   // of the field: "providers[0].base_url"
	Message string `json:"message"`          // what is wrong and what was expected

	meant string // path of the field that an unknown one probably stands for
}

// String writes the problem as compilers do: "cartrita.yaml:4:3: path: message".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Source)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// failure makes the error for a list of problems: KindInvalid, the first
// problem's path as Param, all of them as Details ([]Problem) and in the
// message, one per line.
func failure(op string, problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return &model.Error{
		Op: op, Kind: model.KindInvalid,
		Message: strings.Join(lines, "\n"),
		Details: problems,
	}
}

// Problems returns the single problems of an error from Load or Parse; nil for
// other errors.
func Problems(err error) []Problem {
	e := model.AsError(err)
	if e == nil {
		return nil
	}
	ps, _ := e.Details.([]Problem)
	return ps
}

// suggest returns "; did you mean x?" for the nearest name, or "".
func suggest(word string, names []string) string {
	if near := nearest(word, names); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// nearest returns the name nearest to word, or "" when none is near: at most a
// third of the letters differ.
func nearest(word string, names []string) string {
	best, least := "", len(word)/3
	for _, n := range names {
		if d := distance(strings.ToLower(word), strings.ToLower(n)); d <= least && (best == "" || d < least) {
			best, least = n, d
		}
	}
	return best
}

// distance counts the single-letter edits, swaps of neighbours included, that
// turn a into b. Words over 64 bytes are not compared.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
