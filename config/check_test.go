package config

import (
	"strings"
	"testing"
)

// checkFiles parses files and wants the problem that each is given with; "": none.
func checkFiles(t *testing.T, files map[string]string) {
	t.Helper()
	for file, want := range files {
		_, err := Parse("file", []byte(file))
		var text []string
		for _, p := range Problems(err) {
			text = append(text, p.String())
		}
		if got := strings.Join(text, "\n"); err == nil != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s\ngot %q, want %q", file, got, want)
		}
	}
}
